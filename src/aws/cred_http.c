/* Happy path: pool_new -> pool_submit -> on_answer copies the answer -> the pool is closed from
 * a duty, outside its own calls -> on_pool_closed -> on_done.
 * Failure modes: the exchange ends with an error (no connection in time, no answer in time):
 * the same way; canceled: the pool is closed first, and fails the exchange. */
#include "aws/cred_http.h"

#include "aws/environment.h"
#include "base/clock.h"
#include "base/error.h"

#include <stdio.h>

#define BODY_MAX 65536

void cred_http_init(struct cred_http *h, struct loop *l, struct stream_hub *hub) {
    *h = (struct cred_http){.loop = l, .hub = hub};
}

void cred_http_reset(struct cred_http *h) {
    aws_wipe_buffer(&h->request);
    aws_wipe_buffer(&h->body);
    h->status = 0;
    h->error = 0;
    h->reason[0] = '\0';
}

void cred_http_fini(struct cred_http *h) {
    ASSERT(h->pool == NULL);
    cred_http_reset(h);
}

static void on_pool_closed(void *arg) {
    struct cred_http *h = arg;
    pool_free(h->pool);
    h->pool = NULL;
    h->on_done(h);
}

static void close_pool(struct cred_http *h) {
    if (!h->closing) {
        h->closing = 1;
        pool_close(h->pool, on_pool_closed, h);
    }
}

static void on_closer(struct loop_duty *duty) {
    struct cred_http *h = container_of(duty, struct cred_http, closer);
    loop_remove_duty(duty);
    close_pool(h);
}

static int on_write(struct exchange *x, struct buffer *out) {
    struct cred_http *h = container_of(x, struct cred_http, exchange);
    return buffer_append_slice(out, buffer_slice(&h->request));
}

static void on_answer(struct exchange *x, int error, const struct http_response *response) {
    struct cred_http *h = container_of(x, struct cred_http, exchange);
    h->error = error;
    if (!error) {
        h->status = response->status;
        h->error = buffer_append_slice(&h->body, response->body);
    }
    if (h->error) {
        const char *why = x->reason && x->reason[0] ? x->reason : error_text(h->error);
        snprintf(h->reason, sizeof(h->reason), "%s", why);
    }
    if (!h->closing) {
        loop_add_duty(h->loop, &h->closer, LOOP_RANK_REAP);
    }
}

void cred_http_send(struct cred_http *h, const struct url_endpoint *to, struct tls_context *tls,
                    enum http_method method, uint64_t timeout_ms,
                    void (*on_done)(struct cred_http *h)) {
    static const struct exchange_events events = {on_write, on_answer};
    struct pool_options options = pool_options_default;
    ASSERT(h->pool == NULL);
    snprintf(options.host, sizeof(options.host), "%s", to->host);
    options.port = to->port;
    options.tls = tls;
    options.max_connections = 1;
    options.warm_connections = 0;
    options.connecting_max = 1;
    options.connect_timeout_ms = timeout_ms;
    options.response_timeout_ms = timeout_ms;
    options.response_body_max = BODY_MAX;
    h->on_done = on_done;
    h->closing = 0;
    h->closer = (struct loop_duty){.run = on_closer};
    h->exchange = (struct exchange){
        .events = &events,
        .method = method,
        .resend = EXCHANGE_RESEND_NEVER,
        .deadline_ns = loop_now_ns(h->loop) + timeout_ms * NS_PER_MS,
    };
    h->pool = pool_new(h->loop, h->hub, &options);
    int e = pool_submit(h->pool, &h->exchange);
    ASSERT(e == 0); /* a new pool's queue is empty */
    if (h->canceled) {
        close_pool(h);
    }
}

void cred_http_cancel(struct cred_http *h) {
    h->canceled = 1;
    if (h->pool && !h->closing && h->closer.node.list == NULL) {
        close_pool(h);
    }
}
