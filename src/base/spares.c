#include "base/spares.h"

#include "base/poison.h"

#include <stdlib.h>

/* A spare holds the link to the next of its shelf in its first bytes. */
struct spare {
    struct spare *next;
};

static size_t shelf_bytes(size_t shelf) {
    return (size_t)SPARES_FIRST_BYTES << shelf;
}

void spares_init(struct spares *s, size_t limit) {
    *s = (struct spares){.limit = limit};
}

static struct spare *pop(struct spares *s, size_t shelf) {
    struct spare *spare = s->shelves[shelf];
    if (spare != NULL) {
        unpoison(spare, shelf_bytes(shelf));
        s->shelves[shelf] = spare->next;
        s->bytes -= shelf_bytes(shelf);
    }
    return spare;
}

void spares_fini(struct spares *s) {
    for (size_t i = 0; i < SPARES_SHELVES; i++) {
        for (struct spare *spare; (spare = pop(s, i)) != NULL;) {
            free(spare);
        }
    }
    ASSERT(s->bytes == 0);
}

void spares_borrow(struct spares *s, struct buffer *b, size_t need) {
    for (size_t i = 0; b->cap == 0 && i < SPARES_SHELVES; i++) {
        if (need <= shelf_bytes(i) && s->shelves[i] != NULL) {
            *b = (struct buffer){.data = (char *)pop(s, i), .cap = shelf_bytes(i)};
        }
    }
}

/* SPARES_SHELVES: none, it is of no shelf's size. */
static size_t shelf_of(size_t cap) {
    size_t i = 0;
    while (i < SPARES_SHELVES && shelf_bytes(i) != cap) {
        i++;
    }
    return i;
}

void spares_give_back(struct spares *s, struct buffer *b) {
    size_t i = shelf_of(b->cap);
    if (i == SPARES_SHELVES || s->bytes + b->cap > s->limit) {
        buffer_fini(b);
        return;
    }
    struct spare *spare = (void *)b->data;
    spare->next = s->shelves[i];
    s->shelves[i] = spare;
    s->bytes += b->cap;
    poison(spare + 1, b->cap - sizeof(*spare)); /* the leak checker follows the links */
    *b = (struct buffer){0};
}
