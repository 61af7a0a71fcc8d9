/* Intrusive doubly linked list. A node knows which list holds it (state is list membership), a
 * list counts itself, and both are asserted: inserting a linked node or removing one through
 * the wrong list aborts. A zeroed node is unlinked; a list must be initialised. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include "base/assert.h"
#include "base/container.h"

#include <stdbool.h>

struct list;

struct list_node {
    struct list_node *next;
    struct list_node *prev;
    struct list *list; /* NULL when unlinked */
};

struct list {
    struct list_node *first;
    struct list_node *last;
    size_t count;
};

static inline void list_init(struct list *l) {
    l->first = l->last = NULL;
    l->count = 0;
}

static inline bool list_empty(const struct list *l) {
    return l->count == 0;
}

static inline bool list_linked(const struct list_node *n) {
    return n->list != NULL;
}

static inline void list_push_back(struct list *l, struct list_node *n) {
    ASSERT(n->list == NULL);
    n->list = l;
    n->next = NULL;
    n->prev = l->last;
    if (l->last) {
        l->last->next = n;
    } else {
        l->first = n;
    }
    l->last = n;
    l->count++;
}

static inline void list_push_front(struct list *l, struct list_node *n) {
    ASSERT(n->list == NULL);
    n->list = l;
    n->prev = NULL;
    n->next = l->first;
    if (l->first) {
        l->first->prev = n;
    } else {
        l->last = n;
    }
    l->first = n;
    l->count++;
}

/* The node must be linked; it knows its list. */
static inline void list_remove(struct list_node *n) {
    struct list *l = n->list;
    ASSERT(l != NULL);
    if (n->prev) {
        n->prev->next = n->next;
    } else {
        l->first = n->next;
    }
    if (n->next) {
        n->next->prev = n->prev;
    } else {
        l->last = n->prev;
    }
    n->next = n->prev = NULL;
    n->list = NULL;
    l->count--;
}

static inline struct list_node *list_pop_front(struct list *l) {
    struct list_node *n = l->first;
    if (n) {
        list_remove(n);
    }
    return n;
}

static inline struct list_node *list_pop_back(struct list *l) {
    struct list_node *n = l->last;
    if (n) {
        list_remove(n);
    }
    return n;
}

/* The current node must stay linked; use the _SAFE form where the body may unlink it. */
#define LIST_FOR_EACH(n, l) for (struct list_node *n = (l)->first; n != NULL; n = n->next)
#define LIST_FOR_EACH_SAFE(n, follow, l)                                                       \
    for (struct list_node *n = (l)->first, *follow = n ? n->next : NULL; n != NULL;            \
         n = follow, follow = n ? n->next : NULL)

#endif
