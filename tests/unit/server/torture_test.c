/* A scenario is run again and again with the 1st, 2nd, 3rd ... growing of a buffer, arena or
 * slab failing, once or from then on: every request is answered or its connection closed, and
 * nothing is left behind. This file brings its own of all three, which the linker then prefers.
 */
#include <stddef.h>

static void *failing_malloc(size_t len);
static void *failing_realloc(void *old, size_t len);

#include <stdlib.h>
#define malloc  failing_malloc
#define realloc failing_realloc
#include "base/arena.c"
#include "base/buffer.c"
#include "base/slab.c"
#undef malloc
#undef realloc

#include "front.h"

static size_t calls;
static size_t fail_at; /* 0 = never */
static int fail_on;    /* and every later one */

static int must_fail(void) {
    calls++;
    return fail_at > 0 && (calls == fail_at || (fail_on && calls > fail_at));
}

static void *failing_malloc(size_t len) {
    return must_fail() ? NULL : malloc(len);
}

static void *failing_realloc(void *old, size_t len) {
    return must_fail() ? NULL : realloc(old, len);
}

#define POST "POST /p HTTP/1.1\r\nHost: a\r\n"

static char big[40000];

/* The client's own buffer is not under torture. */
static void put(struct front *f, int fd, const char *bytes, size_t len) {
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) {
            return;
        }
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
        turn(f, 2);
    }
}

static void put_text(struct front *f, int fd, const char *text) {
    put(f, fd, text, strlen(text));
}

static size_t count_answers(int fd, int *ended) {
    static char bytes[1 << 20];
    static size_t len;
    static int last_fd = -1;
    if (fd != last_fd) {
        last_fd = fd;
        len = 0;
    }
    ssize_t n = recv(fd, bytes + len, sizeof(bytes) - len, MSG_DONTWAIT);
    len += n > 0 ? (size_t)n : 0;
    *ended = n == 0 || (n < 0 && errno != EAGAIN);
    size_t count = 0;
    for (size_t i = 0; i + 9 < len; i++) {
        count += memcmp(bytes + i, "HTTP/1.1 ", 9) == 0;
    }
    if (*ended) {
        last_fd = -1;
    }
    return count;
}

static int socket_to(struct front *f) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&f->address.sa, f->address.len), 0);
    turn(f, 3);
    return fd;
}

static void answer_backwards(struct front *f) {
    for (size_t i = f->held_count; i-- > 0;) {
        struct server_request *r = f->held[i];
        f->held[i] = NULL;
        if (r) {
            front_answer(f, r);
        }
    }
    f->held_count = 0;
}

static void in_pieces(struct front *f, int fd) {
    put_text(f, fd, "POST /pieces HTTP/1.1\r\nHo");
    put_text(f, fd, "st: a\r\nContent-Length: 40000\r\n\r\n");
    put(f, fd, big, 20000);
    put(f, fd, big, 20000);
    put_text(f, fd, POST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    put_text(f, fd, "3\r\ndef\r\n0\r\n\r\n");
}

static void pipelined(struct front *f, int fd) {
    for (int i = 0; i < 8; i++) {
        put_text(f, fd, "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    put_text(f, fd, POST "Content-Length: 3\r\n\r\n");
    put_text(f, fd, "abc" POST "Content-Length: 3000\r\n\r\n");
    put(f, fd, big, 3000);
}

static void refused(struct front *f, int fd) {
    put_text(f, fd,
             "GET /a HTTP/1.1\r\nHost: a\r\n\r\n" POST "Content-Length: 99999999\r\n\r\n");
}

/* Returns whether the torture was reached. */
static int run(void (*scenario)(struct front *f, int fd), size_t expected, size_t at, int on) {
    struct server_options options = server_options_default;
    options.pipeline_depth = 4;
    options.linger_ms = 50;
    fail_at = 0;
    struct front *f = front_start(&options, "127.0.0.1:0");
    f->hold = 1;
    f->answer_body = slice_of(big, 2500);
    int fd = socket_to(f);
    calls = 0;
    fail_at = at;
    fail_on = on;
    scenario(f, fd);
    int ended = 0;
    size_t answers = 0;
    uint64_t give_up = front_now_ms() + 10000;
    while (answers < expected && !ended) {
        answer_backwards(f);
        turn(f, 2);
        answers = count_answers(fd, &ended);
        assert_true(front_now_ms() < give_up);
    }
    int reached = calls >= at;
    assert_true(ended || answers == expected);
    assert_true(reached || !ended || scenario == refused);
    fail_at = 0;
    /* The server itself is well. */
    int other = socket_to(f);
    f->hold = 0;
    put_text(f, other, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    int other_ended;
    turn_until(f, count_answers(other, &other_ended) == 1);
    close(other);
    close(fd);
    for (size_t i = 0; i < f->held_count; i++) {
        if (f->held[i]) {
            front_answer(f, f->held[i]);
        }
    }
    turn_until(f, front_connections(f) == 0);
    assert_int_equal(f->server->bytes, 0);
    front_stop(f);
    return reached;
}

static void torture(void (*scenario)(struct front *f, int fd), size_t expected) {
    for (int on = 0; on < 2; on++) {
        size_t at = 1;
        while (run(scenario, expected, at, on)) {
            at++;
        }
        print_message("%zu failures\n", at - 1);
        assert_true(at > 2);
    }
}

static void torture_pieces(void **state) {
    (void)state;
    torture(in_pieces, 2);
}

static void torture_pipeline(void **state) {
    (void)state;
    torture(pipelined, 18);
}

static void torture_refusal(void **state) {
    (void)state;
    torture(refused, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(torture_pieces),
        cmocka_unit_test(torture_pipeline),
        cmocka_unit_test(torture_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
