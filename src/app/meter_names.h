/* The numbers of meters (gateway/meter.h): given out once for the life of the process, so that
 * what was used of a limit is still known by its number after a reload has brought a new
 * definition. On the main thread only. */
#ifndef APP_METER_NAMES_H
#define APP_METER_NAMES_H

#include <stddef.h>
#include <stdint.h>

struct meter_name {
    const char *kind; /* "stage", "route", "key" */
    const char *plan; /* of a key; else "" */
    const char *name; /* of the key, or the route key; else "" */
};

/* The number of that meter, a new one the first time. Aborts when memory is out. */
uint32_t meter_number(const char *kind, const char *plan, const char *name);
/* METER_NONE when none was given out. */
uint32_t meter_number_find(const char *kind, const char *plan, const char *name);
/* Numbers given out: 0 .. this - 1. */
size_t meter_number_count(void);
const struct meter_name *meter_name(uint32_t number);

#endif
