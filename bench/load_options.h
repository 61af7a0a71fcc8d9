/* The command line of penstock-bench. */
#ifndef BENCH_LOAD_OPTIONS_H
#define BENCH_LOAD_OPTIONS_H

#include "http/message.h"
#include "http/url.h"
#include "options.h"

#define LOAD_HEADERS_MAX     64
#define LOAD_PIPELINE_MAX    1024u
#define LOAD_THREADS_MAX     256u
#define LOAD_CONNECTIONS_MAX 1000000u

struct load_options {
    const char *url; /* as given */
    struct url_endpoint endpoint;
    struct slice path; /* a template, "/" at least */
    unsigned connections;
    unsigned threads;
    unsigned pipeline;
    double rate; /* per second; 0 = closed loop */
    int poisson;
    int ramp;
    uint64_t ramp_p99_ns;
    uint64_t warmup_ns;
    uint64_t duration_ns; /* 0 = until the count */
    uint64_t count;       /* 0 = until the duration */
    uint64_t timeout_ns;
    int no_keep_alive;
    const char *method; /* NULL = GET, or POST with a body */
    struct http_header headers[LOAD_HEADERS_MAX];
    size_t header_count;
    const char *body;
    const char *body_file;
    const char *ca_file;
    const char *connect; /* an address instead of the URL's host */
    unsigned pid;        /* 0 = none */
    const char *json;
    const char *html;
    const char *compare;
    int verify;
    uint64_t verify_count; /* UINT64_MAX = all */
    const char *verify_path;
    double allowed_errors_percent;
    uint64_t seed; /* 0 = random */
};

/* Strings are the caller's argv. */
enum options_result load_options_parse(struct load_options *o, int argc, char **argv);

#endif
