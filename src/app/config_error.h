/* Errors of a configuration file, collected so that one run of `check` shows them all:
 * FILE:LINE:COLUMN: what is wrong. */
#ifndef APP_CONFIG_ERROR_H
#define APP_CONFIG_ERROR_H

#include "base/buffer.h"

#define CONFIG_ERRORS_MAX 20 /* further ones are counted, not printed */

struct config_mark { /* 1-based; line 0 = the file as a whole */
    unsigned line;
    unsigned column;
};

struct config_errors {
    const char *file;
    struct buffer text; /* one line an error, each ends in \n */
    size_t count;
};

void config_errors_init(struct config_errors *e, const char *file);
void config_errors_fini(struct config_errors *e);
void config_errors_add(struct config_errors *e, struct config_mark at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Bytes of the character at `at`, UTF-8 and no control character (of C1 neither), or 0. */
size_t config_printable(const char *at, const char *end);

#endif
