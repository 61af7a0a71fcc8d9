/* A server on a loop that the test turns by hand, an owner that answers at once or holds its
 * requests, and raw clients: plain non-blocking sockets of the same thread. */
#ifndef UNIT_SERVER_FRONT_H
#define UNIT_SERVER_FRONT_H

#include "server/server_impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "support/unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#define HELD_MAX 4096

struct front {
    struct loop loop;
    struct stream_hub hub;
    struct server *server;
    struct net_address address;
    int hold;             /* keep requests in held[] instead of answering */
    unsigned head_status; /* what on_head returns */
    size_t head_limit;    /* and the body limit it sets; 0 = leave it */
    struct server_request *held[HELD_MAX];
    size_t held_count;
    size_t requests;
    size_t abandoned;
    char cut_off[64]; /* why; empty: the client left */
    size_t answers;
    size_t answers_without_request;
    unsigned last_status;
    char last_reason[64];
    struct slice answer_body; /* of every answer; empty: method, target and body are echoed */
    int close_answer;
    int drained;
    int closed;
};

struct client {
    int fd;
    struct buffer in;
    int eof;
    int error;
};

static inline uint64_t front_now_ms(void) {
    return clock_monotonic_ns() / NS_PER_MS;
}

/* Turns the loop until the condition holds; fails after 20 s. */
#define turn_until(f, condition)                                                               \
    do {                                                                                       \
        uint64_t give_up_ = front_now_ms() + 20000;                                            \
        for (unsigned turns_ = 0; !(condition); turns_++) {                                    \
            if (front_now_ms() > give_up_) {                                                   \
                fail_msg("never: %s", #condition);                                             \
            }                                                                                  \
            loop_turn(&(f)->loop);                                                             \
            if (turns_ > 50) {                                                                 \
                usleep(200);                                                                   \
            }                                                                                  \
        }                                                                                      \
    } while (0)

static inline void turn(struct front *f, int times) {
    while (times-- > 0) {
        loop_turn(&f->loop);
    }
}

/* --- the owner --- */

static inline void front_answer(struct front *f, struct server_request *r) {
    char body[256];
    struct slice target = r->http.target;
    target.len = target.len < 100 ? target.len : 100;
    int len = snprintf(body, sizeof(body), SLICE_FMT " " SLICE_FMT " %zu",
                       SLICE_ARG(r->http.method_text), SLICE_ARG(target), r->http.body.len);
    struct server_answer answer = {.status = 200,
                                   .content_type = SLICE("text/plain"),
                                   .body = f->answer_body.len ? f->answer_body
                                                              : slice_of(body, (size_t)len),
                                   .close = f->close_answer};
    server_respond(r, &answer);
}

static inline unsigned front_on_head(void *owner, const struct http_request *head,
                                     struct server_head *out) {
    struct front *f = owner;
    assert_true(head->target.len > 0 && head->body.len == 0);
    if (f->head_limit) {
        out->body_limit = f->head_limit;
    }
    return f->head_status;
}

static inline void front_on_request(void *owner, struct server_request *r) {
    struct front *f = owner;
    f->requests++;
    if (!f->hold) {
        front_answer(f, r);
        return;
    }
    assert_true(f->held_count < HELD_MAX);
    f->held[f->held_count++] = r;
}

static inline void front_on_abandon(void *owner, struct server_request *r, const char *reason) {
    struct front *f = owner;
    for (size_t i = 0; i < f->held_count; i++) {
        if (f->held[i] == r) {
            f->held[i] = NULL;
            f->abandoned++;
            snprintf(f->cut_off, sizeof(f->cut_off), "%s", reason ? reason : "");
            return;
        }
    }
    fail_msg("abandoned a request that is not held");
}

static inline int front_on_answered(void *owner, const struct server_request *r,
                                    const struct server_answered *a) {
    struct front *f = owner;
    f->answers++;
    f->answers_without_request += r == NULL;
    f->last_status = a->status;
    snprintf(f->last_reason, sizeof(f->last_reason), "%s", a->reason ? a->reason : "");
    return 0;
}

static const struct server_events front_events = {
    .on_head = front_on_head,
    .on_request = front_on_request,
    .on_abandon = front_on_abandon,
    .on_answered = front_on_answered,
};

static inline void front_on_drained(void *arg) {
    ((struct front *)arg)->drained++;
}

static inline void front_on_closed(void *arg) {
    ((struct front *)arg)->closed++;
}

/* --- the fixture --- */

static inline struct front *front_start(const struct server_options *options,
                                        const char *address) {
    struct front *f = calloc(1, sizeof(*f));
    char reason[128];
    int fd;
    assert_non_null(f);
    log_threshold = LOG_OFF;
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(loop_init(&f->loop), 0);
    stream_hub_init(&f->hub, &f->loop);
    assert_int_equal(net_address_parse(slice_cstr(address), &f->address), 0);
    assert_int_equal(listener_open_fd(&f->address, 1024, 0, &fd, reason), 0);
    if (!net_address_is_unix(&f->address)) {
        f->address.len = sizeof(f->address.sa);
        getsockname(fd, (struct sockaddr *)&f->address.sa, &f->address.len);
    }
    f->server = server_new(&f->loop, &f->hub, options, &front_events, f);
    assert_non_null(f->server);
    assert_int_equal(server_listen(f->server, fd, NULL), 0);
    return f;
}

/* Everything must be gone: slabs, handles (loop_fini asserts uv_loop_close() == 0). */
static inline void front_stop(struct front *f) {
    server_close(f->server, front_on_closed, f);
    assert_int_equal(f->closed, 0);
    turn_until(f, f->closed);
    assert_int_equal(f->closed, 1);
    struct server_counts counts;
    server_count(f->server, &counts);
    assert_int_equal(counts.connections, 0);
    assert_int_equal(counts.requests_in_flight, 0);
    server_free(f->server);
    stream_hub_fini(&f->hub);
    loop_fini(&f->loop);
    free(f);
}

static inline void wait_ms(struct front *f, uint64_t ms) {
    uint64_t end = front_now_ms() + ms;
    while (front_now_ms() < end) {
        loop_turn(&f->loop);
        usleep(500);
    }
}

static inline uint64_t front_reason(const struct front *f, const char *name) {
    size_t count;
    const struct server_reason *reasons = server_reasons(f->server, &count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(reasons[i].name, name) == 0) {
            return reasons[i].count;
        }
    }
    return 0;
}

static inline size_t front_in_state(const struct front *f, enum conn_state state) {
    return f->server->by_state[state].count;
}

static inline size_t front_connections(const struct front *f) {
    struct server_counts counts;
    server_count(f->server, &counts);
    return counts.connections;
}

/* --- clients --- */

static inline struct client *client_connect(struct front *f) {
    struct client *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    c->fd = socket(f->address.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(c->fd >= 0);
    assert_int_equal(connect(c->fd, (struct sockaddr *)&f->address.sa, f->address.len), 0);
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return c;
}

static inline void client_close(struct client *c) {
    close(c->fd);
    buffer_fini(&c->in);
    free(c);
}

/* A reset instead of a FIN. */
static inline void client_reset(struct client *c) {
    struct linger hard = {1, 0};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    client_close(c);
}

/* Takes what has come. */
static inline void client_read(struct client *c) {
    while (!c->eof && !c->error) {
        assert_int_equal(buffer_reserve(&c->in, 65536), 0);
        ssize_t n = recv(c->fd, buffer_tail(&c->in), 65536, MSG_DONTWAIT);
        if (n > 0) {
            buffer_grow(&c->in, (size_t)n);
        } else if (n == 0) {
            c->eof = 1;
        } else if (errno == EAGAIN) {
            return;
        } else {
            c->error = errno;
        }
    }
}

/* Sends it all, turning the loop; gives up when the server has closed. */
static inline void client_send_slice(struct front *f, struct client *c, struct slice s) {
    while (s.len > 0) {
        ssize_t n = send(c->fd, s.ptr, s.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) {
            return;
        }
        s = slice_from(s, n > 0 ? (size_t)n : 0);
        loop_turn(&f->loop);
        client_read(c);
        if (c->eof || c->error) {
            return;
        }
    }
}

static inline void client_send(struct front *f, struct client *c, const char *text) {
    client_send_slice(f, c, slice_cstr(text));
}

/* How often the text occurs in what has come. */
static inline size_t client_count(struct client *c, const char *text) {
    client_read(c);
    size_t count = 0;
    struct slice in = buffer_slice(&c->in);
    const char *at;
    while (in.len > 0 && (at = memmem(in.ptr, in.len, text, strlen(text))) != NULL) {
        count++;
        in = slice_from(in, (size_t)(at - in.ptr) + strlen(text));
    }
    return count;
}

static inline int client_ended(struct client *c) {
    client_read(c);
    return c->eof || c->error;
}

static inline void client_clear(struct client *c) {
    buffer_reset(&c->in, 65536);
}

#endif
