/* The table of bad input against a server on a socket: the same verdicts as the parser's, the
 * connection closed where it must be and kept where it may, and nothing left behind. */
#include "../../http_bad/cases.h"

#include "front.h"

#include "base/rng.h"

#include <dirent.h>

#define BYTEWISE_MAX 1500 /* longer inputs go in random pieces only */
#define SPLITS       3

struct table {
    struct front *f;
    uint64_t seed;
    int failures;
};

static void add(char verdict[64], const char *status, const char *mark) {
    size_t len = strlen(verdict);
    snprintf(verdict + len, 64 - len, "%s%.3s%s", len ? " " : "", status, mark);
}

static size_t content_length(const char *head, const char *end) {
    const char *at = memmem(head, (size_t)(end - head), "Content-Length: ", 16);
    return at ? strtoul(at + 16, NULL, 10) : 0;
}

/* The statuses of the answers in what has come, "c" behind those that say close. Every one but
 * the 100 has an id, and every error a message. */
static void read_answers(struct client *c, int head_is_last, char verdict[64]) {
    const char *at = buffer_begin(&c->in);
    const char *end = at + c->in.len;
    verdict[0] = '\0';
    while (at < end) {
        const char *blank = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
        assert_non_null(blank);
        size_t head = (size_t)(blank - at);
        assert_memory_equal(at, "HTTP/1.1 ", 9);
        int close = memmem(at, head, "Connection: close", 17) != NULL;
        int interim = at[9] == '1';
        add(verdict, at + 9, close ? "c" : "");
        assert_true(interim || memmem(at, head, "x-amzn-requestid: ", 18) != NULL);
        size_t body = content_length(at, blank);
        at = blank + 4;
        if (head_is_last && at == end) {
            return;
        }
        assert_true((size_t)(end - at) >= body);
        if (close && body > 0) {
            assert_true(verdict[strlen(verdict) - 4] == '2' ||
                        memcmp(at, "{\"message\":\"", 12) == 0);
        }
        at += body;
    }
}

static void deliver(struct table *t, struct client *c, struct slice input, int how) {
    struct rng rng;
    rng_seed(&rng, t->seed + (uint64_t)how);
    while (input.len > 0 && !client_ended(c)) {
        size_t cut = how == 0 ? input.len : how == 1 ? 1 : 1 + (size_t)rng_below(&rng, 4000);
        cut = cut < input.len ? cut : input.len;
        client_send_slice(t->f, c, slice_of(input.ptr, cut));
        turn(t->f, 2);
        input = slice_from(input, cut);
    }
}

static int is_quiet(struct front *f, struct client *c) {
    size_t before = c->in.len;
    turn(f, 5);
    client_read(c);
    return c->in.len == before && front_in_state(f, CONN_BUSY) == 0;
}

static void run(struct table *t, struct bad_case *b, int how) {
    struct front *f = t->f;
    char verdict[64];
    struct client *c = client_connect(f);
    turn_until(f, front_connections(f) == 1);
    deliver(t, c, buffer_slice(&b->input), how);
    turn_until(f, client_ended(c) || is_quiet(f, c));
    int closed = client_ended(c);
    read_answers(c, strstr(b->name, "00 three") != NULL, verdict);
    if (!closed && (front_in_state(f, CONN_READING) > 0 || verdict[0] == '\0')) {
        snprintf(verdict + strlen(verdict), 8, "%smore", verdict[0] ? " " : "");
    }
    size_t len = strlen(verdict);
    int must_close = len > 0 && verdict[len - 1] == 'c';
    if (strcmp(verdict, b->expected) != 0 || closed != must_close) {
        print_error("%s (way %d): expected %s, got %s%s\n", b->name, how, b->expected, verdict,
                    closed ? " and closed" : "");
        t->failures++;
    }
    size_t answered = c->in.len;
    shutdown(c->fd, SHUT_WR);
    turn_until(f, client_ended(c));
    assert_int_equal(c->in.len, answered);
    client_close(c);
    turn_until(f, front_connections(f) == 0);
    assert_int_equal(f->server->bytes, 0);
    assert_int_equal(f->server->slots.used, 0);
}

static void run_case(struct bad_case *b, void *arg) {
    struct table *t = arg;
    run(t, b, 0);
    if (b->input.len <= BYTEWISE_MAX) {
        run(t, b, 1);
    }
    for (int i = 0; i < SPLITS && b->input.len < 100000; i++) {
        run(t, b, 2 + i);
    }
}

static size_t count_fds(void) {
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir)) {
        count++;
    }
    closedir(dir);
    return count;
}

static void test_table(void **state) {
    (void)state;
    struct rng rng;
    rng_seed_random(&rng);
    const char *given = getenv("PENSTOCK_SEED");
    struct table t = {.seed = given ? strtoull(given, NULL, 10) : rng_u64(&rng) >> 16};
    print_message("PENSTOCK_SEED=%llu\n", (unsigned long long)t.seed);
    t.f = front_start(&server_options_default, "127.0.0.1:0");
    client_close(
        client_connect(t.f)); /* libuv opens its spare descriptor with the first stream */
    turn_until(t.f, t.f->server->accepted == 1 && front_connections(t.f) == 0);
    size_t fds = count_fds();
    size_t count = cases_each(run_case, &t);
    print_message("%zu cases\n", count);
    assert_int_equal(t.failures, 0);
    assert_true(count > 100);
    assert_int_equal(count_fds(), fds);
    assert_int_equal(t.f->server->timeouts, 0);
    front_stop(t.f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
