#include "load_traffic.h"

#include "base/container.h"

#include <stdlib.h>

static struct load_traffic *traffic_of(struct load_source *s) {
    return container_of(s, struct load_traffic, source);
}

static int take(struct load_source *s, int counts, uint64_t *id) {
    struct load_traffic *t = traffic_of(s);
    if (counts && t->counted == t->limit) {
        return 0;
    }
    t->counted += (uint64_t)counts;
    *id = t->taken++;
    return 1;
}

static size_t bound(struct load_source *s, uint64_t id) {
    (void)id;
    return load_request_bound(traffic_of(s)->request);
}

static size_t write_request(struct load_source *s, uint64_t id, char *out) {
    struct load_traffic *t = traffic_of(s);
    return load_request_write(t->request, load_traffic_seq(t, id), out);
}

static void acknowledge(struct load_traffic *t, uint64_t k) {
    if (k / 8 >= t->room) {
        size_t room = (k / 8 + 1) * 2 + 4096;
        t->acknowledged = realloc(t->acknowledged, room);
        ASSERT(t->acknowledged != NULL);
        memset(t->acknowledged + t->room, 0, room - t->room);
        t->room = room;
    }
    t->acknowledged[k / 8] |= (uint8_t)(1u << (k % 8));
}

static void answered(struct load_source *s, uint64_t id, const struct http_response *r) {
    struct load_traffic *t = traffic_of(s);
    if (t->remembers && r->status >= 200 && r->status < 300) {
        acknowledge(t, id);
    }
}

static void failed(struct load_source *s, uint64_t id) {
    (void)s;
    (void)id;
}

void load_traffic_init(struct load_traffic *t, const struct load_request *request,
                       enum http_method method, unsigned thread, unsigned threads,
                       uint64_t base, uint64_t count, int remembers) {
    memset(t, 0, sizeof *t);
    t->source = (struct load_source){method, 0, take, bound, write_request, answered, failed};
    t->request = request;
    t->base = base;
    t->first = thread;
    t->step = threads;
    t->limit = count ? count / threads + (thread < count % threads) : UINT64_MAX;
    t->remembers = remembers;
}

void load_traffic_fini(struct load_traffic *t) {
    free(t->acknowledged);
}

uint64_t load_traffic_seq(const struct load_traffic *t, uint64_t k) {
    return t->base + k * t->step + t->first;
}

int load_traffic_acknowledged(const struct load_traffic *t, uint64_t k) {
    return k / 8 < t->room && (t->acknowledged[k / 8] >> (k % 8) & 1);
}
