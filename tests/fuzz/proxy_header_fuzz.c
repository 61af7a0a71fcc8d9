/* links: net loop tls base */
/* A PROXY header: whatever prefix is shown first, the verdict is that of the whole; what is
 * accepted has its addresses in order, and its length within bounds. */
#include "net/proxy_header.h"

#include <stdlib.h>

static void check(const struct proxy_header *h, size_t len) {
    char text[NET_ADDRESS_TEXT_MAX];
    ASSERT(h->len > 0 && h->len <= len && h->len <= PROXY_HEADER_MAX);
    ASSERT(h->has_addresses == (h->source.sa.ss_family != AF_UNSPEC));
    ASSERT(h->source.sa.ss_family == h->destination.sa.ss_family);
    net_address_format(&h->source, text);
    net_address_format(&h->destination, text);
}

/* What a reader says that gets `step` bytes at a time. */
static enum proxy_header_result read_in_steps(const char *bytes, size_t len, size_t step,
                                              struct proxy_header *h, const char **reason) {
    enum proxy_header_result result = PROXY_HEADER_MORE;
    for (size_t at = 0; at < len && result == PROXY_HEADER_MORE;) {
        at += step < len - at ? step : len - at;
        result = proxy_header_parse(slice_of(bytes, at), h, reason);
        ASSERT(result != PROXY_HEADER_MORE || at < PROXY_HEADER_MAX);
        ASSERT((result == PROXY_HEADER_ERROR) == (*reason != NULL));
    }
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct proxy_header whole = {0};
    struct proxy_header cut = {0};
    const char *reason = NULL;
    const char *cut_reason = NULL;
    if (size < 2) {
        return 0;
    }
    char *bytes = malloc(size - 1);
    ASSERT(bytes != NULL);
    memcpy(bytes, data + 1, size - 1);
    enum proxy_header_result a = read_in_steps(bytes, size - 1, size, &whole, &reason);
    enum proxy_header_result b =
        read_in_steps(bytes, size - 1, 1 + data[0] % 32, &cut, &cut_reason);
    ASSERT(a == b);
    if (a == PROXY_HEADER_DONE) {
        check(&whole, size - 1);
        ASSERT(whole.len == cut.len && whole.has_addresses == cut.has_addresses);
    } else if (a == PROXY_HEADER_ERROR) {
        ASSERT(reason == cut_reason || strcmp(reason, cut_reason) == 0);
    }
    free(bytes);
    return 0;
}
