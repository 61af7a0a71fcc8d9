/* What happens within one turn, against a server of plain blocking sockets, so that the order
 * of events is the test's own. */
#include "support/loopback.h"
#include "unit/client/upstream.h"

#include <sys/socket.h>

static struct world w;
static struct call a, b, c;
static int door;
static int peers[4];
static unsigned accepted;

static const char keep[] = "";
static const char last[] = "Connection: close\r\n";

/* A door of its own, beside the scripted server that world_init made. */
static int setup(void **state) {
    (void)state;
    world_init(&w);
    door = listen_on_loopback(&w.options.port);
    w.options.max_connections = 2;
    w.options.warm_connections = 2;
    accepted = 0;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    world_fini(&w);
    close(door);
    for (unsigned i = 0; i < accepted; i++) {
        close(peers[i]);
    }
    return 0;
}

static void accept_one(void) {
    for (unsigned i = 0; i < 5000; i++) {
        int fd = accept4(door, NULL, NULL, SOCK_NONBLOCK);
        if (fd >= 0) {
            peers[accepted++] = fd;
            return;
        }
        turn(&w);
        usleep(100);
    }
    fail_msg("nobody came");
}

/* The bytes that came on it, as text; "" when none. */
static const char *received(int fd) {
    static char text[4096];
    ssize_t len = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    text[len > 0 ? len : 0] = 0;
    return text;
}

static void answer(int fd, const char *field, unsigned id) {
    char text[256];
    int len = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\n%sContent-Length: 1\r\n\r\n%u",
                       field, id);
    assert_int_equal(send(fd, text, (size_t)len, 0), len);
}

static void hang_up(unsigned i, int hard) {
    struct linger reset = {1, 0};
    if (hard) {
        setsockopt(peers[i], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    close(peers[i]);
    peers[i] = -1;
}

/* Two connections open; which of the peers has this call's request. */
static unsigned open_two_and_submit(struct call *call, unsigned id) {
    world_pool(&w);
    accept_one();
    accept_one();
    RUN_UNTIL(&w, counts_of(&w).idle == 2);
    call_init(&w, call, id);
    assert_int_equal(call_submit(call), 0);
    turn(&w);
    return received(peers[0])[0] ? 0 : 1;
}

static void submit_c(struct call *call) {
    (void)call;
    assert_int_equal(call_submit(&c), 0);
}

/* One connection answers and goes; its on_done submits to the other, whose end is the next
 * event of the same turn. What was written there never left: it is written again, even though
 * it may not be repeated. */
static void unsent_when_the_end_comes_first(int hard) {
    unsigned first = open_two_and_submit(&a, 1);
    unsigned other = 1 - first;
    call_init(&w, &c, 3);
    c.x.resend = EXCHANGE_RESEND_NEVER;
    a.then = submit_c;
    answer(peers[first], last, 1);
    int copy = dup(peers[other]); /* to see that nothing came */
    assert_true(hard || shutdown(peers[other], SHUT_WR) == 0);
    if (hard) {
        close(copy);
        hang_up(other, 1);
    }
    turn(&w);
    assert_int_equal(a.done, 1);
    assert_int_equal(c.writes, 1);
    assert_int_equal(c.done, 0);
    assert_int_equal(counts_of(&w).stale_resends, 0);
    if (!hard) {
        assert_string_equal(received(copy), "");
        close(copy);
    }
    /* Two more connections: it is on one of them. */
    accept_one();
    accept_one();
    RUN_UNTIL(&w, c.writes == 2);
    turn(&w);
    unsigned where = received(peers[2])[0] ? 2 : 3;
    answer(peers[where], keep, 3);
    RUN_UNTIL(&w, c.done);
    assert_answered(&c);
}

static void unsent_when_fin_comes_first(void **state) {
    (void)state;
    unsent_when_the_end_comes_first(0);
}

static void unsent_when_reset_comes_first(void **state) {
    (void)state;
    unsent_when_the_end_comes_first(1);
}

/* Sent on a connection that proved stale, then written to another that ends before the flush,
 * then out of time: it may have happened, whatever came later. */
static void once_sent_stays_sent(void **state) {
    (void)state;
    w.options.retry_pause_ms = 1000;
    unsigned stale = open_two_and_submit(&c, 3);
    unsigned other = 1 - stale;
    c.x.deadline_ns = loop_now_ns(&w.loop) + 100 * NS_PER_MS;
    exchange_watch(w.pool, &c.x);
    usleep(2000);
    call_init(&w, &b, 2);
    assert_int_equal(call_submit(&b), 0);
    turn(&w);
    answer(peers[other], keep, 2);
    RUN_UNTIL(&w, b.done); /* the other has proved alive since */
    turn(&w);              /* so that epoll tells what comes now in its order */
    close(door);
    hang_up(stale, 0);
    hang_up(other, 0);
    turn(&w);
    assert_int_equal(c.writes, 2);
    RUN_UNTIL(&w, c.done);
    assert_failed_with(&c, ERR_TIMEOUT, EXCHANGE_SENT);
    assert_int_equal(c.writes, 2);
}

/* Where one connection was stale, others may be: the repeat waits for one that shows life. */
static void repeated_on_a_fresh_one_only(void **state) {
    (void)state;
    unsigned stale = open_two_and_submit(&c, 3);
    unsigned other = 1 - stale;
    hang_up(stale, 0);
    turn(&w);
    assert_int_equal(counts_of(&w).stale_resends, 1);
    assert_int_equal(counts_of(&w).idle, 1);
    assert_int_equal(c.writes, 1);
    accept_one();
    RUN_UNTIL(&w, c.writes == 2);
    turn(&w);
    assert_string_equal(received(peers[other]), "");
    assert_true(received(peers[2])[0] != 0);
    answer(peers[2], keep, 3);
    RUN_UNTIL(&w, c.done);
    assert_answered(&c);
}

/* A response before the request has left is nobody's. */
static void answer_before_the_question(void **state) {
    (void)state;
    unsigned first = open_two_and_submit(&a, 1);
    unsigned other = 1 - first;
    call_init(&w, &c, 3);
    c.x.resend = EXCHANGE_RESEND_NEVER;
    a.then = submit_c;
    answer(peers[first], last, 1);
    answer(peers[other], keep, 3);
    turn(&w);
    assert_int_equal(a.done, 1);
    assert_int_equal(c.writes, 1);
    assert_int_equal(c.done, 0);
    accept_one();
    accept_one();
    RUN_UNTIL(&w, c.writes == 2);
    turn(&w);
    unsigned where = received(peers[2])[0] ? 2 : 3;
    answer(peers[where], keep, 3);
    RUN_UNTIL(&w, c.done);
    assert_answered(&c);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(unsent_when_fin_comes_first), TEST(unsent_when_reset_comes_first),
        TEST(once_sent_stays_sent),        TEST(repeated_on_a_fresh_one_only),
        TEST(answer_before_the_question),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
