/* The life of an invocation: every way it can end, and that nothing is touched after. */
#include "stand_ins.h"

#include "base/clock.h"
#include "base/log.h"

#include <time.h>

static struct loop loop;
static struct lambda *lambda;
static struct penstock_invocation *kept;
static char seen[256];
static int called;

static int set_up(void **state) {
    (void)state;
    memset(&fake_db, 0, sizeof(fake_db));
    kept = NULL;
    called = 0;
    seen[0] = '\0';
    return loop_init(&loop);
}

static int tear_down(void **state) {
    (void)state;
    lambda_free(lambda);
    loop_fini(&loop);
    return 0;
}

static void start(struct lambda_options options) {
    lambda = lambda_new(&loop, NULL, &options);
}

static void pass_ms(uint64_t ms) {
    uint64_t end = clock_monotonic_ns() + ms * NS_PER_MS;
    while (clock_monotonic_ns() < end) {
        loop_turn(&loop);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

static struct fake_request *invoke_with(penstock_invoke_fn fn, void *arg, uint64_t timeout_ms) {
    static struct lambda_handler handlers[64];
    static unsigned next;
    struct lambda_handler *h = &handlers[next++ % 64];
    *h = (struct lambda_handler){
        .name = "test", .invoke = fn, .state = arg, .timeout_ms = timeout_ms};
    struct fake_request *f = fake_request("POST", "/music?a=1", "{\"x\":1}");
    fake_header(f, "Content-Type", "application/json");
    lambda_invoke(lambda, h, &f->r, fake_event(f, "POST /music"));
    return f;
}

static struct fake_request *invoke(penstock_invoke_fn fn) {
    return invoke_with(fn, NULL, 0);
}

static void answer_created(struct penstock_invocation *i) {
    penstock_respond(i, &(struct penstock_response){.status = 201, .body = {"{}", 2}});
}

/* ---- handlers ---- */

static void at_once(struct penstock_invocation *i, void *state) {
    (void)state;
    answer_created(i);
    /* The handler is still on the stack: it may look. */
    assert_int_equal(penstock_request_id(i).len, 36);
    assert_null(penstock_body(i).ptr);
}

static void twice(struct penstock_invocation *i, void *state) {
    (void)state;
    answer_created(i);
    penstock_respond_message(i, 400, "again", NULL);
}

static void keep(struct penstock_invocation *i, void *state) {
    (void)state;
    kept = i;
}

static void on_put(struct penstock_invocation *i, void *arg,
                   const struct penstock_result *result) {
    called++;
    snprintf(seen, sizeof(seen), "%s", (const char *)arg);
    if (result->outcome == PENSTOCK_OK) {
        answer_created(i);
    } else {
        penstock_respond_outcome(i, result);
    }
}

static const struct penstock_request put_request = {
    .operation = PENSTOCK_PUT_ITEM, .table = "Music", .item = {"{\"a\":{\"S\":\"x\"}}", 15}};

/* Holds a slice of the body and memory of the invocation over the op. */
static void put(struct penstock_invocation *i, void *state) {
    (void)state;
    struct penstock_slice body = penstock_body(i);
    char *copy = penstock_alloc(i, body.len + 1);
    assert_non_null(copy);
    memcpy(copy, body.ptr, body.len);
    copy[body.len] = '\0';
    kept = i;
    assert_int_equal(penstock_dynamodb(i, &put_request, on_put, copy), 0);
}

static struct penstock_slice held;

static void on_slow_put(struct penstock_invocation *i, void *arg,
                        const struct penstock_result *result) {
    (void)arg;
    (void)result;
    called++;
    /* A slice given out before the request ended is still good; a new one is absent. */
    snprintf(seen, sizeof(seen), "%.*s", (int)held.len, held.ptr);
    assert_null(penstock_body(i).ptr);
    assert_null(penstock_path(i).ptr);
    assert_null(penstock_header(i, "content-type").ptr);
    assert_null(penstock_query_parameter(i, "a").ptr);
    assert_null(penstock_event_json(i, "2.0").ptr);
    assert_null(penstock_context(i, "identity.sourceIp").ptr);
    assert_int_equal(penstock_request_id(i).len, 36);
    assert_int_equal(penstock_remaining_ms(i), 0);
    assert_int_equal(penstock_dynamodb(i, &put_request, on_put, seen), PENSTOCK_REFUSED);
    answer_created(i); /* late: ignored */
}

static void hold_and_put(struct penstock_invocation *i, void *state) {
    (void)state;
    held = penstock_body(i);
    assert_int_equal(penstock_dynamodb(i, &put_request, on_slow_put, NULL), 0);
}

/* ---- tests ---- */

static void answers_at_once(void **state) {
    (void)state;
    start((struct lambda_options){0});
    struct fake_request *f = invoke(at_once);
    assert_int_equal(f->status, 201);
    assert_string_equal(f->body, "{}");
    assert_string_equal(f->content_type, "application/json");
    assert_int_equal(lambda_in_flight(lambda), 0);
    fake_request_free(f);
}

static void answers_after_an_op(void **state) {
    (void)state;
    start((struct lambda_options){0});
    struct fake_request *f = invoke(put);
    assert_int_equal(f->answers, 0);
    assert_int_equal(lambda_in_flight(lambda), 1);
    assert_int_equal(fake_db.ops[0].kind, OP_PUT_ITEM);
    assert_int_equal(fake_db.ops[0].klass, OP_IDEMPOTENT);
    assert_string_equal(fake_db.ops[0].table, "Music");
    assert_string_equal(fake_db.ops[0].item, "{\"a\":{\"S\":\"x\"}}");
    fake_settle(OUTCOME_OK);
    assert_int_equal(f->status, 201);
    assert_string_equal(seen, "{\"x\":1}");
    assert_int_equal(lambda_in_flight(lambda), 0);
    fake_request_free(f);
}

static void second_answer_is_ignored(void **state) {
    (void)state;
    start((struct lambda_options){0});
    struct fake_request *f = invoke(twice);
    assert_int_equal(f->status, 201);
    struct lambda_counts counts;
    lambda_count(lambda, &counts);
    assert_int_equal(counts.completed_twice, 1);
    fake_request_free(f);
}

static void never_answering_is_504(void **state) {
    (void)state;
    start((struct lambda_options){0});
    struct fake_request *f = invoke_with(keep, NULL, 20);
    pass_ms(80);
    assert_int_equal(f->status, 504);
    assert_string_equal(f->body, "{\"message\":\"Endpoint request timed out\"}");
    assert_string_equal(f->fields, ""); /* nothing was written: no unknown outcome */
    assert_string_equal(f->reason, "deadline");
    struct lambda_counts counts;
    lambda_count(lambda, &counts);
    assert_int_equal(counts.timeouts, 1);
    assert_int_equal(counts.in_flight, 0);
    assert_int_equal(counts.forgotten, 1);
    /* It comes after all: noticed, ignored, freed. */
    answer_created(kept);
    lambda_count(lambda, &counts);
    assert_int_equal(counts.completed_late, 1);
    assert_int_equal(counts.forgotten, 0);
    fake_request_free(f);
}

/* What runs has its deadline now; what has been answered is left alone. */
static void the_end_expires_what_runs(void **state) {
    (void)state;
    start((struct lambda_options){0});
    struct fake_request *never = invoke(keep);
    struct fake_request *writing = invoke(put);
    struct fake_request *answered = invoke(at_once);
    assert_int_equal(lambda_in_flight(lambda), 2);
    lambda_expire(lambda);
    assert_int_equal(never->status, 504);
    assert_int_equal(writing->status, 504);
    assert_true(has_field(writing, "x-penstock-outcome: unknown\n"));
    assert_int_equal(answered->status, 201);
    assert_int_equal(answered->answers, 1);
    lambda_expire(lambda); /* nothing is left to expire */
    assert_int_equal(never->answers, 1);
    assert_int_equal(lambda_in_flight(lambda), 1); /* its op is still out */
    fake_settle(OUTCOME_OK);
    assert_int_equal(lambda_in_flight(lambda), 0);
    fake_request_free(never);
    fake_request_free(writing);
    fake_request_free(answered);
}

static void deadline_with_a_write_under_way_is_unknown(void **state) {
    (void)state;
    start((struct lambda_options){0});
    struct fake_request *f = invoke_with(hold_and_put, NULL, 20);
    pass_ms(80);
    assert_int_equal(f->status, 504);
    assert_true(has_field(f, "x-penstock-outcome: unknown"));
    assert_int_equal(lambda_in_flight(lambda), 1);
    fake_settle(OUTCOME_OK); /* the callback comes nevertheless */
    assert_int_equal(called, 1);
    assert_string_equal(seen, "{\"x\":1}");
    assert_int_equal(lambda_in_flight(lambda), 0);
    fake_request_free(f);
}

static void on_put_then_nothing(struct penstock_invocation *i, void *arg,
                                const struct penstock_result *result) {
    (void)i;
    (void)arg;
    (void)result;
    called++;
}

static void put_then_nothing(struct penstock_invocation *i, void *state) {
    (void)state;
    assert_int_equal(penstock_dynamodb(i, &put_request, on_put_then_nothing, NULL), 0);
}

/* What a 504 says of a write depends on what became of it. */
static void deadline_after_a_settled_write(void **state) {
    (void)state;
    start((struct lambda_options){0});
    struct fake_request *stored = invoke_with(put_then_nothing, NULL, 20);
    fake_settle(OUTCOME_OK);
    struct fake_request *refused = invoke_with(put_then_nothing, NULL, 20);
    fake_settle(OUTCOME_THROTTLED);
    struct fake_request *unknown = invoke_with(put_then_nothing, NULL, 20);
    fake_settle(OUTCOME_UNKNOWN);
    pass_ms(80);
    assert_int_equal(stored->status, 504);
    assert_true(has_field(stored, "x-penstock-outcome: unknown"));
    assert_int_equal(refused->status, 504);
    assert_string_equal(refused->fields, "");
    assert_true(has_field(unknown, "x-penstock-outcome: unknown"));
    fake_request_free(stored);
    fake_request_free(refused);
    fake_request_free(unknown);
}

static void client_leaves_op_finishes(void **state) {
    (void)state;
    start((struct lambda_options){0});
    struct fake_request *f = invoke(put);
    fake_leave(f);
    assert_int_equal(lambda_in_flight(lambda), 1);
    assert_null(penstock_body(kept).ptr);
    fake_settle(OUTCOME_OK); /* server_respond would fail the test */
    assert_string_equal(seen, "{\"x\":1}");
    assert_int_equal(lambda_in_flight(lambda), 0);
    fake_request_free(f);
}

static void client_leaves_then_deadline(void **state) {
    (void)state;
    start((struct lambda_options){0});
    struct fake_request *f = invoke_with(hold_and_put, NULL, 20);
    fake_leave(f);
    pass_ms(80);
    fake_settle(OUTCOME_UNKNOWN);
    assert_string_equal(seen, "{\"x\":1}");
    assert_int_equal(lambda_in_flight(lambda), 0);
    fake_request_free(f);
}

static void bound_is_503(void **state) {
    (void)state;
    start((struct lambda_options){.invocations = 2});
    struct fake_request *a = invoke(put);
    struct fake_request *b = invoke(put);
    struct fake_request *c = invoke(put);
    assert_int_equal(c->status, 503);
    assert_true(has_field(c, "Retry-After: 1"));
    assert_string_equal(c->reason, "invocations_full");
    assert_true(lambda_busy(lambda, &(struct lambda_handler){.name = "x"}));
    fake_settle(OUTCOME_OK);
    struct fake_request *d = invoke(at_once);
    assert_int_equal(d->status, 201);
    fake_settle(OUTCOME_OK);
    assert_int_equal(a->status, 201);
    assert_int_equal(b->status, 201);
    fake_request_free(a);
    fake_request_free(b);
    fake_request_free(c);
    fake_request_free(d);
}

static void keep_status(struct server_request *r, const struct server_answer *answer) {
    *(unsigned *)r->owner = answer->status;
}

/* Of an event by name, no server's. */
static void refusals_go_where_the_answer_would(void **state) {
    (void)state;
    unsigned status = 0;
    start((struct lambda_options){.invocations = 1});
    struct fake_request *a = invoke(put);
    struct fake_request *b = fake_request("GET", "/", NULL);
    struct lambda_event *event = fake_event(b, "$default");
    event->on_answer = keep_status;
    b->r.owner = &status;
    lambda_invoke(lambda, &(struct lambda_handler){.name = "x", .invoke = at_once}, &b->r,
                  event);
    assert_int_equal(status, 503);
    assert_int_equal(b->answers, 0);
    fake_settle(OUTCOME_OK);
    fake_request_free(a);
    fake_request_free(b);
}

static void busy_pipeline_is_seen_early(void **state) {
    (void)state;
    start((struct lambda_options){0});
    struct lambda_handler writer = {.name = "w", .writes = 1};
    struct lambda_handler reader = {.name = "r"};
    assert_false(lambda_busy(lambda, &writer));
    fake_db.busy = 1;
    assert_true(lambda_busy(lambda, &writer));
    assert_false(lambda_busy(lambda, &reader));
}

static void submit_refused(struct penstock_invocation *i, void *state) {
    *(int *)state = penstock_dynamodb(i, &put_request, on_put, NULL);
    answer_created(i);
}

static void submit_errors(void **state) {
    (void)state;
    start((struct lambda_options){0});
    static const struct {
        int error;
        int expected;
    } cases[] = {{ERR_BUSY, PENSTOCK_BUSY},
                 {ERR_NOT_FOUND, PENSTOCK_REFUSED},
                 {ERR_INVALID, PENSTOCK_REFUSED},
                 {ERR_NOMEM, PENSTOCK_BUSY}};
    for (size_t k = 0; k < COUNT(cases); k++) {
        int got = -1;
        fake_db.refuse = cases[k].error;
        fake_request_free(invoke_with(submit_refused, &got, 0));
        assert_int_equal(got, cases[k].expected);
    }
    assert_int_equal(called, 0);
}

static struct penstock_request any_request;

static void submit_any(struct penstock_invocation *i, void *state) {
    (void)state;
    assert_int_equal(penstock_dynamodb(i, &any_request, on_put, seen), 0);
}

/* Which ops may be repeated when they may have happened. */
static void classes(void **state) {
    (void)state;
    start((struct lambda_options){0});
    static const struct {
        enum penstock_operation operation;
        const char *extra;
        int idempotent;
        enum op_class klass;
        enum op_kind kind;
    } cases[] = {
        {PENSTOCK_PUT_ITEM, "", 0, OP_IDEMPOTENT, OP_PUT_ITEM},
        {PENSTOCK_PUT_ITEM, ",\"ConditionExpression\":\"x\"", 0, OP_CONDITIONAL, OP_PUT_ITEM},
        {PENSTOCK_PUT_ITEM, ",\"ReturnValues\":\"NONE\"", 1, OP_IDEMPOTENT, OP_PUT_ITEM},
        {PENSTOCK_DELETE_ITEM, "", 0, OP_IDEMPOTENT, OP_DELETE_ITEM},
        {PENSTOCK_DELETE_ITEM, ",\"x\":1", 0, OP_CONDITIONAL, OP_DELETE_ITEM},
        {PENSTOCK_UPDATE_ITEM, ",\"UpdateExpression\":\"ADD\"", 0, OP_CONDITIONAL,
         OP_UPDATE_ITEM},
        {PENSTOCK_UPDATE_ITEM, ",\"UpdateExpression\":\"SET\"", 1, OP_IDEMPOTENT,
         OP_UPDATE_ITEM},
        {PENSTOCK_UPDATE_ITEM, "", 0, OP_CONDITIONAL, OP_UPDATE_ITEM},
        {PENSTOCK_GET_ITEM, ",\"ProjectionExpression\":\"a\"", 0, OP_IDEMPOTENT, OP_GET_ITEM},
        {PENSTOCK_QUERY, ",\"Limit\":1", 0, OP_IDEMPOTENT, OP_QUERY},
    };
    for (size_t k = 0; k < COUNT(cases); k++) {
        any_request = (struct penstock_request){
            .operation = cases[k].operation,
            .table = "Music",
            .extra = {cases[k].extra, strlen(cases[k].extra)},
            .idempotent = cases[k].idempotent,
        };
        struct fake_request *f = invoke(submit_any);
        assert_int_equal(fake_db.ops[0].klass, cases[k].klass);
        assert_int_equal(fake_db.ops[0].kind, cases[k].kind);
        assert_string_equal(fake_db.ops[0].extra, cases[k].extra);
        fake_settle(OUTCOME_OK);
        fake_request_free(f);
    }
}

/* An op never outlasts its invocation, nor the pipeline's own deadline. */
static void op_deadlines(void **state) {
    (void)state;
    start((struct lambda_options){.dynamodb_deadline_ms = 500});
    struct fake_request *soon = invoke_with(put, NULL, 100);
    struct fake_request *late = invoke_with(put, NULL, 60000);
    uint64_t now = clock_monotonic_ns();
    assert_true(fake_db.ops[0].deadline_ns <= now + 100 * NS_PER_MS);
    assert_true(fake_db.ops[1].deadline_ns <= now + 500 * NS_PER_MS);
    assert_true(fake_db.ops[1].deadline_ns > now + 300 * NS_PER_MS);
    fake_settle(OUTCOME_OK);
    fake_settle(OUTCOME_OK);
    fake_request_free(soon);
    fake_request_free(late);
}

static void many_at_once_handler(struct penstock_invocation *i, void *state) {
    for (int k = 0; k < *(int *)state; k++) {
        assert_int_equal(penstock_dynamodb(i, &put_request, on_put, seen), 0);
    }
}

/* Many ops, one completion: the first outcome answers, the others find it done. */
static void many_ops_of_one(void **state) {
    (void)state;
    start((struct lambda_options){0});
    int ops = 20;
    struct fake_request *f = invoke_with(many_at_once_handler, &ops, 0);
    for (int k = 0; k < ops; k++) {
        assert_int_equal(lambda_in_flight(lambda), 1);
        fake_settle(OUTCOME_OK);
    }
    assert_int_equal(called, ops);
    assert_int_equal(f->status, 201);
    assert_int_equal(lambda_in_flight(lambda), 0);
    struct lambda_counts counts;
    lambda_count(lambda, &counts);
    assert_int_equal(counts.completed_twice, ops - 1);
    fake_request_free(f);
}

static void take_memory(struct penstock_invocation *i, void *state) {
    (void)state;
    assert_non_null(penstock_alloc(i, 60000));
    assert_null(penstock_alloc(i, 60000));
    assert_null(penstock_alloc(i, SIZE_MAX));
    assert_non_null(penstock_body(i).ptr);
    answer_created(i);
}

static void memory_is_bounded(void **state) {
    (void)state;
    start((struct lambda_options){.memory_bytes = 100000});
    fake_request_free(invoke(take_memory));
}

static void forgotten_ones_are_bounded(void **state) {
    (void)state;
    start((struct lambda_options){0});
    static struct fake_request *requests[LAMBDA_FORGOTTEN_MAX + 20];
    for (size_t k = 0; k < COUNT(requests); k++) {
        requests[k] = invoke_with(keep, NULL, 20);
    }
    pass_ms(150);
    struct lambda_counts counts;
    lambda_count(lambda, &counts);
    assert_int_equal(counts.timeouts, COUNT(requests));
    assert_int_equal(counts.forgotten, LAMBDA_FORGOTTEN_MAX);
    assert_int_equal(counts.in_flight, 0);
    for (size_t k = 0; k < COUNT(requests); k++) {
        assert_int_equal(requests[k]->status, 504);
        fake_request_free(requests[k]);
    }
}

/* ---- blocking work ---- */

static void slow_work(void *arg) {
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    *(int *)arg += 1;
}

static void after_work(struct penstock_invocation *i, void *arg) {
    called++;
    assert_int_equal(*(int *)arg, 1);
    answer_created(i);
}

static void work_handler(struct penstock_invocation *i, void *state) {
    *(int *)state = 0;
    assert_int_equal(penstock_work(i, slow_work, after_work, state), 0);
}

static void work_runs_and_comes_back(void **state) {
    (void)state;
    start((struct lambda_options){0});
    enum { N = 12 }; /* more than run at a time */
    int results[N];
    struct fake_request *requests[N];
    for (int k = 0; k < N; k++) {
        requests[k] = invoke_with(work_handler, &results[k], 0);
    }
    struct lambda_counts counts;
    lambda_count(lambda, &counts);
    assert_int_equal(counts.work_running + counts.work_queued, N);
    assert_true(counts.work_queued > 0);
    for (int k = 0; k < 1000 && called < N; k++) {
        pass_ms(1);
    }
    assert_int_equal(called, N);
    for (int k = 0; k < N; k++) {
        assert_int_equal(requests[k]->status, 201);
        fake_request_free(requests[k]);
    }
}

static void work_outlives_deadline_and_client(void **state) {
    (void)state;
    start((struct lambda_options){0});
    int result = 0;
    struct fake_request *f = invoke_with(work_handler, &result, 0);
    fake_leave(f);
    assert_int_equal(lambda_in_flight(lambda), 1);
    for (int k = 0; k < 1000 && called == 0; k++) {
        pass_ms(1);
    }
    assert_int_equal(called, 1);
    assert_int_equal(lambda_in_flight(lambda), 0);
    fake_request_free(f);
}

static void no_after(struct penstock_invocation *i, void *arg) {
    (void)i;
    (void)arg;
    called++;
}

static void quick_work(void *arg) {
    (void)arg;
}

static void flood_handler(struct penstock_invocation *i, void *state) {
    int *taken = state;
    while (penstock_work(i, quick_work, no_after, NULL) == 0) {
        ++*taken;
    }
    answer_created(i);
    assert_int_equal(penstock_work(i, quick_work, no_after, NULL), PENSTOCK_BUSY);
}

static void work_is_bounded(void **state) {
    (void)state;
    start((struct lambda_options){0});
    int taken = 0;
    struct fake_request *f = invoke_with(flood_handler, &taken, 0);
    assert_true(taken >= 1024 && taken < 1100);
    assert_int_equal(f->status, 201);
    for (int k = 0; k < 5000 && called < taken; k++) {
        pass_ms(1);
    }
    assert_int_equal(called, taken);
    assert_int_equal(lambda_in_flight(lambda), 0);
    fake_request_free(f);
}

int main(void) {
    log_threshold = LOG_OFF;
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(answers_at_once),
        T(answers_after_an_op),
        T(second_answer_is_ignored),
        T(never_answering_is_504),
        T(the_end_expires_what_runs),
        T(deadline_with_a_write_under_way_is_unknown),
        T(deadline_after_a_settled_write),
        T(client_leaves_op_finishes),
        T(client_leaves_then_deadline),
        T(bound_is_503),
        T(refusals_go_where_the_answer_would),
        T(busy_pipeline_is_seen_early),
        T(submit_errors),
        T(classes),
        T(op_deadlines),
        T(many_ops_of_one),
        T(memory_is_bounded),
        T(forgotten_ones_are_bounded),
        T(work_runs_and_comes_back),
        T(work_outlives_deadline_and_client),
        T(work_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
