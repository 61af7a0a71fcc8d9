#include "load_request.h"

#include "base/error.h"
#include "load_file.h"

#include <stdio.h>
#include <stdlib.h>

#define LENGTH_BOUND 64u /* Content-Length and the blank line */

static int wrong(const char *what, const char *why) {
    fprintf(stderr, "penstock-bench: %s: %s\n", what, why);
    return ERR_INVALID;
}

static int has_header(const struct load_options *o, const char *name) {
    for (size_t i = 0; i < o->header_count; i++) {
        if (slice_eq_nocase(o->headers[i].name, slice_cstr(name))) {
            return 1;
        }
    }
    return 0;
}

/* ---- the head ---- */

enum head_of { HEAD_OF_REQUEST, HEAD_OF_VERIFY };

static int is_of_body(struct slice name) {
    return slice_eq_nocase(name, SLICE("content-type"));
}

static void put(struct buffer *b, struct slice s) {
    int error = buffer_append_slice(b, s);
    ASSERT(!error);
}

static void put_field(struct buffer *b, struct slice name, struct slice value) {
    put(b, name);
    put(b, SLICE(": "));
    put(b, value);
    put(b, SLICE("\r\n"));
}

/* Alone first, so that what is said of a bad one names it and not what follows it. */
static int check_template(const char *what, struct slice text) {
    char reason[LOAD_TEMPLATE_REASON_MAX];
    struct load_template t;
    if (load_template_parse(&t, text, LOAD_TEMPLATE_PATH, reason)) {
        return wrong(what, reason);
    }
    load_template_fini(&t);
    return 0;
}

static int check_templates(const struct load_options *o) {
    int error = check_template("URL", o->path);
    if (!error && o->verify_path) {
        error = check_template("--verify-path", slice_cstr(o->verify_path));
    }
    for (size_t i = 0; i < o->header_count && !error; i++) {
        error = check_template("--header", o->headers[i].value);
    }
    return error;
}

static int init_head(struct load_request *r, const struct load_options *o, enum head_of which) {
    char reason[LOAD_TEMPLATE_REASON_MAX];
    struct buffer b = {0};
    int verify = which == HEAD_OF_VERIFY;
    put(&b, slice_cstr(verify ? "GET" : o->method));
    put(&b, SLICE(" "));
    put(&b, verify ? slice_cstr(o->verify_path) : o->path);
    put(&b, SLICE(" HTTP/1.1\r\n"));
    if (!has_header(o, "host")) {
        put_field(&b, SLICE("Host"), slice_cstr(o->endpoint.authority));
    }
    if (!has_header(o, "user-agent")) {
        put_field(&b, SLICE("User-Agent"), SLICE("penstock-bench"));
    }
    if (r->has_body && !has_header(o, "content-type")) {
        put_field(&b, SLICE("Content-Type"), SLICE("application/json"));
    }
    for (size_t i = 0; i < o->header_count; i++) {
        if (!verify || !is_of_body(o->headers[i].name)) {
            put_field(&b, o->headers[i].name, o->headers[i].value);
        }
    }
    if (o->no_keep_alive && !verify) {
        put_field(&b, SLICE("Connection"), SLICE("close"));
    }
    int error = load_template_parse(&r->head, buffer_slice(&b), LOAD_TEMPLATE_PATH, reason);
    buffer_fini(&b);
    return error ? wrong("templates", reason) : 0;
}

/* ---- the body ---- */

static void add_line(struct load_request *r, struct slice line) {
    if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
        line.len--;
    }
    if (slice_trim(line).len == 0) {
        return;
    }
    if ((r->line_count & (r->line_count - 1)) == 0) { /* grows at each power of two */
        size_t room = r->line_count ? 2 * r->line_count : 1;
        struct slice *grown = realloc(r->lines, room * sizeof *r->lines);
        ASSERT(grown != NULL);
        r->lines = grown;
    }
    r->lines[r->line_count++] = line;
    r->line_max = line.len > r->line_max ? line.len : r->line_max;
}

static int read_lines(struct load_request *r, const char *name) {
    if (load_file_read(name, &r->file)) {
        return ERR_INVALID;
    }
    struct slice rest = buffer_slice(&r->file);
    while (rest.len > 0) {
        struct slice line = slice_split(rest, '\n', &rest);
        add_line(r, line);
    }
    return r->line_count > 0 ? 0 : wrong(name, "has no line that is not blank");
}

static void make_whole(struct load_request *r) {
    if (r->head.constant && r->body.constant && !r->lines) {
        char *out = malloc(load_request_bound(r));
        ASSERT(out != NULL);
        r->whole_len = load_request_write(r, 0, out);
        r->whole = out;
    }
}

int load_request_init(struct load_request *r, const struct load_options *o, uint64_t seed) {
    char reason[LOAD_TEMPLATE_REASON_MAX];
    memset(r, 0, sizeof *r);
    r->seed = seed;
    r->has_body = o->body || o->body_file;
    if (o->body_file && read_lines(r, o->body_file)) {
        return ERR_INVALID;
    }
    if (load_template_parse(&r->body, slice_cstr(o->body), LOAD_TEMPLATE_BODY, reason)) {
        return wrong("--body", reason);
    }
    if (check_templates(o) || init_head(r, o, HEAD_OF_REQUEST)) {
        return ERR_INVALID;
    }
    make_whole(r);
    return 0;
}

int load_request_init_verify(struct load_request *r, const struct load_options *o,
                             uint64_t seed) {
    memset(r, 0, sizeof *r);
    r->seed = seed;
    return init_head(r, o, HEAD_OF_VERIFY);
}

void load_request_fini(struct load_request *r) {
    load_template_fini(&r->head);
    load_template_fini(&r->body);
    free(r->lines);
    buffer_fini(&r->file);
    free(r->whole);
    memset(r, 0, sizeof *r);
}

/* ---- writing ---- */

size_t load_request_body_bound(const struct load_request *r) {
    return r->lines ? r->line_max : load_template_bound(&r->body, 0);
}

size_t load_request_bound(const struct load_request *r) {
    size_t body = load_request_body_bound(r);
    return r->whole ? r->whole_len : load_template_bound(&r->head, body) + LENGTH_BOUND + body;
}

size_t load_request_write_body(const struct load_request *r, uint64_t seq, char *out) {
    if (r->lines) {
        struct slice line = r->lines[seq % r->line_count];
        memcpy(out, line.ptr, line.len);
        return line.len;
    }
    struct load_context c = {r->seed, seq, SLICE_EMPTY};
    return load_template_write(&r->body, &c, out);
}

/* The body is made first, since the head has its length; then it moves up to the head. */
size_t load_request_write(const struct load_request *r, uint64_t seq, char *out) {
    if (r->whole) {
        memcpy(out, r->whole, r->whole_len);
        return r->whole_len;
    }
    size_t room = load_template_bound(&r->head, load_request_body_bound(r)) + LENGTH_BOUND;
    size_t body_len = r->has_body ? load_request_write_body(r, seq, out + room) : 0;
    struct load_context c = {r->seed, seq, slice_of(out + room, body_len)};
    size_t len = load_template_write(&r->head, &c, out);
    if (r->has_body) {
        len += (size_t)snprintf(out + len, LENGTH_BOUND, "Content-Length: %zu\r\n", body_len);
    }
    memcpy(out + len, "\r\n", 2);
    len += 2;
    memmove(out + len, out + room, body_len);
    return len + body_len;
}

size_t load_request_get_bound(const struct load_request *r, size_t body_len) {
    return load_template_bound(&r->head, body_len) + 2;
}

size_t load_request_write_get(const struct load_request *r, uint64_t seq, struct slice body,
                              char *out) {
    struct load_context c = {r->seed, seq, body};
    size_t len = load_template_write(&r->head, &c, out);
    memcpy(out + len, "\r\n", 2);
    return len + 2;
}
