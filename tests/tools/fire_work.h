/* What fire_clients asks for, and what it was told: every operation with its number, which is
 * also the version that a put writes.
 *
 * Each connection writes keys of its own, so that the order of a key is the order of its
 * numbers. A key gets one to eight operations, at most one of them a delete (a delete carries
 * no version: that makes it known in the endpoint's record). A connection that was cut off goes
 * on with fresh keys: what it had asked for may still happen, at any time. */
#ifndef TOOLS_FIRE_WORK_H
#define TOOLS_FIRE_WORK_H

#include "base/buffer.h"
#include "base/rng.h"

#include <stdio.h>

#define FIRE_ARRAY_MAX 12
#define FIRE_SLOTS     6
#define FIRE_KEY_MAX   40

enum fire_status { FIRE_GONE = 0, FIRE_DROPPED = -1, FIRE_SILENT = -2, FIRE_WRONG = -3 };

struct fire_op {
    char key[FIRE_KEY_MAX];
    uint64_t seen; /* the version a read returned */
    int status;    /* HTTP's, or enum fire_status */
    char kind;     /* Put, Conditional put, X poisoned put, Delete, Get */
    char unknown;
};

struct fire_work {
    struct fire_op *ops; /* the number of an op is its place */
    size_t count;
    size_t limit;
};

struct fire_slot {
    char key[FIRE_KEY_MAX];
    unsigned left;
    unsigned deleted : 1, written : 1;
};

/* One connection's keys. */
struct fire_writer {
    struct rng rng;
    unsigned connection, epoch, keys;
    struct fire_slot slots[FIRE_SLOTS];
};

/* Operations that travel in one HTTP request. */
struct fire_request {
    size_t first, count;
    int is_array;
};

void fire_work_init(struct fire_work *w, size_t limit);
void fire_work_fini(struct fire_work *w);
/* One line per op, in order: "number kind key status unknown seen". */
void fire_work_dump(const struct fire_work *w, FILE *out);

void fire_writer_init(struct fire_writer *writer, unsigned connection, uint64_t seed);
/* Fresh keys from here on. */
void fire_writer_renew(struct fire_writer *writer);
/* Makes the next request and appends it to out, head and body. */
struct fire_request fire_writer_next(struct fire_writer *writer, struct fire_work *w,
                                     struct buffer *out);
/* Takes down the answer. */
void fire_work_answered(struct fire_work *w, const struct fire_request *r, int status,
                        int unknown, struct slice body);
/* There will be none. */
void fire_work_ended(struct fire_work *w, const struct fire_request *r, enum fire_status why);

#endif
