/* The requests of a run as bytes: made from templates, each by its number alone, so that what
 * was sent can be made again to verify it. */
#ifndef BENCH_LOAD_REQUEST_H
#define BENCH_LOAD_REQUEST_H

#include "base/buffer.h"
#include "load_options.h"
#include "load_template.h"

struct load_request {
    struct load_template head; /* up to the fields that depend on the body */
    struct load_template body;
    struct slice *lines; /* of the NDJSON file, instead of `body` */
    size_t line_count;
    size_t line_max;
    struct buffer file; /* that they lie in */
    char *whole;        /* the request itself when every one is the same */
    size_t whole_len;
    uint64_t seed;
    int has_body;
};

/* 0; or an error, with one line on standard error. */
MUST_CHECK int load_request_init(struct load_request *r, const struct load_options *o,
                                 uint64_t seed);
/* GET of --verify-path with the same headers: for load_request_write_get. */
MUST_CHECK int load_request_init_verify(struct load_request *r, const struct load_options *o,
                                        uint64_t seed);
void load_request_fini(struct load_request *r);

size_t load_request_bound(const struct load_request *r);
/* The bytes written to out, which has room for the bound. */
size_t load_request_write(const struct load_request *r, uint64_t seq, char *out);
/* The body alone, and its bound. */
size_t load_request_body_bound(const struct load_request *r);
size_t load_request_write_body(const struct load_request *r, uint64_t seq, char *out);
/* The GET that verifies request `seq`, whose body was this one. */
size_t load_request_get_bound(const struct load_request *r, size_t body_len);
size_t load_request_write_get(const struct load_request *r, uint64_t seq, struct slice body,
                              char *out);

#endif
