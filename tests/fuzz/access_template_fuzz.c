/* links: gateway lambda server net http base */
/* The template before the first NUL byte, a client's values after it: what compiles renders, in
 * one line and within its bound, whatever the client sent. */
#include "gateway/access_template.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void render(const struct access_template *t, struct slice value) {
    struct http_header agent = {SLICE("user-agent"), value};
    struct server_request request = {
        .request_id = "00000000-0000-4000-8000-000000000001",
        .http = {.method_text = value, .target = value, .host = value, .headers = {&agent, 1}}};
    struct access_entry e = {.request = &request,
                             .route_key = value,
                             .trace_root = value,
                             .api_key_id = value,
                             .status = 200 + (unsigned)value.len % 400,
                             .reason = value.len % 2 ? "reason" : NULL,
                             .integrated = value.len % 3 == 0};
    struct buffer out = {0};
    ASSERT(access_template_format(t, &e, &out) == 0);
    ASSERT(out.len <= ACCESS_LINE_MAX);
    for (size_t i = 0; i < out.len; i++) {
        unsigned char c = (unsigned char)buffer_begin(&out)[i];
        ASSERT((c >= ' ' || c == '\t') && c != 0x7f);
    }
    e.request = NULL;
    ASSERT(access_template_format(t, &e, &out) == 0);
    buffer_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice value;
    struct slice text = slice_split(slice_of((const char *)data, size), '\0', &value);
    char reason[240] = "";
    struct access_template *t = access_template_new(text, reason);

    ASSERT((t != NULL) == (reason[0] == '\0'));
    if (t != NULL) {
        render(t, value);
        access_template_free(t);
    }
    return 0;
}
