/* Signs what it reads, for tests/integration/test_sigv4_botocore.py. One request is one line of
 * fields with tabs between; one line answers it: the Authorization value of the general signer,
 * a tab, and the bytes of the fast path in hexadecimal. One signer serves all lines of the same
 * host and region that follow each other, as a worker's does. */
#include "aws/sigv4.h"
#include "base/clock.h"
#include "base/hex.h"

#include <stdio.h>
#include <stdlib.h>

enum field {
    HOST,
    REGION,
    ACCESS_KEY,
    SECRET_KEY,
    TOKEN,
    EPOCH,
    OPERATION,
    INVOCATION,
    ATTEMPT,
    MAX_ATTEMPTS,
    BODY_BASE64,
    FIELDS
};

static char *field[FIELDS];
static struct buffer body;

static int split_line(char *line) {
    int count = 0;
    line[strcspn(line, "\n")] = '\0';
    for (char *p = line; p && count < FIELDS; count++) {
        field[count] = strsep(&p, "\t");
    }
    return count == FIELDS;
}

static int read_body(void) {
    struct slice text = slice_cstr(field[BODY_BASE64]);
    size_t len;
    buffer_reset(&body, SIZE_MAX);
    if (buffer_reserve(&body, BASE64_DECODED_MAX(text.len)) ||
        base64_decode(text, (unsigned char *)buffer_tail(&body), &len)) {
        return -1;
    }
    buffer_grow(&body, len);
    return 0;
}

static int general(uint64_t epoch_s) {
    struct buffer out = {0};
    char target[128], date_time[17], date[9];
    struct slice token = slice_cstr(field[TOKEN]);
    snprintf(target, sizeof(target), "DynamoDB_20120810.%s", field[OPERATION]);
    clock_format_amz(epoch_s, date_time, date);
    const struct http_header headers[] = {
        {SLICE("X-Amz-Target"), slice_cstr(target)},
        {SLICE("Content-Type"), SLICE("application/x-amz-json-1.0")},
        {SLICE("Host"), slice_cstr(field[HOST])},
        {SLICE("X-Amz-Date"), slice_cstr(date_time)},
        {SLICE("X-Amz-Security-Token"), token},
    };
    const struct sigv4_key key = {slice_cstr(field[ACCESS_KEY]), slice_cstr(field[SECRET_KEY]),
                                  token, slice_cstr(field[REGION]), SLICE("dynamodb")};
    const struct sigv4_request r = {.method = SLICE("POST"),
                                    .path = SLICE("/"),
                                    .headers = {headers, token.len > 0 ? 5 : 4},
                                    .body = buffer_slice(&body),
                                    .normalize_path = 1};
    int e = sigv4_authorization(&key, &r, epoch_s, &out);
    printf(SLICE_FMT "\t", SLICE_ARG(buffer_slice(&out)));
    buffer_fini(&out);
    return e;
}

/* What the signer was last given: it is told only what changed, because what it keeps between
 * requests is what is tested. */
static struct {
    struct sigv4_signer *signer;
    char *place;
    char *credentials;
} kept;

static char *join(const char *a, const char *b, const char *c) {
    char *joined;
    if (asprintf(&joined, "%s\t%s\t%s", a, b, c) < 0) {
        abort();
    }
    return joined;
}

static int changed(char **before, char *now) {
    int differs = !*before || strcmp(*before, now) != 0;
    free(*before);
    *before = now;
    return differs;
}

static struct sigv4_signer *signer(void) {
    int elsewhere = changed(&kept.place, join(field[HOST], field[REGION], ""));
    int other =
        changed(&kept.credentials, join(field[ACCESS_KEY], field[SECRET_KEY], field[TOKEN]));
    if (elsewhere) {
        sigv4_signer_free(kept.signer);
        kept.signer = sigv4_signer_new(field[HOST], field[REGION], "dynamodb");
    }
    if (elsewhere || other) {
        sigv4_signer_set_credentials(kept.signer, slice_cstr(field[ACCESS_KEY]),
                                     slice_cstr(field[SECRET_KEY]), slice_cstr(field[TOKEN]));
    }
    return kept.signer;
}

static int fast(uint64_t epoch_s) {
    struct buffer out = {0};
    int e = sigv4_write_request(signer(), slice_cstr(field[OPERATION]), epoch_s,
                                field[INVOCATION], (unsigned)atoi(field[ATTEMPT]),
                                (unsigned)atoi(field[MAX_ATTEMPTS]), buffer_slice(&body), &out);
    for (size_t i = 0; i < out.len && !e; i++) {
        printf("%02x", (unsigned char)buffer_begin(&out)[i]);
    }
    printf("\n");
    buffer_fini(&out);
    return e;
}

int main(void) {
    char *line = NULL;
    size_t cap = 0;
    while (getline(&line, &cap, stdin) > 0) {
        if (!split_line(line) || read_body() != 0) {
            fprintf(stderr, "malformed line\n");
            return 1;
        }
        uint64_t epoch_s = strtoull(field[EPOCH], NULL, 10);
        if (general(epoch_s) != 0 || fast(epoch_s) != 0) {
            fprintf(stderr, "signing failed\n");
            return 1;
        }
    }
    sigv4_signer_free(kept.signer);
    free(kept.place);
    free(kept.credentials);
    free(line);
    buffer_fini(&body);
    return 0;
}
