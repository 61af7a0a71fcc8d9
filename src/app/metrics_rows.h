/* What of a snapshot is shown under which name. */
#ifndef APP_METRICS_ROWS_H
#define APP_METRICS_ROWS_H

#include "app/metrics.h"

/* One number or histogram, added up over the workers. Rows of one name follow each other and
 * differ in their label; those of a list are shown for each of its names. */
struct metrics_row {
    const char *name;
    const char *type;
    const char *help;
    const char *label; /* NULL = none */
    size_t offset;     /* in struct snapshot, or in the list's struct */
    size_t size;
    const uint64_t *bounds; /* of a histogram; NULL = a number */
    uint64_t unit;          /* of a histogram */
    enum metrics_list list;
};

extern const struct metrics_row metrics_rows[];
extern const size_t metrics_row_count;

#endif
