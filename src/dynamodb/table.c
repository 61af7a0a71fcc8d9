#include "dynamodb/table.h"

#define LINES_FIRST_BUCKETS 64

void table_init(struct table *t, const struct model_table *schema) {
    memset(t, 0, sizeof *t);
    t->own = *schema;
    t->schema = &t->own;
    t->name = slice_cstr(t->own.name);
    map_init(&t->lines, LINES_FIRST_BUCKETS);
    for (int i = 0; i < LANES; i++) {
        list_init(&t->lanes[i].ready);
        list_init(&t->lanes[i].flying);
        list_init(&t->lanes[i].batches);
    }
    limiter_init(&t->writes);
    limiter_init(&t->reads);
    retry_quota_init(&t->quota);
}

void table_fini(struct table *t) {
    for (int i = 0; i < LANES; i++) {
        ASSERT(list_empty(&t->lanes[i].ready));
        ASSERT(list_empty(&t->lanes[i].flying));
        ASSERT(list_empty(&t->lanes[i].batches));
    }
    ASSERT(t->lines.count == 0 && t->ready_bytes == 0);
    map_fini(&t->lines);
}

struct limiter *table_limiter(struct table *t, enum lane_name lane) {
    return lane == LANE_READS ? &t->reads : &t->writes;
}

size_t table_in_flight(const struct table *t, enum lane_name lane) {
    if (lane == LANE_READS) {
        return t->lanes[LANE_READS].batches.count;
    }
    return t->lanes[LANE_COALESCED].batches.count + t->lanes[LANE_SUSPECTS].batches.count +
           t->lanes[LANE_ALONE].batches.count;
}
