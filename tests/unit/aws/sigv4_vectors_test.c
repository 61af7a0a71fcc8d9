/* The general signer against a directory of SigV4 vectors, all three stages byte for byte. The
 * vectors are not ours to carry: PENSTOCK_SIGV4_VECTORS says where they are; by default beside
 * the project. */
#include "aws/json_scan.h"
#include "aws/sigv4.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hex.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define BESIDE "/../shared/vectors/sigv4/v4"

static char directory[4096];

struct vector {
    char *request_text;
    char *context;
    struct slice access_key_id, secret_access_key, session_token, region, service;
    struct sigv4_request request;
    struct http_header headers[32];
    size_t header_count;
    uint64_t epoch_s;
    char date_time[17];
    char body_hash[65];
};

/* The file without a closing newline, NUL-terminated; the caller frees. */
static char *read_file(const char *name, const char *file) {
    char path[5120];
    snprintf(path, sizeof(path), "%s/%s/%s", directory, name, file);
    FILE *f = fopen(path, "rb");
    if (!f) {
        fail_msg("%s: cannot be read", path);
    }
    char *text = calloc(1, 65536);
    assert_non_null(text);
    size_t len = fread(text, 1, 65535, f);
    fclose(f);
    if (len > 0 && text[len - 1] == '\n') {
        text[len - 1] = '\0';
    }
    return text;
}

static void add_header(struct vector *v, struct slice name, struct slice value) {
    assert_true(v->header_count < 32);
    v->headers[v->header_count++] = (struct http_header){name, value};
}

/* "GET /a path HTTP/1.1", headers (a line that begins with a space goes on with the one
 * before), an empty line, the body. */
static void parse_request(struct vector *v) {
    struct slice rest = slice_cstr(v->request_text);
    struct slice line = slice_split(rest, '\n', &rest);
    v->request.method = slice_split(line, ' ', &line);
    assert_true(line.len > 9);
    struct slice target = slice_of(line.ptr, line.len - 9); /* " HTTP/1.1" */
    v->request.path = slice_split(target, '?', &v->request.query);
    while (rest.len > 0) {
        line = slice_split(rest, '\n', &rest);
        if (line.len == 0) {
            v->request.body = rest;
            return;
        }
        if (line.ptr[0] == ' ') {
            struct slice *value = &v->headers[v->header_count - 1].value;
            value->len = (size_t)(line.ptr + line.len - value->ptr);
            continue;
        }
        struct slice value;
        struct slice name = slice_split(line, ':', &value);
        add_header(v, name, value);
    }
}

static struct slice context(const struct vector *v, const char *name) {
    return json_scan_member(slice_cstr(v->context), slice_cstr(name));
}

static int context_true(const struct vector *v, const char *name) {
    return slice_eq(context(v, name), SLICE("true"));
}

static void load(struct vector *v, const char *name) {
    memset(v, 0, sizeof(*v));
    v->request_text = read_file(name, "request.txt");
    v->context = read_file(name, "context.json");
    parse_request(v);
    struct slice credentials = context(v, "credentials");
    v->access_key_id = json_scan_member(credentials, SLICE("access_key_id"));
    v->secret_access_key = json_scan_member(credentials, SLICE("secret_access_key"));
    v->session_token = json_scan_member(credentials, SLICE("token"));
    v->region = context(v, "region");
    v->service = context(v, "service");
    struct slice timestamp = context(v, "timestamp");
    assert_int_equal(clock_parse_iso8601(timestamp.ptr, timestamp.len, &v->epoch_s), 0);
    char date[9];
    clock_format_amz(v->epoch_s, v->date_time, date);
    v->request.normalize_path = context_true(v, "normalize");
    v->request.omit_session_token = context_true(v, "omit_session_token");
    if (context_true(v, "sign_body")) {
        unsigned char hash[SIGV4_HASH_LEN];
        sha256(v->request.body, hash);
        hex_encode(hash, sizeof(hash), v->body_hash);
        add_header(v, SLICE("X-Amz-Content-Sha256"), slice_cstr(v->body_hash));
    }
    if (v->session_token.len > 0) {
        add_header(v, SLICE("X-Amz-Security-Token"), v->session_token);
    }
    add_header(v, SLICE("X-Amz-Date"), slice_cstr(v->date_time));
    v->request.headers = (struct http_headers){v->headers, v->header_count};
}

static void expect(const char *name, const char *file, struct slice got) {
    char *want = read_file(name, file);
    if (!slice_eq(got, slice_cstr(want))) {
        fail_msg("%s/%s:\n--- want\n%s\n--- got\n" SLICE_FMT, name, file, want, SLICE_ARG(got));
    }
    free(want);
}

static void expect_authorization(const char *name, struct slice got) {
    char *text = read_file(name, "header-signed-request.txt");
    char *want = strstr(text, "\nAuthorization:");
    assert_non_null(want);
    want += strlen("\nAuthorization:");
    want[strcspn(want, "\n")] = '\0';
    if (!slice_eq(got, slice_cstr(want))) {
        fail_msg("%s:\nwant %s\ngot  " SLICE_FMT, name, want, SLICE_ARG(got));
    }
    free(text);
}

static void check(const char *name) {
    struct vector v;
    struct buffer canonical = {0}, names = {0}, to_sign = {0}, authorization = {0};
    char signature[65];
    load(&v, name);
    struct sigv4_key key = {v.access_key_id, v.secret_access_key, v.session_token, v.region,
                            v.service};
    assert_int_equal(sigv4_canonical_request(&v.request, &canonical, &names), 0);
    expect(name, "header-canonical-request.txt", buffer_slice(&canonical));
    assert_int_equal(sigv4_string_to_sign(&key, v.epoch_s, buffer_slice(&canonical), &to_sign),
                     0);
    expect(name, "header-string-to-sign.txt", buffer_slice(&to_sign));
    assert_int_equal(sigv4_signature(&key, v.epoch_s, buffer_slice(&to_sign), signature), 0);
    expect(name, "header-signature.txt", slice_cstr(signature));
    assert_int_equal(sigv4_authorization(&key, &v.request, v.epoch_s, &authorization), 0);
    expect_authorization(name, buffer_slice(&authorization));
    buffer_fini(&canonical);
    buffer_fini(&names);
    buffer_fini(&to_sign);
    buffer_fini(&authorization);
    free(v.request_text);
    free(v.context);
}

static void test_vectors(void **state) {
    (void)state;
    DIR *d = opendir(directory);
    if (!d) {
        print_message("skipped: no vectors at %s\n", directory);
        skip();
    }
    int cases = 0;
    for (struct dirent *entry; (entry = readdir(d));) {
        if (entry->d_name[0] != '.') {
            check(entry->d_name);
            cases++;
        }
    }
    closedir(d);
    print_message("%d cases\n", cases);
    assert_true(cases >= 38);
}

int main(void) {
    const char *given = getenv("PENSTOCK_SIGV4_VECTORS");
    const char *tests = strstr(__FILE__, "/tests/unit/");
    if (given) {
        snprintf(directory, sizeof(directory), "%s", given);
    } else if (tests) {
        snprintf(directory, sizeof(directory), "%.*s" BESIDE, (int)(tests - __FILE__),
                 __FILE__);
    }
    const struct CMUnitTest cases[] = {cmocka_unit_test(test_vectors)};
    return cmocka_run_group_tests(cases, NULL, NULL);
}
