/* penstock-sink: speaks DynamoDB's protocol, counts what arrives and stores nothing. */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "http/request_parser.h"
#include "sink_certificate.h"
#include "sink_report.h"
#include "tls/context.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define BACKLOG 4096

enum { EXIT_GOOD, EXIT_FAILED, EXIT_USAGE };

struct sink {
    struct sink_options options;
    struct sink_tables tables;
    struct sink_certificate certificate;
    struct sink_shared shared;
    struct sink_worker **workers;
    size_t count;
};

static struct sink sink;

static int say(const char *what, const char *why) {
    fprintf(stderr, "penstock-sink: %s: %s\n", what, why);
    return EXIT_FAILED;
}

static int add_tables(void) {
    const struct sink_options *o = &sink.options;
    sink_tables_init(&sink.tables);
    for (size_t i = 0; i < o->table_count; i++) {
        int error =
            sink_tables_add(&sink.tables, slice_cstr(o->tables[i]), clock_wall_ms() / 1000);
        if (error) {
            fprintf(stderr, "penstock-sink: --table %s: %s (try --help)\n", o->tables[i],
                    error == ERR_EXISTS ? "named twice" : "is not NAME:PK[:SK]");
            return EXIT_USAGE;
        }
    }
    return EXIT_GOOD;
}

static int choose_certificate(void) {
    const struct sink_options *o = &sink.options;
    sink.certificate.certificate_fd = sink.certificate.key_fd = -1;
    if (o->plain) {
        return EXIT_GOOD;
    }
    if (o->certificate) {
        sink.shared.certificate = o->certificate;
        sink.shared.key = o->key;
        return EXIT_GOOD;
    }
    int error =
        sink_certificate_make(&sink.certificate, clock_wall_ms() / 1000, o->certificate_out);
    if (error) {
        return say(o->certificate_out ? o->certificate_out : "certificate",
                   error == ERR_IO ? strerror(errno) : error_text(error));
    }
    sink.shared.certificate = sink.certificate.certificate;
    sink.shared.key = sink.certificate.key;
    return EXIT_GOOD;
}

static int open_listener(struct net_address *address, int reuse_port, int *fd) {
    char reason[128], text[NET_ADDRESS_TEXT_MAX];
    if (listener_open_fd(address, BACKLOG, reuse_port, fd, reason)) {
        net_address_format(address, text);
        return say(text, reason);
    }
    return EXIT_GOOD;
}

/* Opens and closes the port as its only user: a second sink would else share it unnoticed.
 * Port 0 becomes the one that was free. */
static int claim_port(struct net_address *address) {
    int fd;
    if (net_address_is_unix(address)) {
        return EXIT_GOOD;
    }
    if (open_listener(address, 0, &fd)) {
        return EXIT_FAILED;
    }
    address->len = sizeof address->sa;
    getsockname(fd, (struct sockaddr *)&address->sa, &address->len);
    close(fd);
    return EXIT_GOOD;
}

/* Every thread has a socket of its own on the port, but for a unix socket, which they share. */
static int open_socket(struct net_address *address, int first_fd, int *fd) {
    if (first_fd >= 0 && net_address_is_unix(address)) {
        *fd = dup(first_fd);
        return *fd < 0 ? say("dup", strerror(errno)) : EXIT_GOOD;
    }
    return open_listener(address, 1, fd);
}

static int make_workers(void) {
    struct sink_options *o = &sink.options;
    struct rng seeds;
    int first_fd = -1;
    if (o->seed) {
        rng_seed(&seeds, o->seed);
    } else {
        rng_seed_random(&seeds);
    }
    sink.workers = calloc(o->threads, sizeof *sink.workers);
    ASSERT(sink.workers != NULL);
    if (claim_port(&o->listen)) {
        return EXIT_FAILED;
    }
    for (unsigned i = 0; i < o->threads; i++) {
        int fd;
        if (open_socket(&o->listen, first_fd, &fd)) {
            return EXIT_FAILED;
        }
        first_fd = first_fd < 0 ? fd : first_fd;
        sink.workers[i] = sink_worker_new(&sink.shared, fd, rng_u64(&seeds));
        if (!sink.workers[i]) {
            return EXIT_FAILED;
        }
        sink.count++;
    }
    sink_certificate_fini(&sink.certificate);
    return EXIT_GOOD;
}

static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* They are for sigwait in the main thread. */
static void block_signals(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void greet(void) {
    char text[NET_ADDRESS_TEXT_MAX];
    net_address_format(&sink.options.listen, text);
    printf("penstock-sink: %s on %s, %zu thread%s. It stores nothing: for load tests only.\n",
           sink.options.plain ? "HTTP" : "TLS", text, sink.count, sink.count == 1 ? "" : "s");
    if (sink.certificate.certificate[0]) {
        printf("penstock-sink: made a certificate for localhost%s%s\n",
               sink.options.certificate_out ? ": clients trust it by "
                                            : ", and kept it (--cert-out)",
               sink.options.certificate_out ? sink.options.certificate_out : "");
    }
    fflush(stdout);
}

static int report(const struct sink_report *r) {
    sink_report_print(r);
    if (sink.options.json && sink_report_json(r, sink.options.json)) {
        return say(sink.options.json, strerror(errno));
    }
    return EXIT_GOOD;
}

/* Until a signal says so; the exit code. */
static int serve(const sigset_t *signals) {
    struct sink_report r = {
        .workers = sink.workers, .count = sink.count, .keys = sink.shared.keys};
    int code = EXIT_GOOD, caught = 0;
    sink_report_start(&r);
    for (size_t i = 0; i < sink.count; i++) {
        int error = sink_worker_start(sink.workers[i]);
        ASSERT(!error);
    }
    greet();
    while (sigwait(signals, &caught) == 0 && caught == SIGUSR1) {
        code = report(&r);
    }
    for (size_t i = 0; i < sink.count; i++) {
        sink_worker_stop(sink.workers[i]);
    }
    code = report(&r);
    for (size_t i = 0; i < sink.count; i++) {
        sink_worker_free(sink.workers[i]);
    }
    free(sink.workers);
    return code;
}

int main(int argc, char **argv) {
    sigset_t signals;
    switch (sink_options_parse(&sink.options, argc, argv)) {
    case OPTIONS_HELPED:
        return EXIT_GOOD;
    case OPTIONS_WRONG:
        return EXIT_USAGE;
    case OPTIONS_RUN:
        break;
    }
    log_threshold = LOG_ERROR;
    tls_global_init();
    raise_descriptor_limit();
    block_signals(&signals);
    sink.shared.options = &sink.options;
    sink.shared.tables = &sink.tables;
    sink.shared.keys = sink.options.count_keys ? sink_keys_new() : NULL;
    int code = add_tables();
    if (!code) {
        code = choose_certificate();
    }
    if (!code) {
        code = make_workers();
    }
    if (!code) {
        code = serve(&signals);
    }
    sink_certificate_fini(&sink.certificate);
    sink_keys_free(sink.shared.keys);
    return code;
}
