/* The rows of config_keys.c, in the order --help-config prints them. */
#ifndef APP_CONFIG_TABLE_H
#define APP_CONFIG_TABLE_H

#include "app/config_keys.h"

extern const struct config_key config_table[];
extern const size_t config_table_count;

#endif
