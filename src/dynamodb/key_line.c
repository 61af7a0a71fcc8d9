#include "dynamodb/key_line.h"

#include "dynamodb/pipeline.h"

int key_line_join(struct dynamodb *d, struct op *op) {
    uint64_t hash = map_hash(op->key);
    struct map_node *found = map_find_hash(&op->table->lines, op->key, hash);
    struct key_line *line;
    if (found) {
        line = container_of(found, struct key_line, node);
    } else {
        line = slab_acquire(&d->lines);
        ASSERT(line); /* reserved by dynamodb_submit */
        memset(line, 0, sizeof *line);
        list_init(&line->ops);
        map_insert_hash(&op->table->lines, &line->node, op->key, hash);
    }
    int goes = op_is_write(op) ? list_empty(&line->ops) : line->writes == 0;
    line->writes += (size_t)op_is_write(op);
    list_push_back(&line->ops, &op->line_node);
    op->line = line;
    return goes;
}

/* A write that is first, or the reads that are. */
static void release_first(struct dynamodb *d, struct key_line *line) {
    LIST_FOR_EACH (n, &line->ops) {
        struct op *op = container_of(n, struct op, line_node);
        if (op_is_write(op) && n != line->ops.first) {
            return;
        }
        if (state_of(&op->state) == OP_STANDING) {
            op_move(d, op, OP_READY);
        }
        if (op_is_write(op)) {
            return;
        }
    }
}

void key_line_leave(struct dynamodb *d, struct op *op) {
    struct key_line *line = op->line;
    if (!line) {
        return;
    }
    op->line = NULL;
    list_remove(&op->line_node);
    line->writes -= (size_t)op_is_write(op);
    if (list_empty(&line->ops)) {
        map_remove(&op->table->lines, &line->node);
        slab_release(&d->lines, line);
        return;
    }
    const struct op *first = container_of(line->ops.first, struct op, line_node);
    line->node.key = first->key; /* the bytes of the op that leaves go with it */
    if (op_is_write(op) || op_is_write(first)) { /* else they were all let go before */
        release_first(d, line);
    }
}

struct op *key_line_first(const struct table *t, struct slice key) {
    struct map_node *found = map_find(&t->lines, key);
    if (!found) {
        return NULL;
    }
    struct key_line *line = container_of(found, struct key_line, node);
    return container_of(line->ops.first, struct op, line_node);
}
