/* Finds a name that is in an object twice (or a value in a set), for all objects open at a
 * time: objects nest, so their names are one stack. Few names are compared one by one; from
 * NAME_SET_LINEAR on an object gets a hash table with a seeded hash (names come from peers). */
#ifndef MODEL_NAME_SET_H
#define MODEL_NAME_SET_H

#include "base/assert.h"
#include "base/buffer.h"

#define NAME_SET_LINEAR 64

struct name_set {
    struct buffer *entries; /* of struct name_entry; both are work space of the caller */
    struct buffer *slots;   /* of uint32_t: the hash tables of the open objects */
};

/* One object's part. */
struct name_group {
    uint32_t first; /* entry */
    uint32_t count;
    uint32_t slot_first;
    uint32_t slot_count; /* 0: compared one by one; else a power of two */
};

void name_group_open(const struct name_set *s, struct name_group *g);
/* bytes: where the names of this group are; the name is at `offset`, with 8 readable bytes.
 * 0; ERR_EXISTS; ERR_NOMEM. Only the innermost open group may grow. */
MUST_CHECK int name_group_add(struct name_set *s, struct name_group *g, const char *bytes,
                              size_t offset, size_t len);
void name_group_close(struct name_set *s, const struct name_group *g);

#endif
