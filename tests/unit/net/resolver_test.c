/* The look-ups here need no network: literals, localhost from /etc/hosts, and a name that
 * cannot exist. */
#include "net/resolver.h"

#include "base/error.h"

#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
/* cmocka wants <setjmp.h> and its kind first */
#include <cmocka.h>

static int done, last_error;

static void on_done(struct resolve_request *r, int error) {
    (void)r;
    done++;
    last_error = error;
}

static void wait_for(struct loop *l, struct resolve_request *r, int cancel) {
    (void)r;
    time_t give_up = time(NULL) + 30;
    assert_int_equal(done, 0); /* never from inside the call */
    if (cancel) {
        resolver_cancel(r);
        assert_int_equal(done, 0);
    }
    while (done == 0 && time(NULL) < give_up) {
        uv_run(&l->uv, UV_RUN_ONCE);
    }
    assert_int_equal(done, 1);
    for (int i = 0; i < 5; i++) {
        loop_turn(l);
    }
    assert_int_equal(done, 1);
    done = 0;
}

static void resolve(const char *host, int cancel, int want, const char *want_address) {
    struct loop l;
    struct resolve_request *r = calloc(1, sizeof(*r));
    char copy[128], text[NET_ADDRESS_TEXT_MAX];
    assert_non_null(r);
    assert_int_equal(loop_init(&l), 0);
    snprintf(copy, sizeof(copy), "%s", host);
    r->owner = &l;
    assert_int_equal(resolver_start(r, &l, copy, 8443, on_done), 0);
    memset(copy, 'x', sizeof(copy)); /* it was copied */
    wait_for(&l, r, cancel);
    assert_int_equal(last_error, want);
    assert_ptr_equal(r->owner, &l);
    if (want == 0) {
        assert_true(r->count > 0);
        for (size_t i = 0; i < r->count; i++) {
            assert_int_equal(net_address_port(&r->addresses[i]), 8443);
            for (size_t k = 0; k < i; k++) {
                assert_true(memcmp(&r->addresses[i], &r->addresses[k],
                                   sizeof(struct net_address)) != 0);
            }
        }
    } else {
        assert_int_equal(r->count, 0);
    }
    if (want_address) {
        net_address_format(&r->addresses[0], text);
        assert_string_equal(text, want_address);
    }
    free(r); /* on_done is the last word */
    loop_fini(&l);
}

static void test_literals(void **state) {
    (void)state;
    resolve("192.0.2.7", 0, 0, "192.0.2.7:8443");
    resolve("2001:db8::7", 0, 0, "[2001:db8::7]:8443");
    resolve("[2001:db8::7]", 0, 0, "[2001:db8::7]:8443");
    resolve("192.0.2.7", 1, ERR_CANCELED, NULL);
}

static void test_names(void **state) {
    (void)state;
    resolve("localhost", 0, 0, NULL);
    resolve("localhost", 1, ERR_CANCELED, NULL);
    resolve("name.invalid", 0, ERR_RESOLVE, NULL); /* RFC 2606 */
    resolve("unix:/tmp/x", 0, ERR_RESOLVE, NULL);
}

/* Literals need no thread: they answer even while every thread of the pool is busy. */
static void on_work(uv_work_t *work) {
    (void)work;
    struct timespec t = {0, 300000000};
    nanosleep(&t, NULL);
}

static void test_literal_past_busy_pool(void **state) {
    struct loop l;
    uv_work_t work[8];
    struct resolve_request r;
    (void)state;
    assert_int_equal(loop_init(&l), 0);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(uv_queue_work(&l.uv, &work[i], on_work, NULL), 0);
    }
    assert_int_equal(resolver_start(&r, &l, "192.0.2.7", 1, on_done), 0);
    for (int i = 0; i < 5; i++) {
        loop_turn(&l);
    }
    assert_int_equal(done, 1);
    done = 0;
    loop_run(&l);
    loop_fini(&l);
}

static void test_too_long(void **state) {
    struct loop l;
    struct resolve_request r;
    char host[400];
    (void)state;
    assert_int_equal(loop_init(&l), 0);
    memset(host, 'a', sizeof(host) - 1);
    host[sizeof(host) - 1] = '\0';
    int error = resolver_start(&r, &l, host, 1, on_done);
    if (error == 0) {
        wait_for(&l, &r, 0);
        error = last_error;
    }
    assert_int_equal(error, ERR_RESOLVE);
    assert_int_equal(done, 0);
    loop_fini(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_literals),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_literal_past_busy_pool),
        cmocka_unit_test(test_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
