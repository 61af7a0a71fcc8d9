/* The chain: when credentials are fetched, and who hears of it.
 *
 *   new -> FETCHING -> (got)    on_change -> waits until 15 minutes before they expire ->
 * FETCHING
 *                   -> (failed) on_failure, the last good ones stay -> waits 1 s .. 60 s -> ...
 *   refresh (the service refused them): FETCHING at once, but not within a second of the last
 *   start. */
#include "aws/credentials.h"

#include "aws/cred_fetch.h"
#include "aws/environment.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/rng.h"
#include "http/writer.h"

#include <stdio.h>
#include <stdlib.h>

#define BACKOFF_MIN_MS 1000u
#define BACKOFF_MAX_MS 60000u
#define REFRESH_MIN_MS 1000u

/* --- snapshots --- */

struct credentials *credentials_new(struct slice access_key_id, struct slice secret_access_key,
                                    struct slice session_token, const char *source,
                                    uint64_t expires_s, char why[CRED_REASON_MAX]) {
    if (access_key_id.len == 0 || secret_access_key.len == 0) {
        snprintf(why, CRED_REASON_MAX, "%s: an empty key", source);
        return NULL;
    }
    if (!http_field_value_valid(access_key_id) || !http_field_value_valid(session_token)) {
        snprintf(why, CRED_REASON_MAX, "%s: a key with a character that no header may have",
                 source);
        return NULL;
    }
    struct credentials *c;
    NEED_MEMORY((c = malloc(sizeof(*c))) != NULL);
    atomic_init(&c->refs, 1);
    c->access_key_id = slice_dup(access_key_id);
    c->secret_access_key = slice_dup(secret_access_key);
    c->session_token = slice_dup(session_token);
    c->source = slice_dup(slice_cstr(source));
    c->expires_s = expires_s;
    return c;
}

struct credentials *credentials_ref(struct credentials *c) {
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void credentials_unref(struct credentials *c) {
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    aws_wipe_string(c->access_key_id);
    aws_wipe_string(c->secret_access_key);
    aws_wipe_string(c->session_token);
    free(c->source);
    free(c);
}

static int same(const struct credentials *a, const struct credentials *b) {
    return a && strcmp(a->access_key_id, b->access_key_id) == 0 &&
           strcmp(a->secret_access_key, b->secret_access_key) == 0 &&
           strcmp(a->session_token, b->session_token) == 0 && a->expires_s == b->expires_s;
}

/* --- the chain --- */

struct credentials_chain {
    struct loop *loop;
    struct credentials_options options;
    char *region;
    struct mailbox box; /* from the helper thread */
    struct timer next;  /* the next fetch */
    struct cred_fetch fetch;
    struct credentials *current;
    struct rng rng;
    uint64_t started_ns; /* the last fetch */
    unsigned failures;   /* in a row */
    int fetching;
    int closing;
    int open_handles;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

static void on_fetched(struct cred_fetch *f, struct credentials *c);

static void start(struct credentials_chain *c, int here) {
    c->fetching = 1;
    c->started_ns = loop_now_ns(c->loop);
    cred_fetch_start(&c->fetch, here, on_fetched);
}

static void on_next(struct timer *t) {
    struct credentials_chain *c = container_of(t, struct credentials_chain, next);
    if (!c->fetching && !c->closing) {
        start(c, 0);
    }
}

/* From 15 minutes before the end; of a short life, at its half. */
static void plan_refresh(struct credentials_chain *c) {
    uint64_t now_s = loop_wall_ms(c->loop) / 1000;
    uint64_t expires_s = c->current->expires_s;
    if (expires_s == 0) {
        return;
    }
    uint64_t left_s = expires_s > now_s ? expires_s - now_s : 0;
    uint64_t wait_s =
        left_s > 2 * CRED_REFRESH_BEFORE_S ? left_s - CRED_REFRESH_BEFORE_S : left_s / 2;
    timer_start(&c->next, wait_s > 0 ? wait_s * 1000 : REFRESH_MIN_MS);
}

/* 1 s, 2 s ... 60 s, each down by up to a half. */
static uint64_t backoff_ms(struct credentials_chain *c) {
    uint64_t wait_ms = BACKOFF_MAX_MS;
    if (c->failures < 6) {
        wait_ms = BACKOFF_MIN_MS << c->failures;
    }
    c->failures++;
    return c->failures == 1 ? wait_ms : wait_ms / 2 + rng_below(&c->rng, wait_ms / 2 + 1);
}

static void got(struct credentials_chain *c, struct credentials *fresh) {
    int changed = !same(c->current, fresh);
    credentials_unref(c->current);
    c->current = fresh;
    c->failures = 0;
    plan_refresh(c);
    if (changed) {
        log_event(LOG_INFO, "credentials", log_str("source", fresh->source),
                  log_u64("expires", fresh->expires_s));
        c->options.on_change(c->options.arg, fresh);
    }
}

static void failed(struct credentials_chain *c, const char *why) {
    uint64_t wait_ms = backoff_ms(c);
    log_event(LOG_WARN, "credentials_failed", log_str("reason", why),
              log_u64("retry_ms", wait_ms), log_u64("kept", c->current != NULL));
    timer_start(&c->next, wait_ms);
    if (c->options.on_failure) {
        c->options.on_failure(c->options.arg, why);
    }
}

static void maybe_close(struct credentials_chain *c);

static void on_fetched(struct cred_fetch *f, struct credentials *fresh) {
    struct credentials_chain *c = container_of(f, struct credentials_chain, fetch);
    c->fetching = 0;
    if (c->closing) {
        credentials_unref(fresh);
        maybe_close(c);
    } else if (fresh) {
        got(c, fresh);
    } else {
        failed(c, f->why);
    }
}

struct credentials_chain *credentials_chain_new(struct loop *l, struct stream_hub *hub,
                                                const struct credentials_options *options) {
    struct credentials_chain *c;
    NEED_MEMORY((c = calloc(1, sizeof(*c))) != NULL);
    c->loop = l;
    c->options = *options;
    c->region = slice_dup(slice_cstr(options->region));
    c->options.region = c->region;
    rng_seed_random(&c->rng);
    int e = mailbox_init(&c->box, l, helper_on_mail);
    ASSERT(e == 0);
    timer_init(&c->next, l, on_next);
    cred_fetch_init(&c->fetch, l, hub, &c->box, &c->options);
    c->open_handles = 3;
    start(c, 1);
    return c;
}

void credentials_chain_refresh(struct credentials_chain *c) {
    uint64_t since_ms = (loop_now_ns(c->loop) - c->started_ns) / NS_PER_MS;
    if (c->closing || c->fetching) {
        return;
    }
    timer_start(&c->next, since_ms >= REFRESH_MIN_MS ? 0 : REFRESH_MIN_MS - since_ms);
}

/* --- the end --- */

static void handle_closed(struct credentials_chain *c) {
    if (--c->open_handles == 0) {
        c->on_closed(c->on_closed_arg);
    }
}

static void on_next_closed(struct timer *t) {
    handle_closed(container_of(t, struct credentials_chain, next));
}

static void on_pause_closed(struct timer *t) {
    handle_closed(container_of(t, struct credentials_chain, fetch.pause));
}

static void on_box_closed(struct mailbox *box) {
    handle_closed(container_of(box, struct credentials_chain, box));
}

/* The close gate: a fetch under way ends first. */
static void maybe_close(struct credentials_chain *c) {
    if (!c->closing || c->fetching) {
        return;
    }
    timer_close(&c->next, on_next_closed);
    cred_fetch_close(&c->fetch, on_pause_closed);
    mailbox_close(&c->box, on_box_closed);
}

void credentials_chain_close(struct credentials_chain *c, void (*on_closed)(void *arg),
                             void *arg) {
    ASSERT(!c->closing);
    c->closing = 1;
    c->on_closed = on_closed;
    c->on_closed_arg = arg;
    if (c->fetching) {
        cred_fetch_cancel(&c->fetch);
    }
    maybe_close(c);
}

void credentials_chain_free(struct credentials_chain *c) {
    ASSERT(c->closing && c->open_handles == 0);
    credentials_unref(c->current);
    free(c->region);
    free(c);
}
