/* Happy path: threads start -> the main thread looks on (progress; CPU at the begin and the end
 * of what is counted) until each has said it is done -> joined, merged.
 * A signal ends it early, with what was counted so far; a second one ends the program. */
#include "load_run.h"

#include "base/clock.h"
#include "base/error.h"
#include "load_progress.h"

#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS          (100 * NS_PER_MS)
#define INTERVAL_MIN_NS  (200 * NS_PER_MS)
#define INTERVALS_WANTED 200u
#define HEADSTART_MIN_NS (20 * NS_PER_MS)
#define HEADSTART_MAX_NS (3 * NS_PER_S)
#define HEADSTART_TCP_NS (50 * NS_PER_US)
#define HEADSTART_TLS_NS (8 * NS_PER_MS)

/* ---- the target ---- */

static int wrong(const char *what, const char *why) {
    fprintf(stderr, "penstock-bench: %s: %s\n", what, why);
    return ERR_INVALID;
}

static int resolve(struct load_target *t, const struct url_endpoint *e) {
    struct addrinfo *found, hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    char port[8];
    snprintf(port, sizeof port, "%u", (unsigned)e->port);
    int error = getaddrinfo(e->host, port, &hints, &found);
    if (error) {
        wrong(e->host, gai_strerror(error));
        return ERR_RESOLVE;
    }
    for (struct addrinfo *a = found; a && t->count < 16; a = a->ai_next) {
        if (a->ai_addrlen <= sizeof t->addresses[0].sa) {
            memcpy(&t->addresses[t->count].sa, a->ai_addr, a->ai_addrlen);
            t->addresses[t->count++].len = a->ai_addrlen;
        }
    }
    freeaddrinfo(found);
    return t->count > 0 ? 0 : ERR_RESOLVE;
}

int load_target_init(struct load_target *t, const struct load_options *o) {
    memset(t, 0, sizeof *t);
    t->tls = o->endpoint.tls;
    t->server_name = o->endpoint.host;
    t->ca_file = o->ca_file;
    if (o->connect) {
        t->count = 1;
        return net_address_parse(slice_cstr(o->connect), &t->addresses[0])
                   ? wrong("--connect is no ADDRESS:PORT or unix:PATH", o->connect)
                   : 0;
    }
    return resolve(t, &o->endpoint);
}

/* ---- signals ---- */

static pthread_t main_thread;

void load_run_block_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    main_thread = pthread_self();
}

static void on_worker_done(void) {
    pthread_kill(main_thread, SIGUSR1);
}

/* At most until then. Returns 1 when a signal asked for the end. */
static int wait_until(uint64_t until_ns) {
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    struct timespec wait = {(time_t)(wait_ns / NS_PER_S), (long)(wait_ns % NS_PER_S)};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    int caught = sigtimedwait(&set, NULL, &wait);
    return caught == SIGINT || caught == SIGTERM;
}

/* ---- the crew ---- */

struct crew {
    struct load_plan plan;
    struct load_worker *workers[LOAD_THREADS_MAX];
    clockid_t clocks[LOAD_THREADS_MAX];
    unsigned count;   /* made */
    unsigned started; /* of those */
};

static uint64_t read_clock(clockid_t id) {
    struct timespec t;
    return clock_gettime(id, &t) ? 0 : (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static int crew_make(struct crew *c, struct load_source **sources) {
    for (unsigned i = 0; i < c->plan.threads; i++) {
        c->workers[i] = load_worker_new(&c->plan, sources[i], i);
        if (!c->workers[i]) {
            return ERR_IO;
        }
        c->workers[i]->on_done = on_worker_done;
        c->count++;
    }
    return 0;
}

static int crew_start(struct crew *c) {
    for (unsigned i = 0; i < c->count; i++) {
        if (load_worker_start(c->workers[i])) {
            return wrong("thread", "cannot be started");
        }
        pthread_getcpuclockid(c->workers[i]->thread, &c->clocks[i]);
        c->started++;
    }
    return 0;
}

static int crew_done(const struct crew *c) {
    for (unsigned i = 0; i < c->started; i++) {
        if (!atomic_load(&c->workers[i]->done)) {
            return 0;
        }
    }
    return 1;
}

static void crew_stop(struct crew *c) {
    for (unsigned i = 0; i < c->started; i++) {
        load_worker_stop(c->workers[i]);
    }
}

static void crew_join(struct crew *c) {
    for (unsigned i = 0; i < c->started; i++) {
        load_worker_join(c->workers[i]);
    }
}

static void crew_free(struct crew *c) {
    for (unsigned i = 0; i < c->count; i++) {
        load_worker_free(c->workers[i]);
    }
}

/* ---- looking on ---- */

struct watch {
    struct crew *crew;
    struct load_result *out;
    const struct load_options *options;
    uint64_t before_ns[LOAD_THREADS_MAX]; /* CPU of each thread when counting began */
    uint64_t began_ns;
    struct load_process service_before;
    int begun;
    int ended;
    int has_service;
};

static void note_begin(struct watch *w) {
    w->begun = 1;
    w->began_ns = clock_monotonic_ns();
    for (unsigned i = 0; i < w->crew->started; i++) {
        w->before_ns[i] = read_clock(w->crew->clocks[i]);
    }
    w->has_service =
        w->options->pid && load_process_read(w->options->pid, &w->service_before) == 0;
}

/* A thread that is done has kept its CPU time: see load_worker.h. */
static void note_end(struct watch *w) {
    struct load_result *out = w->out;
    double wall_ns = (double)(clock_monotonic_ns() - w->began_ns);
    w->ended = 1;
    for (unsigned i = 0; i < w->crew->started; i++) {
        uint64_t now_ns = load_worker_cpu_ns(w->crew->workers[i], w->crew->clocks[i]);
        uint64_t cpu_ns = now_ns > w->before_ns[i] ? now_ns - w->before_ns[i] : 0;
        out->own_cpu_ns += cpu_ns;
        out->busy[i] = wall_ns > 0 ? (double)cpu_ns / wall_ns : 0;
        out->busy_max = out->busy[i] > out->busy_max ? out->busy[i] : out->busy_max;
    }
    if (w->has_service && load_process_read(w->options->pid, &out->service) == 0) {
        out->has_service = 1;
        out->service.cpu_ns -= w->service_before.cpu_ns < out->service.cpu_ns
                                   ? w->service_before.cpu_ns
                                   : out->service.cpu_ns;
    }
}

static int any_done(const struct crew *c) {
    for (unsigned i = 0; i < c->started; i++) {
        if (atomic_load(&c->workers[i]->done)) {
            return 1;
        }
    }
    return 0;
}

static void look_on(struct watch *w) {
    const struct load_plan *p = &w->crew->plan;
    struct load_progress progress;
    load_progress_init(&progress, p);
    while (!crew_done(w->crew)) {
        uint64_t now_ns = clock_monotonic_ns(), until_ns = now_ns + TICK_NS;
        if (!w->begun && now_ns >= p->begin_ns) {
            note_begin(w);
        }
        if (w->begun && !w->ended && (now_ns >= p->end_ns || any_done(w->crew))) {
            note_end(w);
        }
        load_progress_show(&progress, now_ns);
        uint64_t next_ns = !w->begun ? p->begin_ns : !w->ended ? p->end_ns : UINT64_MAX;
        if (wait_until(next_ns < until_ns ? next_ns : until_ns)) {
            if (w->out->interrupted) {
                _exit(130);
            }
            w->out->interrupted = 1;
            crew_stop(w->crew);
        }
    }
    if (!w->begun) {
        note_begin(w);
    }
    if (!w->ended) {
        note_end(w);
    }
    load_progress_clear(&progress);
}

/* ---- one run ---- */

static uint64_t interval_of(const struct load_options *o) {
    uint64_t ns = o->duration_ns / INTERVALS_WANTED;
    return ns > INTERVAL_MIN_NS ? ns : INTERVAL_MIN_NS;
}

/* Connections are opened ahead of the first request. */
static uint64_t headstart_of(const struct load_options *o) {
    uint64_t each_ns = o->endpoint.tls ? HEADSTART_TLS_NS : HEADSTART_TCP_NS;
    uint64_t ns = HEADSTART_MIN_NS + each_ns * o->connections / o->threads;
    return o->no_keep_alive ? 0 : ns < HEADSTART_MAX_NS ? ns : HEADSTART_MAX_NS;
}

static void plan_init(struct load_plan *p, const struct load_run *r,
                      struct load_timeline *timeline) {
    const struct load_options *o = r->options;
    *p = (struct load_plan){
        .target = r->target,
        .threads = o->threads,
        .connections = o->connections,
        .pipeline = o->pipeline,
        .keep_alive = !o->no_keep_alive,
        .rate = r->rate,
        .arrivals = o->poisson ? LOAD_POISSON : LOAD_CONSTANT,
        .seed = r->seed,
        .timeout_ns = o->timeout_ns,
        .drain_ns = o->timeout_ns + o->timeout_ns / 4,
        .timeline = timeline,
    };
    p->start_ns = clock_monotonic_ns() + headstart_of(o);
    p->begin_ns = p->start_ns + o->warmup_ns;
    p->end_ns = o->duration_ns ? p->begin_ns + o->duration_ns : UINT64_MAX;
}

static void summarize(const struct crew *c, struct load_result *out) {
    uint64_t begin_ns = c->plan.begin_ns, now_ns = clock_monotonic_ns();
    for (unsigned i = 0; i < c->count; i++) {
        load_stats_merge(&out->stats, &c->workers[i]->recorder.stats);
        out->down |= c->workers[i]->down;
    }
    uint64_t end_ns = c->plan.end_ns < now_ns ? c->plan.end_ns : now_ns;
    if (c->plan.end_ns == UINT64_MAX || c->plan.end_ns > now_ns) { /* the count, or a signal */
        end_ns = out->stats.last_ns > begin_ns ? out->stats.last_ns : now_ns;
    }
    out->seconds = end_ns > begin_ns ? (double)(end_ns - begin_ns) / 1e9 : 0;
    out->rate = out->seconds > 0 ? (double)out->stats.answered_in_time / out->seconds : 0;
}

static int crew_run(struct crew *c, struct load_source **sources,
                    const struct load_options *options, struct load_result *out) {
    struct rusage usage;
    int error = crew_make(c, sources);
    if (!error) {
        error = crew_start(c);
        if (error) {
            crew_stop(c);
        }
        struct watch w = {.crew = c, .out = out, .options = options};
        look_on(&w);
    }
    crew_join(c);
    summarize(c, out);
    getrusage(RUSAGE_SELF, &usage);
    out->own_peak_bytes = (uint64_t)usage.ru_maxrss * 1024;
    crew_free(c);
    return error;
}

int load_run(struct load_run *r, struct load_result *out) {
    const struct load_options *o = r->options;
    enum http_method method = http_method_parse(slice_cstr(o->method));
    struct load_source *sources[LOAD_THREADS_MAX];
    struct crew *c = calloc(1, sizeof *c);
    ASSERT(c != NULL);
    memset(out, 0, sizeof *out);
    load_timeline_init(&out->timeline, interval_of(o));
    plan_init(&c->plan, r, &out->timeline);
    out->asked_rate = r->rate;
    r->traffic = calloc(o->threads, sizeof *r->traffic);
    ASSERT(r->traffic != NULL);
    for (unsigned i = 0; i < o->threads; i++) {
        load_traffic_init(&r->traffic[i], r->request, method, i, o->threads, r->first_seq,
                          o->count, r->remembers);
        sources[i] = &r->traffic[i].source;
    }
    int error = crew_run(c, sources, o, out);
    load_timeline_finish(&out->timeline);
    for (unsigned i = 0; i < o->threads; i++) {
        uint64_t end = load_traffic_seq(&r->traffic[i], r->traffic[i].taken);
        out->next_seq = end > out->next_seq ? end : out->next_seq;
    }
    free(c);
    return error;
}

int load_run_source(const struct load_options *o, const struct load_target *target,
                    struct load_source *source, unsigned connections,
                    struct load_stats *stats) {
    struct load_result *result = calloc(1, sizeof *result);
    struct crew *c = calloc(1, sizeof *c);
    ASSERT(result != NULL && c != NULL);
    c->plan = (struct load_plan){
        .target = target,
        .threads = 1,
        .connections = connections,
        .pipeline = 1,
        .keep_alive = 1,
        .end_ns = UINT64_MAX,
        .timeout_ns = o->timeout_ns,
        .drain_ns = o->timeout_ns,
    };
    c->plan.start_ns = c->plan.begin_ns = clock_monotonic_ns();
    int error = crew_run(c, &source, o, result);
    *stats = result->stats;
    free(c);
    free(result);
    return error;
}

void load_result_fini(struct load_result *r) {
    load_timeline_fini(&r->timeline);
}

int load_result_failed(const struct load_result *r, const struct load_options *o) {
    uint64_t failures = load_stats_errors(&r->stats) + load_stats_refused(&r->stats);
    uint64_t all = r->stats.answered + load_stats_errors(&r->stats);
    return r->down || r->stats.answered == 0 ||
           (double)failures > (double)all * o->allowed_errors_percent / 100;
}
