/* Happy path: choose acknowledged requests -> group those of one path -> GET each item ->
 * judge.
 *
 * Failure modes: what was not good is read again, twice: a read may be eventually consistent,
 * and a connection may break. What the last round says counts; an item that no round got an
 * answer for is unreadable. */
#include "load_verify.h"

#include "base/error.h"
#include "base/map.h"
#include "load_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS          3
#define PAUSE_MS        300
#define CONNECTIONS_MAX 32u
#define BUCKETS         4096

enum verdict { UNREADABLE, GOOD, LOST, WRONG };

/* All requests that lead to one path. */
struct group {
    struct map_node node;
    char *path;
    uint64_t *seqs;
    size_t count;
    size_t room;
};

struct item {
    uint64_t seq;
    struct group *group; /* NULL: this request alone */
    uint32_t status;     /* of the last answer */
    uint32_t verdict;
};

struct verify {
    struct load_source source;
    const struct load_run *run;
    struct load_request get;
    struct load_template path;
    struct item *items;
    size_t count;
    size_t next;
    struct map groups; /* when paths may meet */
    char *body;        /* scratch: of load_request_body_bound */
    char *text;        /* scratch: a path */
};

/* ---- what was sent ---- */

static struct slice body_of(struct verify *v, uint64_t seq) {
    return slice_of(v->body, load_request_write_body(v->run->request, seq, v->body));
}

static struct slice path_of(struct verify *v, uint64_t seq) {
    struct load_context c = {v->run->seed, seq, body_of(v, seq)};
    return slice_of(v->text, load_template_write(&v->path, &c, v->text));
}

/* ---- choosing ---- */

static uint64_t count_acknowledged(const struct load_run *run) {
    uint64_t n = 0;
    for (unsigned i = 0; i < run->options->threads; i++) {
        const struct load_traffic *t = &run->traffic[i];
        for (uint64_t k = 0; k < t->taken; k++) {
            n += (uint64_t)load_traffic_acknowledged(t, k);
        }
    }
    return n;
}

static void group_add(struct group *g, uint64_t seq) {
    if (g->count == g->room) {
        g->room = g->room * 2 + 4;
        g->seqs = realloc(g->seqs, g->room * sizeof *g->seqs);
        ASSERT(g->seqs != NULL);
    }
    g->seqs[g->count++] = seq;
}

static void add_item(struct verify *v, uint64_t seq, struct group *g) {
    v->items[v->count++] = (struct item){.seq = seq, .group = g};
}

static void choose_one(struct verify *v, uint64_t seq) {
    if (v->path.unique) {
        add_item(v, seq, NULL);
        return;
    }
    struct slice path = path_of(v, seq);
    if (map_find(&v->groups, path)) {
        return;
    }
    struct group *g = calloc(1, sizeof *g);
    ASSERT(g != NULL);
    g->path = slice_dup(path);
    map_insert(&v->groups, &g->node, slice_of(g->path, path.len));
    add_item(v, seq, g);
}

/* Each acknowledged request with the same probability (Knuth, TAOCP 3.4.2, algorithm S). */
static void choose(struct verify *v, uint64_t acknowledged, uint64_t wanted) {
    const struct load_run *run = v->run;
    struct rng rng;
    rng_seed(&rng, run->seed);
    for (unsigned i = 0; i < run->options->threads; i++) {
        const struct load_traffic *t = &run->traffic[i];
        for (uint64_t k = 0; k < t->taken && wanted > 0; k++) {
            if (load_traffic_acknowledged(t, k) && rng_below(&rng, acknowledged--) < wanted) {
                choose_one(v, load_traffic_seq(t, k));
                wanted--;
            }
        }
    }
}

/* Every request that was sent may be what its item holds now. */
static void fill_groups(struct verify *v) {
    const struct load_run *run = v->run;
    for (unsigned i = 0; i < run->options->threads && !v->path.unique; i++) {
        const struct load_traffic *t = &run->traffic[i];
        for (uint64_t k = 0; k < t->taken; k++) {
            uint64_t seq = load_traffic_seq(t, k);
            struct map_node *node = map_find(&v->groups, path_of(v, seq));
            if (node) {
                group_add(container_of(node, struct group, node), seq);
            }
        }
    }
}

/* ---- the source of the GETs ---- */

static struct verify *verify_of(struct load_source *s) {
    return container_of(s, struct verify, source);
}

static int take(struct load_source *s, int counts, uint64_t *id) {
    (void)counts;
    struct verify *v = verify_of(s);
    while (v->next < v->count && v->items[v->next].verdict == GOOD) {
        v->next++;
    }
    if (v->next == v->count) {
        return 0;
    }
    *id = v->next++;
    v->items[*id].verdict = UNREADABLE;
    v->items[*id].status = 0;
    return 1;
}

static size_t bound(struct load_source *s, uint64_t id) {
    struct verify *v = verify_of(s);
    (void)id;
    return load_request_get_bound(&v->get, load_request_body_bound(v->run->request));
}

static size_t write_get(struct load_source *s, uint64_t id, char *out) {
    struct verify *v = verify_of(s);
    uint64_t seq = v->items[id].seq;
    return load_request_write_get(&v->get, seq, body_of(v, seq), out);
}

static int says(struct slice actual, struct slice expected) {
    struct slice a, e;
    if (load_json_text(expected, &e) || load_json_text(actual, &a)) {
        return slice_eq(actual, expected);
    }
    return load_json_covers(a, e);
}

static int matches(struct verify *v, const struct item *item, struct slice actual) {
    if (!item->group) {
        return says(actual, body_of(v, item->seq));
    }
    for (size_t i = item->group->count; i > 0; i--) { /* the last ones first */
        if (says(actual, body_of(v, item->group->seqs[i - 1]))) {
            return 1;
        }
    }
    return 0;
}

static void answered(struct load_source *s, uint64_t id, const struct http_response *r) {
    struct verify *v = verify_of(s);
    struct item *item = &v->items[id];
    item->status = r->status;
    if (r->status == 404 || r->status == 410) {
        item->verdict = LOST;
    } else if (r->status >= 200 && r->status < 300) {
        item->verdict = matches(v, item, r->body) ? GOOD : WRONG;
    }
}

static void failed(struct load_source *s, uint64_t id) {
    (void)s;
    (void)id;
}

/* ---- the verdict ---- */

static void show(struct verify *v, const struct item *item, struct load_verify_result *out) {
    if (out->shown_count == LOAD_VERIFY_SHOWN) {
        return;
    }
    struct slice path = path_of(v, item->seq);
    const char *word = item->verdict == LOST    ? "lost"
                       : item->verdict == WRONG ? "wrong"
                                                : "unreadable";
    char answer[24] = "no answer";
    if (item->status) {
        snprintf(answer, sizeof answer, "status %u", item->status);
    }
    snprintf(out->shown[out->shown_count++], sizeof out->shown[0], "%s: %.*s (%s)", word,
             (int)(path.len < 100 ? path.len : 100), path.ptr, answer);
}

static void count_verdicts(struct verify *v, struct load_verify_result *out) {
    out->checked = v->count;
    for (size_t i = 0; i < v->count; i++) {
        const struct item *item = &v->items[i];
        out->good += item->verdict == GOOD;
        out->lost += item->verdict == LOST;
        out->wrong += item->verdict == WRONG;
        out->unreadable += item->verdict == UNREADABLE;
        if (item->verdict != GOOD) {
            show(v, item, out);
        }
    }
}

static int all_good(const struct verify *v) {
    for (size_t i = 0; i < v->count; i++) {
        if (v->items[i].verdict != GOOD) {
            return 0;
        }
    }
    return 1;
}

static int read_back(struct verify *v) {
    const struct load_options *o = v->run->options;
    unsigned connections = o->connections < CONNECTIONS_MAX ? o->connections : CONNECTIONS_MAX;
    int error = 0;
    for (int round = 0; round < ROUNDS && !error && !all_good(v); round++) {
        struct load_stats *stats = malloc(sizeof *stats);
        struct timespec pause = {0, PAUSE_MS * 1000000};
        ASSERT(stats != NULL);
        if (round > 0) {
            nanosleep(&pause, NULL);
        }
        v->next = 0;
        error = load_run_source(o, v->run->target, &v->source, connections, stats);
        free(stats);
    }
    return error;
}

static void free_group(struct map_node *node, void *arg) {
    struct map *groups = arg;
    struct group *g = container_of(node, struct group, node);
    map_remove(groups, node);
    free(g->path);
    free(g->seqs);
    free(g);
}

static void fini(struct verify *v) {
    map_each(&v->groups, free_group, &v->groups);
    map_fini(&v->groups);
    load_request_fini(&v->get);
    load_template_fini(&v->path);
    free(v->items);
    free(v->body);
    free(v->text);
}

static int init(struct verify *v, const struct load_run *run, uint64_t wanted) {
    char reason[LOAD_TEMPLATE_REASON_MAX];
    size_t body_bound = load_request_body_bound(run->request);
    memset(v, 0, sizeof *v);
    v->source = (struct load_source){HTTP_GET_, 1, take, bound, write_get, answered, failed};
    v->run = run;
    map_init(&v->groups, BUCKETS);
    v->items = calloc(wanted + 1, sizeof *v->items);
    v->body = malloc(body_bound + 1);
    if (load_request_init_verify(&v->get, run->options, run->seed) ||
        load_template_parse(&v->path, slice_cstr(run->options->verify_path), LOAD_TEMPLATE_PATH,
                            reason)) {
        return ERR_INVALID;
    }
    v->text = malloc(load_template_bound(&v->path, body_bound) + 1);
    ASSERT(v->items && v->body && v->text);
    return 0;
}

int load_verify(const struct load_run *run, struct load_verify_result *out) {
    struct verify v;
    memset(out, 0, sizeof *out);
    out->acknowledged = count_acknowledged(run);
    uint64_t wanted = run->options->verify_count;
    wanted = wanted < out->acknowledged ? wanted : out->acknowledged;
    int error = init(&v, run, wanted);
    if (!error) {
        choose(&v, out->acknowledged, wanted);
        fill_groups(&v);
        error = read_back(&v);
        count_verdicts(&v, out);
    }
    fini(&v);
    return error;
}

int load_verify_failed(const struct load_verify_result *v) {
    return v->lost + v->wrong + v->unreadable > 0;
}
