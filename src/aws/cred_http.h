/* One request to a credentials endpoint, on a connection of its own that is closed after it:
 * these happen a few times a day. */
#ifndef AWS_CRED_HTTP_H
#define AWS_CRED_HTTP_H

#include "client/pool.h"
#include "http/url.h"

struct cred_http {
    struct loop *loop;
    struct stream_hub *hub;
    struct buffer request; /* the caller fills it before cred_http_send */
    int error;             /* read in on_done; 0: status and body are set */
    unsigned status;
    struct buffer body;
    char reason[128];
    void (*on_done)(struct cred_http *h);
    /* its own */
    struct pool *pool;
    struct exchange exchange;
    struct loop_duty closer;
    int closing;
    int canceled;
};

void cred_http_init(struct cred_http *h, struct loop *l, struct stream_hub *hub);
/* Wipes the buffers; nothing may be under way. */
void cred_http_fini(struct cred_http *h);
/* Forgets the last request and its answer. */
void cred_http_reset(struct cred_http *h);
/* Sends h->request. `tls` NULL = plain. on_done follows exactly once, in a later turn, when
 * the connection is closed; the timeout is for all of it. */
void cred_http_send(struct cred_http *h, const struct url_endpoint *to, struct tls_context *tls,
                    enum http_method method, uint64_t timeout_ms,
                    void (*on_done)(struct cred_http *h));
/* For good: what is under way, and whatever is sent later, ends soon with ERR_CANCELED. */
void cred_http_cancel(struct cred_http *h);

#endif
