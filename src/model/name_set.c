#include "model/name_set.h"

#include "base/error.h"
#include "base/map.h"

struct name_entry {
    uint64_t head; /* its first bytes */
    uint32_t offset;
    uint32_t len;
};

static struct name_entry *entry_at(const struct name_set *s, uint32_t index) {
    return (struct name_entry *)(void *)buffer_begin(s->entries) + index;
}

static uint32_t *slot_at(const struct name_set *s, uint32_t index) {
    return (uint32_t *)(void *)buffer_begin(s->slots) + index;
}

static uint32_t entry_count(const struct name_set *s) {
    return (uint32_t)(s->entries->len / sizeof(struct name_entry));
}

void name_group_open(const struct name_set *s, struct name_group *g) {
    g->first = entry_count(s);
    g->count = 0;
    g->slot_first = (uint32_t)(s->slots->len / sizeof(uint32_t));
    g->slot_count = 0;
}

void name_group_close(struct name_set *s, const struct name_group *g) {
    s->entries->len = g->first * sizeof(struct name_entry);
    s->slots->len = g->slot_first * sizeof(uint32_t);
}

static inline bool same(const struct name_entry *a, const struct name_entry *b,
                        const char *bytes) {
    return a->head == b->head && a->len == b->len &&
           (a->len <= 8 || memcmp(bytes + a->offset, bytes + b->offset, a->len) == 0);
}

static uint32_t hash_of(const struct name_entry *e, const char *bytes) {
    return (uint32_t)map_hash(slice_of(bytes + e->offset, e->len));
}

/* The slot of an equal name, or the free one where it belongs. */
static uint32_t *find_slot(const struct name_set *s, const struct name_group *g,
                           const struct name_entry *wanted, const char *bytes) {
    uint32_t mask = g->slot_count - 1, i = hash_of(wanted, bytes) & mask;
    for (;;) {
        uint32_t *slot = slot_at(s, g->slot_first + i);
        if (*slot == 0 || same(entry_at(s, *slot - 1), wanted, bytes)) {
            return slot;
        }
        i = (i + 1) & mask;
    }
}

/* A table of twice the size with every name of the group in it. */
static int rehash(struct name_set *s, struct name_group *g, const char *bytes) {
    uint32_t slots = g->slot_count ? g->slot_count * 2 : NAME_SET_LINEAR * 4;
    size_t old_len = g->slot_first * sizeof(uint32_t), new_len = slots * sizeof(uint32_t);

    s->slots->len = old_len;
    int error = buffer_reserve(s->slots, new_len);
    if (error) {
        return error;
    }
    memset(buffer_tail(s->slots), 0, new_len);
    buffer_grow(s->slots, new_len);
    g->slot_count = slots;
    for (uint32_t i = g->first; i < g->first + g->count; i++) {
        *find_slot(s, g, entry_at(s, i), bytes) = i + 1;
    }
    return 0;
}

/* The first bytes of a name, zeros after a shorter one. */
static inline uint64_t head_of(const char *name, size_t len) {
    uint64_t head;
    memcpy(&head, name, sizeof head);
    if (len >= sizeof head) {
        return head;
    }
    if (len == 0) {
        return 0;
    }
    unsigned unused = 8u * (unsigned)(sizeof head - len);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return head << unused >> unused;
#else
    return head >> unused << unused;
#endif
}

int name_group_add(struct name_set *s, struct name_group *g, const char *bytes, size_t offset,
                   size_t len) {
    struct name_entry added = {head_of(bytes + offset, len), (uint32_t)offset, (uint32_t)len};
    int error = buffer_reserve(s->entries, sizeof added);

    ASSERT(offset + len <= UINT32_MAX);
    if (error) {
        return error;
    }
    if (g->slot_count == 0) {
        const struct name_entry *e = entry_at(s, g->first);
        for (uint32_t i = 0; i < g->count; i++) {
            if (same(&e[i], &added, bytes)) {
                return ERR_EXISTS;
            }
        }
    } else if (*find_slot(s, g, &added, bytes) != 0) {
        return ERR_EXISTS;
    }
    *entry_at(s, g->first + g->count) = added;
    buffer_grow(s->entries, sizeof added);
    g->count++;
    if (g->slot_count == 0 ? g->count >= NAME_SET_LINEAR : g->count * 2 >= g->slot_count) {
        return rehash(s, g, bytes);
    }
    if (g->slot_count) {
        *find_slot(s, g, &added, bytes) = g->first + g->count;
    }
    return 0;
}
