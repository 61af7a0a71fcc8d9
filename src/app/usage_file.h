/* What was used of quotas, kept over restarts: one JSON file in the state directory.
 *
 * It is added to, never overwritten: under a lock the file is read, the counts of this process
 * are added to what is there, and the sum replaces the file by rename. So two processes (the
 * old and the new one of a hand-over) may share it. A file that cannot be read as what it
 * should be is put aside as quotas.json.bad and counting starts from zero. These calls block:
 * on a thread of the pool, or at the end. */
#ifndef APP_USAGE_FILE_H
#define APP_USAGE_FILE_H

#include "gateway/usage_plan.h"

#include <stddef.h>

#define USAGE_FILE_MAX    67108864 /* bytes */
#define USAGE_PROBLEM_MAX 256
#define USAGE_KEPT_DAYS   62 /* records of periods that began before are dropped */

struct usage_record {
    const char *plan;
    const char *key;
    enum quota_period period;
    uint32_t start; /* the day the period began, see usage_plan.h */
    uint64_t used;
};

/* Whatever happened: 0; or ERR_BUSY: another process is at it; ERR_IO; ERR_INVALID: the file
 * was no good and has been put aside (what was asked has been done all the same). `problem` is
 * set when the result is not 0. */

/* Calls `each` for every record; the directory is made when it is missing. */
int usage_file_read(const char *directory,
                    void (*each)(void *arg, const struct usage_record *r), void *arg,
                    char problem[USAGE_PROBLEM_MAX]);
/* Adds records[].used to the file's, of the same period only; afterwards records[].used is the
 * file's sum. */
int usage_file_add(const char *directory, struct usage_record *records, size_t count,
                   uint32_t today, char problem[USAGE_PROBLEM_MAX]);

#endif
