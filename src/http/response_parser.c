#include "http/response_parser.h"

#include "base/error.h"
#include "http/reader.h"

#include <stdlib.h>

#define EXTENSION_MAX 4096
#define TRAILER_MAX   16384

struct http_response_parser {
    struct http_response response;
    enum http_method method; /* of the request that is answered */
    size_t body_max;
    uint8_t drops; /* bodies are not kept */
    int interim;   /* a 1xx response has come */
    struct http_reader reader;
};

struct http_response_parser *http_response_parser_new(size_t head_max, size_t body_max) {
    struct http_response_parser *p = malloc(sizeof(*p));
    if (p == NULL) {
        return NULL;
    }
    http_reader_init(&p->reader, HTTP_RESPONSE);
    p->reader.head_max = head_max;
    p->reader.headers_max = HTTP_HEADERS_MAX;
    p->reader.extension_max = EXTENSION_MAX;
    p->reader.trailer_max = TRAILER_MAX;
    p->body_max = body_max;
    p->drops = 0;
    p->method = HTTP_GET_;
    http_response_parser_next(p);
    return p;
}

void http_response_parser_free(struct http_response_parser *p) {
    if (p) {
        http_reader_fini(&p->reader);
        free(p);
    }
}

void http_response_parser_expect(struct http_response_parser *p, enum http_method method) {
    p->method = method;
}

void http_response_parser_drop_bodies(struct http_response_parser *p) {
    p->drops = 1;
    p->body_max = SIZE_MAX;
    http_response_parser_next(p);
}

void http_response_parser_next(struct http_response_parser *p) {
    ASSERT(p->reader.state != READER_FAILED);
    http_reader_reset(&p->reader);
    p->reader.body_max = p->body_max;
    p->reader.in_parts = p->drops;
    p->response = (struct http_response){0};
    p->interim = 0;
}

/* RFC 9112 section 6.3, in its order. */
static enum http_reader_result choose_framing(struct http_response_parser *p,
                                              const struct http_fields *f) {
    struct http_reader *r = &p->reader;
    unsigned status = p->response.status;
    /* UNTESTED: llhttp refuses both first. */
    if (f->content_lengths > 1 || (f->transfer_encodings > 0 && f->content_lengths > 0)) {
        return http_reader_fail(r, 400, "bad_content_length");
    }
    if (p->method == HTTP_HEAD_ || status == 204 || status == 304) {
        return READER_COMPLETE;
    }
    if (f->transfer_encodings > 0) {
        if (f->transfer_encodings > 1 || r->ll.http_minor == 0 ||
            !slice_eq_nocase(f->transfer_encoding, SLICE("chunked"))) {
            return http_reader_fail(r, 400, "bad_transfer_encoding");
        }
        r->framing = FRAMING_CHUNKED;
        return READER_COMPLETE;
    }
    if (f->content_lengths == 0) {
        r->framing = FRAMING_UNTIL_CLOSE;
        p->response.keep_alive = 0;
        return READER_COMPLETE;
    }
    if (http_reader_set_length(r, f->content_length) == READER_ERROR) {
        return READER_ERROR;
    }
    return r->content_length > r->body_max ? http_reader_fail(r, 413, "body_too_large")
                                           : READER_COMPLETE;
}

static enum http_reader_result finish_head(struct http_response_parser *p) {
    struct http_reader *r = &p->reader;
    struct http_fields f;
    if (r->ll.http_major != 1 || r->ll.http_minor > 1) {
        return http_reader_fail(r, 400, "bad_version");
    }
    p->response.status = r->ll.status_code;
    if (p->response.status < 100 || p->response.status > 599) {
        return http_reader_fail(r, 400, "bad_status");
    }
    if (p->response.status == 101) {
        return http_reader_fail(r, 400, "unasked_upgrade");
    }
    if (http_reader_scan_fields(r, &f) == READER_ERROR) {
        return READER_ERROR;
    }
    int wants_alive = r->ll.http_minor == 1 ? 1 : f.keep_alive > 0;
    p->response.keep_alive = wants_alive && f.close == 0;
    p->response.headers.items = r->items;
    p->response.headers.count = r->header_count;
    return choose_framing(p, &f);
}

enum http_parse_result http_response_parser_feed(struct http_response_parser *p, char *bytes,
                                                 size_t len, size_t *used) {
    struct http_reader *r = &p->reader;
    *used = 0;
    while (r->state == READER_START || r->state == READER_HEAD) {
        size_t taken = 0;
        enum http_reader_result result =
            http_reader_feed_head(r, bytes + *used, len - *used, &taken);
        *used += taken;
        if (result == READER_MORE) {
            return HTTP_PARSE_MORE;
        }
        if (result == READER_ERROR || finish_head(p) == READER_ERROR) {
            return HTTP_PARSE_ERROR;
        }
        if (p->response.status < 200) {
            http_response_parser_next(p); /* 1xx: the response proper follows */
            p->interim = 1;
        }
    }
    if (r->state == READER_DONE) {
        return HTTP_PARSE_DONE;
    }
    if (r->state == READER_FAILED) {
        return HTTP_PARSE_ERROR;
    }
    size_t taken = 0;
    enum http_reader_result result =
        http_reader_feed_body(r, bytes + *used, len - *used, &taken, &p->response.body);
    *used += taken;
    if (result == READER_ERROR) {
        return HTTP_PARSE_ERROR;
    }
    if (result == READER_COMPLETE) {
        r->state = READER_DONE;
        return HTTP_PARSE_DONE;
    }
    return HTTP_PARSE_MORE;
}

enum http_parse_result http_response_parser_end(struct http_response_parser *p) {
    struct http_reader *r = &p->reader;
    if (r->state == READER_BODY && r->framing == FRAMING_UNTIL_CLOSE) {
        r->state = READER_DONE;
    }
    if (r->state == READER_DONE) {
        return HTTP_PARSE_DONE;
    }
    if (r->state != READER_FAILED) {
        http_reader_fail(r, 400, "ended_early");
    }
    return HTTP_PARSE_ERROR;
}

const struct http_response *
http_response_parser_response(const struct http_response_parser *p) {
    return &p->response;
}

int http_response_parser_idle(const struct http_response_parser *p) {
    return p->reader.state == READER_START && !p->interim;
}

const char *http_response_parser_reason(const struct http_response_parser *p) {
    return p->reader.reason;
}
