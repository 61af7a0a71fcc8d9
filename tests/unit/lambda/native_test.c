/* Libraries that load and libraries that do not. native_module.c is built beside this test. */
#include "stand_ins.h"

#include "base/log.h"
#include "lambda/native.h"

static struct native *native;
static char reason[NATIVE_REASON_MAX];

static int open_module(const char *name) {
    native = NULL;
    return native_open(PENSTOCK_TEST_MODULE, name, &native, reason);
}

static void refused(const char *path, const char *name, int error, const char *why) {
    native = NULL;
    assert_int_equal(native_open(path, name, &native, reason), error);
    assert_null(native);
    if (strstr(reason, why) == NULL) {
        fail_msg("%s", reason);
    }
}

static void bad_libraries(void **state) {
    (void)state;
    refused("/nowhere/enrich.so", "enrich", ERR_NOT_FOUND, "/nowhere/enrich.so");
    refused("nowhere.so", "enrich", ERR_NOT_FOUND, "nowhere.so");
    refused("/etc/passwd", "enrich", ERR_NOT_FOUND, "/etc/passwd");
    refused("/", "enrich", ERR_NOT_FOUND, "/");
    refused(PENSTOCK_TEST_MODULE, "absent", ERR_INVALID, "exports no handler absent");
    refused(PENSTOCK_TEST_MODULE, "ancient", ERR_UNSUPPORTED, "version 42");
    refused(PENSTOCK_TEST_MODULE, "hollow", ERR_INVALID, "no invoke");
    refused(PENSTOCK_TEST_MODULE, "", ERR_INVALID, "identifier");
    refused(PENSTOCK_TEST_MODULE, "a-b", ERR_INVALID, "identifier");
    refused(PENSTOCK_TEST_MODULE, "1a", ERR_INVALID, "identifier");
    static char huge[2000];
    memset(huge, 'a', sizeof(huge) - 1);
    refused(PENSTOCK_TEST_MODULE, huge, ERR_INVALID, "identifier");
}

static void bad_init(void **state) {
    (void)state;
    assert_int_equal(open_module("fails"), 0);
    assert_int_equal(native_init(native, 0, "{\"A\":\"1\"}", reason), ERR_REFUSED);
    assert_string_equal(reason, "no MODEL in {\"A\":\"1\"}");
    native_close(native);
    assert_int_equal(open_module("silent"), 0);
    assert_int_equal(native_init(native, 0, NULL, reason), ERR_REFUSED);
    assert_string_equal(reason, "handler silent: init failed");
    native_close(native);
    native_close(NULL);
}

static struct fake_request *invoke(struct lambda *lambda) {
    static struct lambda_handler h;
    h = (struct lambda_handler){.name = "n", .invoke = native_invoke, .state = native};
    struct fake_request *f = fake_request("GET", "/", NULL);
    lambda_invoke(lambda, &h, &f->r, fake_event(f, "GET /"));
    return f;
}

/* Each worker has the state that its init made. */
static void a_state_per_worker(void **state) {
    (void)state;
    static struct loop loop;
    assert_int_equal(loop_init(&loop), 0);
    assert_int_equal(open_module("greet"), 0);
    assert_int_equal(native_init(native, 0, NULL, reason), 0);
    assert_int_equal(native_init(native, 7, "{\"seven\":7}", reason), 0);
    static const char *const bodies[] = {[0] = "{}", [7] = "{\"seven\":7}"};
    for (unsigned worker = 0; worker <= 7; worker += 7) {
        struct lambda *lambda =
            lambda_new(&loop, NULL, &(struct lambda_options){.worker = worker});
        struct fake_request *f = invoke(lambda);
        assert_int_equal(f->status, 200);
        assert_string_equal(f->body, bodies[worker]);
        fake_request_free(f);
        lambda_free(lambda);
    }
    native_close(native);
    loop_fini(&loop);
}

static void without_init(void **state) {
    (void)state;
    static struct loop loop;
    assert_int_equal(loop_init(&loop), 0);
    struct lambda *lambda = lambda_new(&loop, NULL, &(struct lambda_options){0});
    assert_int_equal(open_module("bare"), 0);
    assert_int_equal(native_init(native, 0, NULL, reason), 0);
    struct fake_request *f = invoke(lambda);
    assert_int_equal(f->status, 200);
    assert_string_equal(f->body, "{\"message\":\"bare\"}");
    fake_request_free(f);
    native_close(native);
    lambda_free(lambda);
    loop_fini(&loop);
}

static void the_whole_header(void **state) {
    (void)state;
    static struct loop loop;
    assert_int_equal(loop_init(&loop), 0);
    struct lambda *lambda = lambda_new(&loop, NULL, &(struct lambda_options){0});
    assert_int_equal(open_module("everything"), 0);
    assert_int_equal(native_init(native, 0, NULL, reason), 0);
    struct fake_request *by_op = invoke(lambda);
    fake_settle(OUTCOME_THROTTLED);
    assert_int_equal(by_op->status, 429);
    fake_db.refuse = ERR_BUSY;
    struct fake_request *by_work = invoke(lambda);
    loop_run(&loop); /* the work, and then nothing keeps it */
    assert_int_equal(by_work->status, 200);
    fake_request_free(by_op);
    fake_request_free(by_work);
    native_close(native);
    lambda_free(lambda);
    loop_fini(&loop);
}

int main(void) {
    log_threshold = LOG_OFF;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_libraries),      cmocka_unit_test(bad_init),
        cmocka_unit_test(a_state_per_worker), cmocka_unit_test(without_init),
        cmocka_unit_test(the_whole_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
