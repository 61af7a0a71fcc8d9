/* links: aws */
/* The texts that credentials and endpoints come from: config files, JSON answers, and what goes
 * into a canonical request. The first byte says which. */
#include "aws/cred_fetch.h"
#include "aws/errors.h"
#include "aws/profile.h"
#include "aws/sigv4.h"
#include "base/assert.h"

static void profile(enum aws_profile_file file, struct slice text) {
    char reason[AWS_REASON_MAX] = "";
    struct aws_profiles *p = aws_profiles_new();
    int e = aws_profiles_parse(p, file, text, reason);
    ASSERT(e == 0 || reason[0] != '\0');
    (void)aws_profile_get(p, "default", "region");
    (void)aws_profile_service(p, "s", "dynamodb", "endpoint_url");
    aws_profiles_free(p);
}

static void json(struct slice text) {
    char why[CRED_REASON_MAX] = "";
    struct slice name, message;
    struct credentials *c = cred_from_json(text, "Token", "fuzz", why);
    ASSERT(c != NULL || why[0] != '\0');
    credentials_unref(c);
    aws_error_parse(text, &name, &message);
}

/* Whatever the request, the canonical one has its lines. */
static void canonical(struct slice text, int normalize) {
    struct buffer out = {0}, names = {0};
    struct slice rest;
    struct slice path = slice_split(text, '\0', &rest);
    struct slice query = slice_split(rest, '\0', &rest);
    const struct http_header headers[] = {{SLICE("Host"), rest}, {SLICE("a"), query}};
    const struct sigv4_request r = {.method = SLICE("GET"),
                                    .path = path,
                                    .query = query,
                                    .headers = {headers, 2},
                                    .body = rest,
                                    .normalize_path = normalize};
    if (sigv4_canonical_request(&r, &out, &names) == 0) {
        size_t lines = 1;
        for (size_t i = 0; i < out.len; i++) {
            lines += buffer_begin(&out)[i] == '\n';
        }
        ASSERT(lines == 8);
    }
    buffer_fini(&out);
    buffer_fini(&names);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len) {
    if (len == 0) {
        return 0;
    }
    struct slice text = slice_of((const char *)data + 1, len - 1);
    switch (data[0] % 5) {
    case 0:
        profile(AWS_FILE_CONFIG, text);
        break;
    case 1:
        profile(AWS_FILE_CREDENTIALS, text);
        break;
    case 2:
        json(text);
        break;
    default:
        canonical(text, data[0] % 5 == 3);
        break;
    }
    return 0;
}
