/* A fixture for stream tests: one loop and hub, a listener, and pairs of streams that record
 * what they are told. */
#ifndef TEST_NET_PEERS_H
#define TEST_NET_PEERS_H

#include "base/error.h"
#include "net/listener.h"
#include "net/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
/* cmocka wants <setjmp.h> and its kind first */
#include <cmocka.h>

enum { PEERS_MAX = 64, NOT_YET = 1 };

struct peer {
    struct stream s;
    struct buffer got;
    struct fixture *f;
    int opened; /* NOT_YET, or the error of on_open */
    int end;    /* NOT_YET, or the error of the first on_end */
    int ends;   /* how many on_end */
    int drains;
    int closed;
    int echo; /* writes back what it gets, and ends when the other side does */
    int keep_open;
    size_t got_bytes;
    int discard; /* counts what it gets, keeps nothing */
    void (*on_data)(struct peer *p);
    void (*on_open)(struct peer *p);
    void (*on_drain)(struct peer *p);
    char reason[256];
};

struct fixture {
    struct loop loop;
    struct stream_hub hub;
    struct listener listener;
    struct net_address address;
    struct stream_tls server_tls;
    struct peer *accepted[PEERS_MAX];
    int accepted_count;
    int listening;
    int listener_closed;
    int echo;
    int in_call; /* set around stream_* calls: no event may come */
};

static void peer_on_open(struct stream *s, int error) {
    struct peer *p = container_of(s, struct peer, s);
    assert_int_equal(p->f->in_call, 0);
    assert_int_equal(p->opened, NOT_YET);
    p->opened = error;
    if (error && stream_tls_reason(s)) {
        snprintf(p->reason, sizeof(p->reason), "%s", stream_tls_reason(s));
    }
    if (p->on_open) {
        p->on_open(p);
    }
}

static void peer_on_data(struct stream *s, char *data, size_t len) {
    struct peer *p = container_of(s, struct peer, s);
    assert_int_equal(p->f->in_call, 0);
    assert_int_equal(p->opened, 0);
    assert_int_equal(p->end, NOT_YET);
    assert_false(stream_closing(s));
    p->got_bytes += len;
    if (!p->discard) {
        assert_int_equal(buffer_append(&p->got, data, len), 0);
    }
    if (p->echo) {
        assert_int_equal(stream_write(s, slice_of(data, len)), 0);
    }
    memset(data, 'x', len); /* it is the owner's during the call */
    if (p->on_data) {
        p->on_data(p);
    }
}

static void peer_on_end(struct stream *s, int error) {
    struct peer *p = container_of(s, struct peer, s);
    assert_int_equal(p->f->in_call, 0);
    assert_int_equal(p->opened, 0);
    if (p->ends > 0) {
        assert_int_equal(p->end, 0); /* a second one only after a clean end */
        assert_int_not_equal(error, 0);
    } else {
        p->end = error;
    }
    p->ends++;
    if (error && stream_tls_reason(s)) {
        snprintf(p->reason, sizeof(p->reason), "%s", stream_tls_reason(s));
    }
    if (p->echo) {
        stream_shutdown(s);
        if (!p->keep_open && stream_queued(s) == 0) {
            /* closes from on_drain otherwise */
        }
    }
}

static void peer_on_drain(struct stream *s) {
    struct peer *p = container_of(s, struct peer, s);
    assert_int_equal(p->f->in_call, 0);
    assert_int_equal(stream_queued(s), 0);
    p->drains++;
    if (p->on_drain) {
        p->on_drain(p);
    }
}

static void peer_on_close(struct stream *s) {
    struct peer *p = container_of(s, struct peer, s);
    assert_int_equal(p->f->in_call, 0);
    assert_int_equal(p->closed, 0);
    p->closed = 1;
}

static const struct stream_events peer_events = {peer_on_open, peer_on_data, peer_on_end,
                                                 peer_on_drain, peer_on_close};

static inline struct peer *peer_new(struct fixture *f) {
    struct peer *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    p->f = f;
    p->opened = p->end = NOT_YET;
    stream_init(&p->s, &f->hub, &peer_events);
    return p;
}

static inline void peer_close(struct peer *p) {
    p->f->in_call++;
    stream_close(&p->s);
    stream_close(&p->s); /* idempotent */
    p->f->in_call--;
    assert_true(stream_closing(&p->s));
}

/* Closed already, or closes now; then frees. */
static inline void peer_free(struct peer *p) {
    if (!p->closed) {
        peer_close(p);
        for (int i = 0; i < 10 && !p->closed; i++) {
            loop_turn(&p->f->loop);
        }
    }
    assert_true(p->closed);
    buffer_fini(&p->got);
    memset(p, 0x5a, sizeof(*p)); /* a late use shows */
    free(p);
}

static inline int peer_connect(struct peer *p, const struct stream_tls *tls) {
    p->f->in_call++;
    int error = stream_connect(&p->s, &p->f->address, tls);
    p->f->in_call--;
    return error;
}

static inline void peer_send(struct peer *p, const char *text, size_t len) {
    p->f->in_call++;
    assert_int_equal(stream_write(&p->s, slice_of(text, len)), 0);
    p->f->in_call--;
}

static inline void fixture_on_accept(struct listener *l, int fd) {
    struct fixture *f = l->owner;
    assert_true(f->accepted_count < PEERS_MAX);
    struct peer *p = peer_new(f);
    p->echo = f->echo;
    f->accepted[f->accepted_count++] = p;
    f->in_call++;
    assert_int_equal(stream_accept(&p->s, fd, &f->server_tls), 0);
    f->in_call--;
}

static inline void fixture_init(struct fixture *f) {
    memset(f, 0, sizeof(*f));
    assert_int_equal(loop_init(&f->loop), 0);
    stream_hub_init(&f->hub, &f->loop);
}

static inline void fixture_listen(struct fixture *f, const char *address) {
    int fd;
    char reason[128];
    assert_int_equal(net_address_parse(slice_cstr(address), &f->address), 0);
    int error = listener_open_fd(&f->address, 128, 1, &fd, reason);
    if (error) {
        fail_msg("%s: %s", address, reason);
    }
    if (!net_address_is_unix(&f->address)) {
        f->address.len = sizeof(f->address.sa);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&f->address.sa, &f->address.len),
                         0);
    }
    assert_int_equal(listener_start(&f->listener, &f->loop, fd, fixture_on_accept, f), 0);
    f->listening = 1;
}

static inline void fixture_on_listener_close(struct listener *l) {
    struct fixture *f = l->owner;
    f->listener_closed = 1;
}

static inline void fixture_fini(struct fixture *f) {
    if (f->listening) {
        listener_close(&f->listener, fixture_on_listener_close);
    }
    for (int i = 0; i < f->accepted_count; i++) {
        if (f->accepted[i]) {
            peer_free(f->accepted[i]);
        }
    }
    for (int i = 0; i < 3; i++) {
        loop_turn(&f->loop);
    }
    assert_int_equal(f->listener_closed, f->listening);
    assert_int_equal(f->hub.open.count, 0);
    stream_hub_fini(&f->hub);
    loop_fini(&f->loop);
}

static inline uint64_t test_now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

/* Turns the loop until the condition holds; fails after 20 s. */
#define turn_until(f, condition)                                                               \
    do {                                                                                       \
        uint64_t give_up_ = test_now_ms() + 20000;                                             \
        while (!(condition)) {                                                                 \
            if (test_now_ms() > give_up_) {                                                    \
                fail_msg("never: %s", #condition);                                             \
            }                                                                                  \
            loop_turn(&(f)->loop);                                                             \
        }                                                                                      \
    } while (0)

#endif
