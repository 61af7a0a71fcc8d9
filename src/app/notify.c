/* Happy path: a tick every TICK_STARTING_MS until the service is ready -> READY=1 -> a tick
 * every second, or as often as the watchdog needs -> notify_stopping -> notify_close.
 *
 * Failure modes: the manager's socket is full or gone: the message is lost, the service goes on
 * (a lost WATCHDOG=1 is repeated three times before the manager's patience ends). A loop that
 * is stuck: no WATCHDOG=1 until it turns again, so the manager restarts the unit. The main loop
 * itself being stuck comes to the same, since it sends. */
#include "app/notify.h"

#include "base/clock.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TICK_STARTING_MS 25
#define TICK_MS          1000
/* WATCHDOG=1 goes out this often per allowed span. sd_watchdog_enabled(3) asks for two; four
 * keep one long turn at the wrong moment from costing a restart. */
#define PINGS_PER_SPAN 4
#define STATUS_MAX     380

static void send_text(const struct notify *n, struct slice text) {
    if (n->fd >= 0) {
        (void)sendto(n->fd, text.ptr, text.len, MSG_DONTWAIT | MSG_NOSIGNAL,
                     (const struct sockaddr *)&n->to, n->to_len);
    }
}

/* sd_notify(3): a path, or with a leading @ a name of the abstract namespace. */
static int open_socket(struct notify *n) {
    const char *path = getenv("NOTIFY_SOCKET");
    size_t len = path ? strlen(path) : 0;
    if (len < 2 || len >= sizeof n->to.sun_path || (path[0] != '/' && path[0] != '@')) {
        return -1;
    }
    n->to.sun_family = AF_UNIX;
    memcpy(n->to.sun_path, path, len);
    if (path[0] == '@') {
        n->to.sun_path[0] = '\0';
    }
    n->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

/* sd_watchdog_enabled(3): meant for us only when WATCHDOG_PID is absent or ours. */
static uint64_t watchdog_span_ns(void) {
    const char *pid = getenv("WATCHDOG_PID");
    const char *usec = getenv("WATCHDOG_USEC");
    uint64_t number;
    if (pid && (slice_to_u64(slice_cstr(pid), &number) != 0 || number != (uint64_t)getpid())) {
        return 0;
    }
    if (!usec || slice_to_u64(slice_cstr(usec), &number) != 0 ||
        number > UINT32_MAX * 1000ull) {
        return 0;
    }
    return number * NS_PER_US;
}

static void append(struct buffer *b, struct slice text) {
    NEED_MEMORY(buffer_append_slice(b, text) == 0);
}

static void compose(struct notify *n, int ready, struct slice reasons) {
    buffer_reset(&n->next, 4096);
    if (ready && !n->ready) {
        append(&n->next, SLICE("READY=1\n"));
    }
    append(&n->next, ready ? SLICE("STATUS=ready") : SLICE("STATUS=not ready: "));
    append(&n->next, reasons);
}

static void tell_status(struct notify *n) {
    struct buffer reasons = {0};
    int ready = !n->options.not_ready(n->options.arg, &reasons);
    compose(n, ready, buffer_slice(&reasons));
    buffer_fini(&reasons);
    if (slice_eq(buffer_slice(&n->next), buffer_slice(&n->status))) {
        return;
    }
    send_text(n, buffer_slice(&n->next));
    n->ready |= ready;
    struct buffer old = n->status;
    n->status = n->next;
    n->next = old;
}

static void maybe_ping(struct notify *n) {
    uint64_t now = loop_now_ns(n->loop);
    if (n->watchdog_ns == 0 || now - n->pinged_ns < n->watchdog_ns) {
        return;
    }
    if (n->options.all_moved(n->options.arg)) {
        n->pinged_ns = now;
        send_text(n, SLICE("WATCHDOG=1"));
    }
}

static uint64_t tick_ms(const struct notify *n) {
    uint64_t tick = n->ready ? TICK_MS : TICK_STARTING_MS;
    uint64_t ping = n->watchdog_ns / NS_PER_MS;
    return ping > 0 && ping < tick ? ping : tick;
}

static void on_tick(struct timer *t) {
    struct notify *n = container_of(t, struct notify, tick);
    tell_status(n);
    maybe_ping(n);
    timer_start(t, tick_ms(n));
}

void notify_init(struct notify *n, struct loop *l, const struct notify_options *options) {
    memset(n, 0, sizeof *n);
    n->options = *options;
    n->loop = l;
    timer_init(&n->tick, l, on_tick);
    n->fd = open_socket(n);
    if (n->fd >= 0) {
        n->watchdog_ns = watchdog_span_ns() / PINGS_PER_SPAN;
        timer_start(&n->tick, TICK_STARTING_MS);
    }
}

void notify_reloading(struct notify *n) {
    char text[80];
    if (!n->ready) {
        return;
    }
    int len = snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%llu",
                       (unsigned long long)(clock_monotonic_ns() / NS_PER_US));
    send_text(n, slice_of(text, (size_t)len));
}

void notify_reloaded(struct notify *n, const char *status) {
    char text[400];
    size_t whole = strnlen(status, STATUS_MAX);
    while (whole > 0 && ((unsigned char)status[whole] & 0xc0) == 0x80) {
        whole--; /* half a character: systemd would take none of it */
    }
    int len = snprintf(text, sizeof text, "%sSTATUS=%.*s", n->ready ? "READY=1\n" : "",
                       (int)whole, status);
    send_text(n, slice_of(text, (size_t)len));
}

void notify_stopping(struct notify *n) {
    if (!n->stopping) {
        n->stopping = 1;
        send_text(n, SLICE("STOPPING=1\nSTATUS=draining"));
    }
}

void notify_close(struct notify *n, void (*on_close)(struct timer *tick)) {
    timer_close(&n->tick, on_close);
}

void notify_fini(struct notify *n) {
    if (n->fd >= 0) {
        (void)close(n->fd);
    }
    buffer_fini(&n->status);
    buffer_fini(&n->next);
}
