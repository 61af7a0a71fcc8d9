/* Takes requests over one hot path after the other, for callgrind: bench/regress.sh has it dump
 * its counts when `measured` begins and when it ends, so that every second dump is the cost of
 * the path printed in that order, warm, and nothing else.
 *   penstock-regress N
 * Prints what the counts depend on, then the names of the paths with N, the requests of each.
 */
#include "regress.h"

#include "aws/sigv4.h"
#include "http/request_parser.h"
#include "http/writer.h"
#include "model/item.h"

#include <gnu/libc-version.h>
#include <llhttp.h>
#include <mbedtls/version.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <uv.h>

#define BODY_BYTES 250
#define WARM_UP    200 /* buffers, slabs and lazily bound symbols */

struct model_table regress_table = {.name = "Music",
                                    .partition = {.name = "Artist", .name_len = 6},
                                    .sort = {.name = "SongTitle", .name_len = 9}};
const struct slice regress_answer = {"{\"Artist\":\"artist-00000000\",\"SongTitle\":\"Call\"}",
                                     46};

static char bodies[REGRESS_BODIES][BODY_BYTES + 1];
static char post[1024];
static size_t post_len;

struct slice regress_body(unsigned i) {
    return slice_of(bodies[i % REGRESS_BODIES], BODY_BYTES);
}

struct slice regress_post(void) {
    return slice_of(post, post_len);
}

static void make_bodies(void) {
    for (unsigned i = 0; i < REGRESS_BODIES; i++) {
        int len = snprintf(bodies[i], sizeof bodies[i],
                           "{\"Artist\":\"artist-%08u\",\"SongTitle\":\"Call Me Today\","
                           "\"Year\":2015,\"Price\":12.50,\"Live\":true,\"Tags\":[\"a\",\"b\"],"
                           "\"AlbumTitle\":\"",
                           i);
        memset(bodies[i] + len, 'x', (size_t)(BODY_BYTES - len));
        memcpy(bodies[i] + BODY_BYTES - 2, "\"}", 2);
    }
    int len = snprintf(post, sizeof post,
                       "POST /music HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
                       "User-Agent: penstock-bench\r\nContent-Type: application/json\r\n"
                       "Content-Length: %d\r\n\r\n%s",
                       BODY_BYTES, bodies[0]);
    post_len = (size_t)len;
}

/* ---- parse ---- */

static struct http_request_parser *parser;

static void parse_start(void) {
    parser = http_request_parser_new(&http_limits_default);
    ASSERT(parser);
}

static void parse_run(unsigned n) {
    char wire[sizeof post];
    while (n-- > 0) {
        size_t head, rest;
        memcpy(wire, post, post_len); /* it may write there */
        enum http_parse_result r = http_request_parser_feed(parser, wire, post_len, &head);
        ASSERT(r == HTTP_PARSE_HEAD);
        r = http_request_parser_feed(parser, wire + head, post_len - head, &rest);
        ASSERT(r == HTTP_PARSE_DONE && head + rest == post_len);
        ASSERT(http_request_parser_request(parser)->body.len == BODY_BYTES);
        http_request_parser_next(parser);
    }
}

/* ---- encode: scan and transcode ---- */

static struct buffer item, answer;
static struct model_key_buffer keys;

static void encode_run(unsigned n) {
    const struct model_encode how = {.table = &regress_table};
    char message[MODEL_MESSAGE_MAX];
    while (n-- > 0) {
        struct model_body body;
        struct model_encoded info;
        item.len = answer.len = 0;
        int error = model_body_open(regress_body(n), &body, message);
        ASSERT(error == 0 && body.kind == MODEL_BODY_ONE);
        error = model_encode_item(&how, body.rest, &item, &keys, &info, message);
        ASSERT(error == 0);
        error = model_decode_item(info.key_json, &answer);
        ASSERT(error == 0 && answer.len > 0);
    }
}

/* ---- sign: one item, and 25 ---- */

#define BATCH_BYTES 8600

static struct sigv4_signer *signer;
static struct buffer request;
static char batch[BATCH_BYTES];

static void sign_start(void) {
    signer = sigv4_signer_new("dynamodb.eu-west-1.amazonaws.com", "eu-west-1", "dynamodb");
    sigv4_signer_set_credentials(signer, SLICE("AKIDEXAMPLE"),
                                 SLICE("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
                                 SLICE_EMPTY);
    memset(batch, 'x', sizeof batch);
}

static void sign(struct slice operation, struct slice body, unsigned n) {
    while (n-- > 0) {
        request.len = 0;
        int error =
            sigv4_write_request(signer, operation, 1763820000,
                                "2f1b7c9e-0d4a-4b53-9b0a-6c1d2e3f4a5b", 1, 4, body, &request);
        ASSERT(error == 0 && request.len > body.len);
    }
}

static void sign_run(unsigned n) {
    sign(SLICE("PutItem"), slice_of(batch, 340), n);
}

static void sign_batch_run(unsigned n) {
    sign(SLICE("BatchWriteItem"), slice_of(batch, sizeof batch), n);
}

/* ---- respond ---- */

static void respond_run(unsigned n) {
    char out[1024];
    const struct http_response_head head = {
        .status = 201,
        .minor = 1,
        .keep_alive = 1,
        .date = "Sun, 06 Nov 1994 08:49:37 GMT",
        .content_type = SLICE("application/json"),
        .request_id = SLICE("2f1b7c9e-0d4a-4b53-9b0a-6c1d2e3f4a5b"),
    };
    while (n-- > 0) {
        ASSERT(http_response_bound(&head, regress_answer) <= sizeof out);
        size_t len = http_format_response(out, &head, regress_answer);
        ASSERT(len > regress_answer.len);
    }
}

/* ---- all of them ---- */

static const struct regress_path paths[] = {
    {"parse", parse_start, parse_run},
    {"encode", NULL, encode_run},
    {"sign", sign_start, sign_run},
    {"sign-batch", sign_start, sign_batch_run},
    {"coalesce", coalesce_start, coalesce_run},
    {"single", single_start, single_run},
    {"respond", NULL, respond_run},
    {"serve", serve_start, serve_run},
    {"request", request_start, request_run},
};

/* Callgrind knows it by name; not inlined, and no tail call, so that it has an end. */
void measured(const struct regress_path *path, unsigned n);
__attribute__((noinline)) void measured(const struct regress_path *path, unsigned n) {
    path->run(n);
    __asm__ volatile("" ::: "memory");
}

#if defined(__clang__)
#define COMPILER "clang"
#else
#define COMPILER "gcc"
#endif

static void print_toolchain(void) {
    char mbedtls[18];
    struct utsname machine;
    int error = uname(&machine);
    ASSERT(error == 0);
    mbedtls_version_get_string(mbedtls);
    const char *number = strpbrk(__VERSION__, "0123456789");
    printf("toolchain " COMPILER "-%.*s/%s/glibc-%s/mbedtls-%s/libuv-%s/llhttp-%d.%d.%d\n",
           (int)strcspn(number, " "), number, machine.machine, gnu_get_libc_version(), mbedtls,
           uv_version_string(), LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR,
           LLHTTP_VERSION_PATCH);
}

int main(int argc, char **argv) {
    char *end = NULL;
    unsigned long n = argc == 2 ? strtoul(argv[1], &end, 10) : 0;
    if (n == 0 || n > 1000000 || *end != '\0') {
        (void)fprintf(stderr, "usage: penstock-regress N (1..1000000)\n");
        return 2;
    }
    print_toolchain();
    make_bodies();
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if (paths[i].start) {
            paths[i].start();
        }
        paths[i].run(WARM_UP);
        measured(&paths[i], (unsigned)n);
        printf("%s %lu\n", paths[i].name, n);
    }
    return 0;
}
