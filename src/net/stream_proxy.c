/* Happy path: stream_expect_proxy -> STREAM_PROXY -> bytes -> the header is complete ->
 * on_proxied -> the handshake or on_open; what follows the header goes on to stream_read.c.
 *
 * Failure modes: a header that is none -> on_open(ERR_PROTOCOL) with stream_proxy_reason; the
 * peer leaves first -> on_open(ERR_CLOSED). A late header is the owner's business: it closes.
 */
#include "net/stream_proxy.h"

#include "base/error.h"
#include "net/stream_impl.h"

#include <stdlib.h>

struct stream_proxy {
    void (*on_proxied)(struct stream *s, const struct proxy_header *header);
    const char *reason;
    size_t len;
    char bytes[PROXY_HEADER_MAX]; /* what has come of a header that is not complete */
};

int stream_expect_proxy(struct stream *s,
                        void (*on_proxied)(struct stream *s,
                                           const struct proxy_header *header)) {
    ASSERT(s->state == STREAM_NEW && s->proxy == NULL);
    s->proxy = malloc(sizeof(*s->proxy));
    if (s->proxy == NULL) {
        return ERR_NOMEM;
    }
    s->proxy->on_proxied = on_proxied;
    s->proxy->reason = NULL;
    s->proxy->len = 0;
    return 0;
}

void stream_drop_proxy(struct stream *s) {
    free(s->proxy);
    s->proxy = NULL;
}

const char *stream_proxy_reason(const struct stream *s) {
    if (s->proxy == NULL) {
        return NULL;
    }
    return s->proxy->len > 0 && s->proxy->reason == NULL ? "proxy_incomplete"
                                                         : s->proxy->reason;
}

int stream_take_proxy(struct stream *s, const char *bytes, size_t len, size_t *used) {
    struct stream_proxy *p = s->proxy;
    struct proxy_header header;
    size_t before = p->len;
    size_t room = PROXY_HEADER_MAX - before;
    size_t kept = len < room ? len : room;
    memcpy(p->bytes + before, bytes, kept);
    p->len += kept;
    switch (proxy_header_parse(slice_of(p->bytes, p->len), &header, &p->reason)) {
    case PROXY_HEADER_MORE:
        return 0;
    case PROXY_HEADER_ERROR:
        stream_fail_now(s, ERR_PROTOCOL);
        return 0;
    case PROXY_HEADER_DONE:
        break;
    }
    *used = header.len - before;
    p->on_proxied(s, &header);
    if (s->state != STREAM_PROXY) {
        return 0;
    }
    stream_drop_proxy(s);
    stream_transport_ready(s);
    return 1;
}
