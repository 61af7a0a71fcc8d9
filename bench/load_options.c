#include "load_options.h"

#include "base/clock.h"
#include "base/error.h"
#include "http/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DURATION_MAX_S         (7 * 86400.0)
#define DEFAULT_CONNECTIONS    64u
#define DEFAULT_DURATION_NS    (10 * NS_PER_S)
#define DEFAULT_RAMP_STEP_NS   (5 * NS_PER_S)
#define DEFAULT_RAMP_WARMUP_NS (1 * NS_PER_S)
#define DEFAULT_TIMEOUT_NS     (10 * NS_PER_S)

struct option {
    const char *name;
    char letter;
    const char *value; /* NULL = a flag */
    const char *help;
    int (*set)(struct load_options *o, const char *value);
};

static int to_count(const char *value, uint64_t low, uint64_t high, uint64_t *out) {
    return slice_to_u64(slice_cstr(value), out) || *out < low || *out > high ? ERR_INVALID : 0;
}

static int to_unsigned(const char *value, uint64_t high, unsigned *out) {
    uint64_t n;
    if (to_count(value, 1, high, &n)) {
        return ERR_INVALID;
    }
    *out = (unsigned)n;
    return 0;
}

static int to_number(const char *value, double low, double high, double *out, char **end) {
    *out = strtod(value, end);
    return *end == value || !(*out >= low && *out <= high) ? ERR_INVALID : 0;
}

/* "30", "30s", "500ms", "2m", "1h"; `unit_ns` is that of a bare number. */
static int to_duration(const char *value, double unit_ns, uint64_t *out_ns) {
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
    char *end;
    double n;
    if (to_number(value, 0, 1e12, &n, &end)) {
        return ERR_INVALID;
    }
    for (size_t i = 0; *end && i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(end, units[i].name) == 0) {
            unit_ns = units[i].ns;
            end = "";
        }
    }
    if (*end || n * unit_ns > DURATION_MAX_S * 1e9) {
        return ERR_INVALID;
    }
    *out_ns = (uint64_t)(n * unit_ns);
    return 0;
}

static int set_connections(struct load_options *o, const char *value) {
    return to_unsigned(value, LOAD_CONNECTIONS_MAX, &o->connections);
}

static int set_threads(struct load_options *o, const char *value) {
    return to_unsigned(value, LOAD_THREADS_MAX, &o->threads);
}

static int set_pipeline(struct load_options *o, const char *value) {
    return to_unsigned(value, LOAD_PIPELINE_MAX, &o->pipeline);
}

static int set_rate(struct load_options *o, const char *value) {
    char *end;
    return to_number(value, 0.001, 1e8, &o->rate, &end) || *end ? ERR_INVALID : 0;
}

static int set_poisson(struct load_options *o, const char *value) {
    (void)value;
    o->poisson = 1;
    return 0;
}

static int set_ramp(struct load_options *o, const char *value) {
    (void)value;
    o->ramp = 1;
    return 0;
}

static int set_p99(struct load_options *o, const char *value) {
    return to_duration(value, 1e6, &o->ramp_p99_ns) || o->ramp_p99_ns == 0 ? ERR_INVALID : 0;
}

static int set_warmup(struct load_options *o, const char *value) {
    return to_duration(value, 1e9, &o->warmup_ns);
}

static int set_duration(struct load_options *o, const char *value) {
    return to_duration(value, 1e9, &o->duration_ns) || o->duration_ns < NS_PER_MS ? ERR_INVALID
                                                                                  : 0;
}

static int set_count(struct load_options *o, const char *value) {
    return to_count(value, 1, 1ull << 48, &o->count);
}

static int set_timeout(struct load_options *o, const char *value) {
    return to_duration(value, 1e9, &o->timeout_ns) || o->timeout_ns < NS_PER_MS ? ERR_INVALID
                                                                                : 0;
}

static int set_no_keep_alive(struct load_options *o, const char *value) {
    (void)value;
    o->no_keep_alive = 1;
    return 0;
}

static int set_method(struct load_options *o, const char *value) {
    o->method = value;
    return http_field_name_valid(slice_cstr(value)) && strlen(value) <= 32 ? 0 : ERR_INVALID;
}

/* What the tool itself sends would frame the message anew if it were given here. */
static int set_header(struct load_options *o, const char *value) {
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

static int set_verify(struct load_options *o, const char *value) {
    o->verify = 1;
    o->verify_count = UINT64_MAX;
    return strcmp(value, "all") == 0 ? 0 : to_count(value, 1, 1ull << 48, &o->verify_count);
}

static int set_verify_path(struct load_options *o, const char *value) {
    o->verify_path = value;
    return value[0] == '/' ? 0 : ERR_INVALID;
}

static int set_allowed(struct load_options *o, const char *value) {
    char *end;
    return to_number(value, 0, 100, &o->allowed_errors_percent, &end) || *end ? ERR_INVALID : 0;
}

static int set_pid(struct load_options *o, const char *value) {
    return to_unsigned(value, INT32_MAX, &o->pid);
}

static int set_seed(struct load_options *o, const char *value) {
    return to_count(value, 1, UINT64_MAX, &o->seed);
}

#define SET_TEXT(member)                                                                       \
    static int set_##member(struct load_options *o, const char *value) {                       \
        o->member = value;                                                                     \
        return *value ? 0 : ERR_INVALID;                                                       \
    }
SET_TEXT(body)
SET_TEXT(body_file)
SET_TEXT(ca_file)
SET_TEXT(connect)
SET_TEXT(json)
SET_TEXT(html)
SET_TEXT(compare)

static const struct option options[] = {
    {"connections", 'c', "N", "connections over all threads (64)", set_connections},
    {"threads", 't', "N", "threads (half the CPUs)", set_threads},
    {"pipeline", 0, "N", "requests in flight on one connection (1)", set_pipeline},
    {"no-keep-alive", 0, NULL, "a connection for each request", set_no_keep_alive},
    {"rate", 'r', "N", "open loop: so many a second, latency from the intended time", set_rate},
    {"poisson", 0, NULL, "open loop: random arrivals instead of even ones", set_poisson},
    {"duration", 'd', "TIME", "how long: 30, 30s, 500ms, 2m (10s)", set_duration},
    {"count", 'n', "N", "so many requests instead (with --duration: whichever is first)",
     set_count},
    {"warmup", 'w', "TIME", "before it, not counted (0)", set_warmup},
    {"timeout", 0, "TIME", "to connect, and for an answer (10s)", set_timeout},
    {"ramp", 0, NULL, "find the highest rate that holds --p99, from --rate (1000) on",
     set_ramp},
    {"p99", 0, "MS", "the ramp's target", set_p99},
    {"method", 'X', "METHOD", "GET, or POST when there is a body", set_method},
    {"header", 'H', "NAME: VALUE", "a header, may hold placeholders; repeat it", set_header},
    {"body", 'b', "TEMPLATE", "the body, with placeholders", set_body},
    {"body-file", 0, "FILE", "NDJSON: a line each request, over and over", set_body_file},
    {"ca-file", 0, "FILE", "PEM certificates to trust (the system's)", set_ca_file},
    {"connect", 0, "ADDRESS:PORT", "connect there instead; also unix:PATH", set_connect},
    {"pid", 0, "PID", "also report CPU and memory of that process and its children", set_pid},
    {"verify", 0, "N or all", "read acknowledged items back, report lost and wrong ones",
     set_verify},
    {"verify-path", 0, "TEMPLATE", "where to GET an item, with the request's placeholders",
     set_verify_path},
    {"allow-errors", 0, "PERCENT", "of requests may fail without exit code 1 (0)", set_allowed},
    {"json", 0, "FILE", "write the results there", set_json},
    {"html", 0, "FILE", "write a page with charts there", set_html},
    {"compare", 0, "FILE", "lay an older --json file over the page's charts", set_compare},
    {"seed", 0, "N", "repeats the same values and arrivals (random)", set_seed},
};
#define OPTIONS (sizeof options / sizeof options[0])

static void print_help(void) {
    printf("usage: penstock-bench [OPTION]... URL\n"
           "Loads an HTTP or HTTPS target and measures it.\n\n");
    for (size_t i = 0; i < OPTIONS; i++) {
        char left[64], letter[8] = "    ";
        if (options[i].letter) {
            snprintf(letter, sizeof letter, "-%c, ", options[i].letter);
        }
        snprintf(left, sizeof left, "%s--%s%s%s", letter, options[i].name,
                 options[i].value ? " " : "", options[i].value ? options[i].value : "");
        printf("  %-28s %s\n", left, options[i].help);
    }
    printf("  %-28s %s\n\n", "    --help", "this text");
    printf(
        "Placeholders in the URL's path, headers, --body and --verify-path:\n"
        "  {{seq}} {{uuid}} {{rand 1 100}} {{key zipf 1000000}} {{key zipf 1000000 1.2}}\n"
        "  {{key uniform 1000}}; in paths also {{body NAME}}: that member of the JSON body.\n"
        "The same words give the same value throughout one request; one more word makes\n"
        "another: {{uuid a}}. {{seq}} counts from 0.\n\n"
        "Without --rate the loop is closed: each connection sends when its answer is there.\n"
        "Exit codes: 0 good; 1 requests failed (errors, status 400 and up), or items were lost "
        "or wrong; 2 wrong usage.\n");
}

static enum load_options_result wrong(const char *what, const char *argument) {
    fprintf(stderr, "penstock-bench: %s: %s (try --help)\n", argument, what);
    return LOAD_WRONG;
}

static const struct option *find(struct slice name, char letter) {
    for (size_t i = 0; i < OPTIONS; i++) {
        if (letter ? options[i].letter == letter
                   : slice_eq(slice_cstr(options[i].name), name)) {
            return &options[i];
        }
    }
    return NULL;
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

static enum load_options_result take_url(struct load_options *o, const char *argument) {
    if (o->url) {
        return wrong("one URL only", argument);
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
        return wrong("is no http:// or https:// URL", argument);
    }
    return LOAD_RUN;
}

/* ---- all of it ---- */

static enum load_options_result check_ramp(struct load_options *o) {
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
    return LOAD_RUN;
}

static enum load_options_result check(struct load_options *o) {
    if (!o->url) {
        return wrong("is missing", "URL");
    }
    if (check_ramp(o) != LOAD_RUN) {
        return LOAD_WRONG;
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
    return LOAD_RUN;
}

/* "--name value", "--name=value", "-n value" or "-nvalue". */
static enum load_options_result take(struct load_options *o, int argc, char **argv, int *i) {
    const char *argument = argv[*i];
    if (argument[0] != '-') {
        return take_url(o, argument);
    }
    struct slice inline_value = SLICE_EMPTY;
    int is_long = argument[1] == '-';
    const struct option *option =
        is_long ? find(slice_split(slice_cstr(argument + 2), '=', &inline_value), 0)
                : find(SLICE_EMPTY, argument[1] ? argument[1] : '-');
    if (!option) {
        return wrong("no such option", argument);
    }
    const char *value = is_long ? inline_value.ptr : argument[2] ? argument + 2 : NULL;
    if (option->value == NULL && value) {
        return wrong("takes no value", argument);
    }
    if (option->value && !value) {
        if (*i + 1 == argc) {
            return wrong("needs a value", argument);
        }
        value = argv[++*i];
    }
    if (option->set(o, value)) {
        fprintf(stderr, "penstock-bench: --%s: '%s' is not %s (try --help)\n", option->name,
                value, option->value);
        return LOAD_WRONG;
    }
    return LOAD_RUN;
}

enum load_options_result load_options_parse(struct load_options *o, int argc, char **argv) {
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    memset(o, 0, sizeof *o);
    o->threads = cpus < 4                            ? 1
                 : cpus / 2 > (long)LOAD_THREADS_MAX ? LOAD_THREADS_MAX
                                                     : (unsigned)cpus / 2;
    o->connections = DEFAULT_CONNECTIONS;
    o->pipeline = 1;
    o->timeout_ns = DEFAULT_TIMEOUT_NS;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help();
            return LOAD_HELPED;
        }
        enum load_options_result result = take(o, argc, argv, &i);
        if (result != LOAD_RUN) {
            return result;
        }
    }
    return check(o);
}
