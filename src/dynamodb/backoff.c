#include "dynamodb/backoff.h"

#include <stdlib.h>

void backoff_init(struct backoff *b, size_t capacity) {
    NEED_MEMORY((b->heap = malloc(capacity * sizeof *b->heap)) != NULL);
    b->count = 0;
    b->capacity = capacity;
}

void backoff_fini(struct backoff *b) {
    ASSERT(b->count == 0);
    free(b->heap);
    b->heap = NULL;
}

static void heap_put(struct backoff *b, size_t index, struct op *op) {
    b->heap[index] = op;
    op->heap_index = index;
}

static void sift_up(struct backoff *b, size_t index, struct op *op) {
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (b->heap[parent]->due_ns <= op->due_ns) {
            break;
        }
        heap_put(b, index, b->heap[parent]);
        index = parent;
    }
    heap_put(b, index, op);
}

static void sift_down(struct backoff *b, size_t index, struct op *op) {
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= b->count) {
            break;
        }
        if (child + 1 < b->count && b->heap[child + 1]->due_ns < b->heap[child]->due_ns) {
            child++;
        }
        if (op->due_ns <= b->heap[child]->due_ns) {
            break;
        }
        heap_put(b, index, b->heap[child]);
        index = child;
    }
    heap_put(b, index, op);
}

void backoff_push(struct backoff *b, struct op *op) {
    ASSERT(b->count < b->capacity);
    sift_up(b, b->count++, op);
}

struct op *backoff_first(const struct backoff *b) {
    return b->count ? b->heap[0] : NULL;
}

void backoff_remove(struct backoff *b, struct op *op) {
    size_t index = op->heap_index;
    ASSERT(index < b->count && b->heap[index] == op);
    struct op *last = b->heap[--b->count];
    if (last == op) {
        return;
    }
    if (index > 0 && last->due_ns < b->heap[(index - 1) / 2]->due_ns) {
        sift_up(b, index, last);
    } else {
        sift_down(b, index, last);
    }
}
