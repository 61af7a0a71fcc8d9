#include "load_options.h"

#include "base/clock.h"
#include "base/error.h"
#include "http/writer.h"

#include <stdio.h>
#include <unistd.h>

#define DURATION_MAX_S         (7 * 86400.0)
#define DURATION_MIN_S         1e-3
#define COUNT_MAX              (double)(1ull << 48)
#define IN_FLIGHT_MAX          1048576u /* each has memory from the start */
#define DEFAULT_CONNECTIONS    64u
#define DEFAULT_DURATION_NS    (10 * NS_PER_S)
#define DEFAULT_RAMP_STEP_NS   (5 * NS_PER_S)
#define DEFAULT_RAMP_WARMUP_NS (1 * NS_PER_S)
#define DEFAULT_TIMEOUT_NS     (10 * NS_PER_S)

static const struct option_table table;

static enum options_result wrong(const char *what, const char *argument) {
    return options_wrong(&table, argument, what);
}

/* ---- options of a form of their own ---- */

static int set_method(void *into, const char *value) {
    struct load_options *o = into;
    o->method = value;
    return http_field_name_valid(slice_cstr(value)) && strlen(value) <= 32 ? 0 : ERR_INVALID;
}

/* What the tool itself sends would frame the message anew if it were given here. */
static int set_header(void *into, const char *value) {
    struct load_options *o = into;
    static const char *const ours[] = {"content-length", "transfer-encoding", "connection"};
    if (o->header_count == LOAD_HEADERS_MAX || !strchr(value, ':')) {
        return ERR_INVALID;
    }
    struct http_header *h = &o->headers[o->header_count];
    h->name = slice_split(slice_cstr(value), ':', &h->value);
    h->value = slice_trim(h->value);
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (slice_eq_nocase(h->name, slice_cstr(ours[i]))) {
            return ERR_INVALID;
        }
    }
    o->header_count++;
    return http_field_name_valid(h->name) && http_field_value_valid(h->value) ? 0 : ERR_INVALID;
}

static int set_verify(void *into, const char *value) {
    struct load_options *o = into;
    o->verify = 1;
    o->verify_count = UINT64_MAX;
    if (strcmp(value, "all") == 0) {
        return 0;
    }
    return slice_to_u64(slice_cstr(value), &o->verify_count) || o->verify_count == 0
               ? ERR_INVALID
               : 0;
}

static int set_verify_path(void *into, const char *value) {
    ((struct load_options *)into)->verify_path = value;
    return value[0] == '/' ? 0 : ERR_INVALID;
}

#define FLAG(member)        OPTION_INTO(OPTION_FLAG, struct load_options, member, 0, 0)
#define TEXT(member)        OPTION_INTO(OPTION_TEXT, struct load_options, member, 0, 0)
#define SMALL(member, high) OPTION_INTO(OPTION_UNSIGNED, struct load_options, member, 1, high)
#define COUNT(member, high) OPTION_INTO(OPTION_COUNT, struct load_options, member, 1, high)
#define NUMBER(member, low, high)                                                              \
    OPTION_INTO(OPTION_NUMBER, struct load_options, member, low, high)
#define TIME(kind, member, low)                                                                \
    OPTION_INTO(kind, struct load_options, member, low, DURATION_MAX_S)

static const struct option options[] = {
    {"connections", 'c', "N", "connections over all threads (64)",
     SMALL(connections, LOAD_CONNECTIONS_MAX)},
    {"threads", 't', "N", "threads (half the CPUs)", SMALL(threads, LOAD_THREADS_MAX)},
    {"pipeline", 0, "N", "requests in flight on one connection (1)",
     SMALL(pipeline, LOAD_PIPELINE_MAX)},
    {"no-keep-alive", 0, NULL, "a connection for each request", FLAG(no_keep_alive)},
    {"rate", 'r', "N", "open loop: so many a second, latency from the intended time",
     NUMBER(rate, 0.001, 1e8)},
    {"poisson", 0, NULL, "open loop: random arrivals instead of even ones", FLAG(poisson)},
    {"duration", 'd', "TIME", "how long: 30, 30s, 500ms, 2m (10s)",
     TIME(OPTION_DURATION, duration_ns, DURATION_MIN_S)},
    {"count", 'n', "N", "so many requests instead (with --duration: whichever is first)",
     COUNT(count, COUNT_MAX)},
    {"warmup", 'w', "TIME", "before it, not counted (0)", TIME(OPTION_DURATION, warmup_ns, 0)},
    {"timeout", 0, "TIME", "to connect, and for an answer (10s)",
     TIME(OPTION_DURATION, timeout_ns, DURATION_MIN_S)},
    {"ramp", 0, NULL, "find the highest rate that holds --p99, from --rate (1000) on",
     FLAG(ramp)},
    {"p99", 0, "MS", "the ramp's target", TIME(OPTION_MS, ramp_p99_ns, 1e-9)},
    {"method", 'X', "METHOD", "GET, or POST when there is a body", OPTION_BY(set_method)},
    {"header", 'H', "NAME: VALUE", "a header, may hold placeholders; repeat it",
     OPTION_BY(set_header)},
    {"body", 'b', "TEMPLATE", "the body, with placeholders", TEXT(body)},
    {"body-file", 0, "FILE", "NDJSON: a line each request, over and over", TEXT(body_file)},
    {"ca-file", 0, "FILE", "PEM certificates to trust (the system's)", TEXT(ca_file)},
    {"connect", 0, "ADDRESS:PORT", "connect there instead; also unix:PATH", TEXT(connect)},
    {"pid", 0, "PID", "also report CPU and memory of that process and its children",
     SMALL(pid, INT32_MAX)},
    {"verify", 0, "N or all", "read acknowledged items back, report lost and wrong ones",
     OPTION_BY(set_verify)},
    {"verify-path", 0, "TEMPLATE", "where to GET an item, with the request's placeholders",
     OPTION_BY(set_verify_path)},
    {"allow-errors", 0, "PERCENT", "of requests may fail without exit code 1 (0)",
     NUMBER(allowed_errors_percent, 0, 100)},
    {"json", 0, "FILE", "write the results there", TEXT(json)},
    {"html", 0, "FILE", "write a page with charts there", TEXT(html)},
    {"compare", 0, "FILE", "lay an older --json file over the page's charts", TEXT(compare)},
    {"seed", 0, "N", "repeats the same values and arrivals (random)",
     COUNT(seed, OPTION_SEED_MAX)},
};

static void print_help(void) {
    printf("usage: penstock-bench [OPTION]... URL\n"
           "Loads an HTTP or HTTPS target and measures it.\n\n");
    options_print(&table);
    printf(
        "\nPlaceholders in the URL's path, headers, --body and --verify-path:\n"
        "  {{seq}} {{uuid}} {{rand 1 100}} {{key zipf 1000000}} {{key zipf 1000000 1.2}}\n"
        "  {{key uniform 1000}}; in paths also {{body NAME}}: that member of the JSON body.\n"
        "The same words give the same value throughout one request; one more word makes\n"
        "another: {{uuid a}}. {{seq}} counts from 0.\n\n"
        "Without --rate the loop is closed: each connection sends when its answer is there.\n"
        "Exit codes: 0 good; 1 requests failed (errors, status 400 and up), or items were lost "
        "or wrong; 2 wrong usage.\n");
}

/* ---- the URL ---- */

/* The path is a template: blanks are allowed inside of placeholders only. */
static int path_valid(const char *path) {
    int inside = 0;
    for (const char *at = path; *at; at++) {
        if (at[0] == '{' && at[1] == '{') {
            inside = 1;
        } else if (at[0] == '}' && at[1] == '}') {
            inside = 0;
        }
        unsigned char c = (unsigned char)*at;
        if (c < ' ' || c >= 0x7f || (!inside && (c == ' ' || c == '#'))) {
            return 0;
        }
    }
    return 1;
}

static int take_url(void *into, const char *argument) {
    struct load_options *o = into;
    if (o->url) {
        (void)wrong("one URL only", argument);
        return ERR_INVALID;
    }
    const char *authority = strstr(argument, "://");
    size_t len = strlen(argument);
    o->url = argument;
    o->path = SLICE("/");
    if (authority) {
        const char *path = strpbrk(authority + 3, "/?");
        len = path ? (size_t)(path - argument) : len;
        o->path = path ? slice_cstr(path) : o->path;
    }
    if (o->path.ptr[0] != '/' || !path_valid(o->path.ptr) ||
        url_parse_endpoint(slice_of(argument, len), &o->endpoint)) {
        (void)wrong("is no http:// or https:// URL", argument);
        return ERR_INVALID;
    }
    return 0;
}

static const struct option_table table = {
    "penstock-bench", options, sizeof options / sizeof options[0], print_help, take_url};

/* ---- all of it ---- */

static enum options_result check_ramp(struct load_options *o) {
    if (o->ramp != (o->ramp_p99_ns != 0)) {
        return wrong(o->ramp ? "needs --p99" : "goes with --ramp",
                     o->ramp ? "--ramp" : "--p99");
    }
    if (o->ramp && o->count) {
        return wrong("has no meaning for a ramp", "--count");
    }
    if (o->ramp && o->rate == 0) {
        o->rate = 1000;
    }
    if (o->ramp && !o->warmup_ns) {
        o->warmup_ns = DEFAULT_RAMP_WARMUP_NS;
    }
    return OPTIONS_RUN;
}

static enum options_result check(struct load_options *o) {
    if (!o->url) {
        return wrong("is missing", "URL");
    }
    if (check_ramp(o) != OPTIONS_RUN) {
        return OPTIONS_WRONG;
    }
    if (o->poisson && o->rate == 0) {
        return wrong("needs --rate", "--poisson");
    }
    if (o->body && o->body_file) {
        return wrong("there is a --body already", "--body-file");
    }
    if (o->verify != (o->verify_path != NULL)) {
        return wrong(o->verify ? "needs --verify-path" : "goes with --verify",
                     o->verify ? "--verify" : "--verify-path");
    }
    if (o->verify && !o->body && !o->body_file) {
        return wrong("needs --body or --body-file", "--verify");
    }
    if (o->compare && !o->html) {
        return wrong("needs --html", "--compare");
    }
    if (o->connections > IN_FLIGHT_MAX / o->pipeline) {
        return wrong("times --connections is more than 1048576 requests in flight",
                     "--pipeline");
    }
    if (o->no_keep_alive && o->pipeline > 1) {
        return wrong("needs connections that stay open", "--pipeline");
    }
    if (o->ca_file && !o->endpoint.tls) {
        return wrong("is for https:// URLs", "--ca-file");
    }
    if (o->threads > o->connections) {
        o->threads = o->connections;
    }
    if (o->duration_ns == 0 && o->count == 0) {
        o->duration_ns = o->ramp ? DEFAULT_RAMP_STEP_NS : DEFAULT_DURATION_NS;
    }
    if (!o->method) {
        o->method = o->body || o->body_file ? "POST" : "GET";
    }
    return OPTIONS_RUN;
}

enum options_result load_options_parse(struct load_options *o, int argc, char **argv) {
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    memset(o, 0, sizeof *o);
    o->threads = cpus < 4                            ? 1
                 : cpus / 2 > (long)LOAD_THREADS_MAX ? LOAD_THREADS_MAX
                                                     : (unsigned)cpus / 2;
    o->connections = DEFAULT_CONNECTIONS;
    o->pipeline = 1;
    o->timeout_ns = DEFAULT_TIMEOUT_NS;
    enum options_result result = options_parse(&table, o, argc, argv);
    return result == OPTIONS_RUN ? check(o) : result;
}
