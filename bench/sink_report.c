#include "sink_report.h"

#include "base/clock.h"
#include "base/error.h"

#include <stdio.h>
#include <sys/resource.h>

struct totals {
#define X(name) uint64_t name;
    SINK_COUNTERS(X)
#undef X
};

static struct totals add_up(const struct sink_report *r) {
    struct totals t = {0};
    for (size_t i = 0; i < r->count; i++) {
        struct sink_counters *c = &r->workers[i]->protocol.counters;
#define X(name) t.name += atomic_load_explicit(&c->name, memory_order_relaxed);
        SINK_COUNTERS(X)
#undef X
    }
    return t;
}

static double seconds_of(struct timeval t) {
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static double process_cpu_seconds(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return seconds_of(u.ru_utime) + seconds_of(u.ru_stime);
}

static double cpu_seconds(const struct sink_report *r) {
    return process_cpu_seconds() - r->started_cpu_s;
}

void sink_report_start(struct sink_report *r) {
    r->started_ns = clock_monotonic_ns();
    r->started_cpu_s = process_cpu_seconds();
}

static double run_seconds(const struct sink_report *r) {
    return (double)(clock_monotonic_ns() - r->started_ns) / (double)NS_PER_S;
}

#define N(value) (unsigned long long)(value)

void sink_report_print(const struct sink_report *r) {
    struct totals t = add_up(r);
    char keys[48] = "";
    if (r->keys) {
        snprintf(keys, sizeof keys, " of %llu distinct keys", N(sink_keys_count(r->keys)));
    }
    printf("penstock-sink: %.1f s: %llu requests (%llu ok, %llu throttled, %llu failed, %llu "
           "refused), %llu items%s, %llu unprocessed, %llu connections (%llu open), CPU %.2f "
           "us/request; stored nothing\n",
           run_seconds(r), N(t.requests), N(t.ok), N(t.throttled), N(t.failed), N(t.refused),
           N(t.items), keys, N(t.unprocessed), N(t.connections), N(t.open_connections),
           t.requests ? cpu_seconds(r) * 1e6 / (double)t.requests : 0);
    fflush(stdout);
}

static int write_json(const struct sink_report *r, FILE *file) {
    struct totals t = add_up(r);
    fprintf(file, "{\"seconds\":%.3f,\"cpu_seconds\":%.3f", run_seconds(r), cpu_seconds(r));
#define X(name) fprintf(file, ",\"" #name "\":%llu", N(t.name));
    SINK_COUNTERS(X)
#undef X
    if (r->keys) {
        fprintf(file, ",\"distinct_keys\":%llu", N(sink_keys_count(r->keys)));
    }
    fputs("}\n", file);
    return ferror(file) ? ERR_IO : 0;
}

int sink_report_json(const struct sink_report *r, const char *path) {
    char temporary[4096];
    int len = snprintf(temporary, sizeof temporary, "%s.tmp", path);
    FILE *file = len < (int)sizeof temporary ? fopen(temporary, "w") : NULL;
    if (!file) {
        return ERR_IO;
    }
    int error = write_json(r, file);
    if (fclose(file)) {
        error = ERR_IO;
    }
    return error || rename(temporary, path) ? ERR_IO : 0;
}
