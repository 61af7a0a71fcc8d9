/* The rules are those of engineering section 3; each check below names what it is against. */
#include "http/request_parser.h"

#include "base/container.h"
#include "base/error.h"
#include "http/reader.h"
#include "http/url.h"

#include <stdlib.h>

#define BLANK_BYTES_MAX 4  /* two empty lines before a request (RFC 9112 section 2.2) */
#define METHOD_MAX      32 /* longer than any method llhttp knows */
#define VERSION_LEN     8  /* HTTP/1.1 */
#define LINE_REST_LEN   (2 + VERSION_LEN + 2) /* spaces, version, CRLF: all but the target */

const struct http_limits http_limits_default = {
    .head_bytes = 16384,
    .target_bytes = 8192,
    .header_count = 100,
    .body_bytes = 10485760,
    .chunk_extension_bytes = 1024,
    .trailer_bytes = 2048,
};

struct http_request_parser {
    const struct http_limits *limits;
    struct http_request request;
    size_t line_len; /* of the request line with its CRLF, once it was checked */
    size_t method_len;
    uint8_t blank_bytes;
    struct http_reader reader;
};

static struct http_request_parser *parser_of(struct http_reader *r) {
    return container_of(r, struct http_request_parser, reader);
}

/* --- the request line --- */

/* llhttp knows no bound. Judged by the bytes alone, so that a cut makes no difference. */
static int target_too_long(const struct http_request_parser *p) {
    struct slice seen = slice_of(p->reader.head, p->reader.head_len);
    if (seen.len <= p->limits->target_bytes) {
        return 0;
    }
    size_t i = 0;
    while (i < seen.len && i < METHOD_MAX && seen.ptr[i] != ' ') {
        i++;
    }
    while (i < seen.len && seen.ptr[i] == ' ') {
        i++;
    }
    size_t start = i;
    while (i < seen.len && seen.ptr[i] != ' ' && seen.ptr[i] != '\r' && seen.ptr[i] != '\n') {
        i++;
    }
    return i - start > p->limits->target_bytes;
}

/* "HTTP/1.0" and "HTTP/1.1"; llhttp takes 0.9 and 2.0 as well, and RTSP and ICE. */
static enum http_reader_result check_version(struct http_request_parser *p, const char *v) {
    if (memcmp(v, "HTTP/", 5) != 0) {
        return http_reader_fail(&p->reader, 400, "not_http");
    }
    if (memcmp(v + 5, "1.", 2) == 0 && (v[7] == '0' || v[7] == '1')) {
        p->request.minor = (uint8_t)(v[7] - '0');
        return READER_COMPLETE;
    }
    int other = v[5] != '1' && v[6] == '.' && v[7] >= '0' && v[7] <= '9';
    return other ? http_reader_fail(&p->reader, 505, "version_not_supported")
                 : http_reader_fail(&p->reader, 400, "bad_version");
}

static enum http_reader_result check_method(struct http_request_parser *p,
                                            struct slice method) {
    p->request.method = http_method_parse(method);
    if (p->request.method != HTTP_OTHER_) {
        return READER_COMPLETE;
    }
    return slice_eq(method, SLICE("CONNECT"))
               ? http_reader_fail(&p->reader, 405, "connect")
               : http_reader_fail(&p->reader, 501, "unknown_method");
}

/* A path, "*" of OPTIONS, or absolute-form; no fragment. */
static enum http_reader_result check_target(struct http_request_parser *p,
                                            struct slice target) {
    struct url_target url;
    if (url_split_target(target, &url)) {
        return http_reader_fail(&p->reader, 400, "bad_target");
    }
    if (slice_eq(url.path, SLICE("*"))) {
        return p->request.method == HTTP_OPTIONS_
                   ? READER_COMPLETE
                   : http_reader_fail(&p->reader, 400, "bad_target");
    }
    return url_check_path(url.path) ? http_reader_fail(&p->reader, 400, "bad_path")
                                    : READER_COMPLETE;
}

static struct slice line_target(const struct http_request_parser *p) {
    return slice_of(p->reader.head + p->method_len + 1,
                    p->line_len - p->method_len - LINE_REST_LEN);
}

/* Exactly METHOD SP target SP HTTP/1.x CRLF: llhttp lets a second space and a missing version
 * (0.9) pass. */
static enum http_reader_result check_line(struct http_request_parser *p) {
    struct slice line = slice_of(p->reader.head, p->line_len);
    p->method_len = slice_find(line, ' ');
    if (line.len <= p->method_len + LINE_REST_LEN) {
        return http_reader_fail(&p->reader, 400, "bad_request_line");
    }
    struct slice target = line_target(p);
    const char *version = line.ptr + line.len - 2 - VERSION_LEN;
    if (line.ptr[line.len - 2] != '\r' || version[-1] != ' ' ||
        memchr(target.ptr, ' ', target.len) != NULL) {
        return http_reader_fail(&p->reader, 400, "bad_request_line");
    }
    if (check_version(p, version) == READER_ERROR ||
        check_method(p, slice_of(line.ptr, p->method_len)) == READER_ERROR) {
        return READER_ERROR;
    }
    return check_target(p, target);
}

/* After every piece: the line is judged as soon as it has ended. */
static enum http_reader_result on_head_piece(struct http_reader *r) {
    struct http_request_parser *p = parser_of(r);
    if (p->line_len > 0) {
        return READER_COMPLETE;
    }
    if (target_too_long(p)) {
        return http_reader_fail(r, 414, "target_too_long");
    }
    const char *end = memchr(r->head, '\n', r->head_len);
    if (end == NULL) {
        return READER_MORE;
    }
    p->line_len = (size_t)(end - r->head) + 1;
    return check_line(p);
}

/* --- the head --- */

static enum http_reader_result check_host(struct http_request_parser *p,
                                          const struct http_fields *f) {
    if (f->hosts > 1) {
        return http_reader_fail(&p->reader, 400, "repeated_host");
    }
    if (f->hosts == 0 && p->request.minor == 1) {
        return http_reader_fail(&p->reader, 400, "missing_host");
    }
    if (f->hosts == 1 && !url_authority_valid(f->host)) {
        return http_reader_fail(&p->reader, 400, "bad_host");
    }
    p->request.host = f->host;
    if (p->request.target.ptr[0] != '/') { /* absolute-form wins (RFC 9112 section 3.2.2) */
        struct url_target url;
        if (url_split_target(p->request.target, &url) == 0 && url.authority.len > 0) {
            p->request.host = url.authority;
        }
    }
    return READER_COMPLETE;
}

/* Only "chunked", once, on 1.1 and without Content-Length: all else has smuggled requests. */
static enum http_reader_result check_transfer_encoding(struct http_request_parser *p,
                                                       const struct http_fields *f) {
    struct http_reader *r = &p->reader;
    if (f->transfer_encodings > 1 || f->content_lengths > 0 || p->request.minor == 0) {
        return http_reader_fail(r, 400, "bad_transfer_encoding");
    }
    if (slice_eq_nocase(f->transfer_encoding, SLICE("chunked"))) {
        r->framing = FRAMING_CHUNKED;
        return READER_COMPLETE;
    }
    struct slice rest = f->transfer_encoding;
    struct slice last = SLICE_EMPTY;
    while (rest.len > 0) {
        last = slice_trim(slice_split(rest, ',', &rest));
    }
    return slice_eq_nocase(last, SLICE("chunked"))
               ? http_reader_fail(r, 501, "transfer_coding_not_supported")
               : http_reader_fail(r, 400, "bad_transfer_encoding");
}

static enum http_reader_result check_framing(struct http_request_parser *p,
                                             const struct http_fields *f) {
    if (f->transfer_encodings > 0) {
        return check_transfer_encoding(p, f);
    }
    if (f->content_lengths > 1) { /* UNTESTED: llhttp refuses it first */
        return http_reader_fail(&p->reader, 400, "repeated_content_length");
    }
    return f->content_lengths == 1 ? http_reader_set_length(&p->reader, f->content_length)
                                   : READER_COMPLETE;
}

static enum http_reader_result check_expect(struct http_request_parser *p,
                                            const struct http_fields *f) {
    if (f->expects == 0 || p->request.minor == 0) { /* RFC 9110 10.1.1: ignored from 1.0 */
        return READER_COMPLETE;
    }
    if (f->expects > 1 || !slice_eq_nocase(f->expect, SLICE("100-continue"))) {
        return http_reader_fail(&p->reader, 417, "unknown_expectation");
    }
    p->request.expect_continue = 1;
    return READER_COMPLETE;
}

static enum http_parse_result finish_head(struct http_request_parser *p) {
    struct http_reader *r = &p->reader;
    struct http_fields f;
    p->request.method_text = slice_of(r->head, p->method_len);
    p->request.target = line_target(p);
    if (http_reader_scan_fields(r, &f) == READER_ERROR || check_host(p, &f) == READER_ERROR ||
        check_framing(p, &f) == READER_ERROR || check_expect(p, &f) == READER_ERROR) {
        return HTTP_PARSE_ERROR;
    }
    p->request.headers.items = r->items;
    p->request.headers.count = r->header_count;
    p->request.has_body = r->framing != FRAMING_NONE;
    p->request.content_length = r->content_length;
    /* Upgrade is ignored, and the connection closed, since its sender may go on in another
     * protocol. */
    int wants_alive = p->request.minor == 1 ? 1 : f.keep_alive > 0;
    p->request.keep_alive = wants_alive && f.close == 0 && f.upgrades == 0;
    return HTTP_PARSE_HEAD;
}

/* --- feeding --- */

/* Skips empty lines before a request, but no more than two (llhttp takes any number). */
static int skip_blank(struct http_request_parser *p, const char *bytes, size_t len,
                      size_t *used) {
    while (*used < len) {
        char c = bytes[*used];
        char expected = p->blank_bytes % 2 == 0 ? '\r' : '\n';
        if (c != '\r' && c != '\n' && expected == '\r') {
            return 0;
        }
        if (c != expected || p->blank_bytes == BLANK_BYTES_MAX) {
            http_reader_fail(&p->reader, 400, "blank_lines");
            return -1;
        }
        p->blank_bytes++;
        ++*used;
    }
    return 0;
}

static enum http_parse_result feed_head(struct http_request_parser *p, char *bytes, size_t len,
                                        size_t *used) {
    size_t skipped = 0;
    if (p->reader.state == READER_START && skip_blank(p, bytes, len, &skipped)) {
        *used = skipped;
        return HTTP_PARSE_ERROR;
    }
    size_t taken = 0;
    enum http_reader_result result =
        http_reader_feed_head(&p->reader, bytes + skipped, len - skipped, &taken);
    *used = skipped + taken;
    if (result == READER_ERROR) {
        return HTTP_PARSE_ERROR;
    }
    return result == READER_COMPLETE ? finish_head(p) : HTTP_PARSE_MORE;
}

static enum http_parse_result feed_body(struct http_request_parser *p, char *bytes, size_t len,
                                        size_t *used) {
    struct http_reader *r = &p->reader;
    if (r->content_length > r->body_max) {
        http_reader_fail(r, 413, "body_too_large");
        return HTTP_PARSE_ERROR;
    }
    const char *from = r->head;
    enum http_reader_result result =
        http_reader_feed_body(r, bytes, len, used, &p->request.body);
    if (result == READER_ERROR) {
        return HTTP_PARSE_ERROR;
    }
    if (r->head != from) {
        p->request.method_text = http_reader_rebase(r, p->request.method_text, from);
        p->request.target = http_reader_rebase(r, p->request.target, from);
        p->request.host = http_reader_rebase(r, p->request.host, from);
    }
    if (result == READER_MORE) {
        return HTTP_PARSE_MORE;
    }
    r->state = READER_DONE;
    return HTTP_PARSE_DONE;
}

enum http_parse_result http_request_parser_feed(struct http_request_parser *p, char *bytes,
                                                size_t len, size_t *used) {
    *used = 0;
    switch (p->reader.state) {
    case READER_START:
    case READER_HEAD:
        return feed_head(p, bytes, len, used);
    case READER_BODY:
        return feed_body(p, bytes, len, used);
    case READER_DONE:
        return HTTP_PARSE_DONE;
    case READER_FAILED:
        return HTTP_PARSE_ERROR;
    }
    return HTTP_PARSE_ERROR;
}

/* --- the rest of the interface --- */

void http_request_parser_set_limits(struct http_request_parser *p,
                                    const struct http_limits *limits) {
    ASSERT(limits->header_count <= HTTP_HEADERS_MAX);
    p->limits = limits;
    p->reader.head_max = limits->head_bytes;
    p->reader.headers_max = limits->header_count;
    p->reader.extension_max = limits->chunk_extension_bytes;
    p->reader.trailer_max = limits->trailer_bytes + 2; /* the empty line that ends them */
}

struct http_request_parser *http_request_parser_new(const struct http_limits *limits) {
    struct http_request_parser *p = malloc(sizeof(*p));
    if (p == NULL) {
        return NULL;
    }
    http_reader_init(&p->reader, HTTP_REQUEST);
    p->reader.check_head = on_head_piece;
    http_request_parser_set_limits(p, limits);
    http_request_parser_next(p);
    return p;
}

void http_request_parser_free(struct http_request_parser *p) {
    if (p) {
        http_reader_fini(&p->reader);
        free(p);
    }
}

const struct http_request *http_request_parser_request(const struct http_request_parser *p) {
    return &p->request;
}

struct slice http_request_parser_head(const struct http_request_parser *p) {
    return slice_of(p->reader.head, p->reader.head_len);
}

int http_request_parser_limit_body(struct http_request_parser *p, size_t body_bytes) {
    p->reader.body_max = body_bytes;
    return p->reader.content_length > body_bytes ? ERR_LIMIT : 0;
}

void http_request_parser_body_in_parts(struct http_request_parser *p) {
    p->reader.in_parts = 1;
    p->reader.body_max = SIZE_MAX;
}

struct slice http_request_parser_trailer(const struct http_request_parser *p,
                                         struct slice name) {
    struct slice rest = buffer_slice(&p->reader.trailers);
    while (rest.len > 0) {
        struct slice value;
        struct slice found = slice_split(slice_split(rest, '\n', &rest), ':', &value);
        if (slice_eq_nocase(found, name)) {
            return slice_trim(value);
        }
    }
    return SLICE_EMPTY;
}

void http_request_parser_next(struct http_request_parser *p) {
    ASSERT(p->reader.state != READER_FAILED);
    http_reader_reset(&p->reader);
    p->reader.body_max = p->limits->body_bytes;
    p->request = (struct http_request){0};
    p->line_len = 0;
    p->method_len = 0;
    p->blank_bytes = 0;
}

int http_request_parser_idle(const struct http_request_parser *p) {
    return p->reader.state == READER_START;
}

int http_request_parser_unused(const struct http_request_parser *p) {
    return http_request_parser_idle(p) && p->blank_bytes == 0;
}

size_t http_request_parser_held(const struct http_request_parser *p) {
    return p->reader.stash.cap + p->reader.body.cap + p->reader.trailers.cap;
}

struct buffer http_request_parser_take_body(struct http_request_parser *p) {
    struct buffer taken = {0};
    if (p->reader.state == READER_DONE && p->reader.body.len > 0) {
        taken = p->reader.body;
        p->reader.body = (struct buffer){0};
    }
    return taken;
}

unsigned http_request_parser_status(const struct http_request_parser *p) {
    return p->reader.status;
}

const char *http_request_parser_reason(const struct http_request_parser *p) {
    return p->reader.reason;
}

int http_self_test(void) {
    static const char smuggled[] = "GET / HTTP/1.1\r\nHost: a\r\n"
                                   "X: \rTransfer-Encoding: chunked\r\n\r\n";
    llhttp_settings_t none;
    llhttp_t ll;
    llhttp_settings_init(&none);
    llhttp_init(&ll, HTTP_REQUEST, &none);
    return llhttp_execute(&ll, smuggled, sizeof(smuggled) - 1) == HPE_OK ? ERR_PROTOCOL : 0;
}
