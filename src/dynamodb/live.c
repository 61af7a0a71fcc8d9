/* The world of production: the worker's loop, pool and signer.
 *
 * The pipeline's turn is a duty of the loop, so that what was submitted or answered in a turn
 * leaves in that turn; the timer only sees to it that there is a turn when time alone makes one
 * worthwhile. */
#include "base/clock.h"
#include "dynamodb/pipeline.h"
#include "loop/timer.h"

#include <stdlib.h>

struct live {
    struct dynamodb_port port;
    struct dynamodb *dynamodb;
    struct loop *loop;
    struct pool *pool;
    struct sigv4_signer *signer;
    struct loop_duty duty;
    struct timer timer;
    uint64_t armed_ns; /* when the timer fires at the latest; UINT64_MAX: it is not running */
};

static struct live *live_of(struct dynamodb_port *port) {
    return container_of(port, struct live, port);
}

static uint64_t live_now_ns(struct dynamodb_port *port) {
    return loop_now_ns(live_of(port)->loop);
}

static uint64_t live_wall_s(struct dynamodb_port *port) {
    return loop_wall_ms(live_of(port)->loop) / 1000;
}

/* With nothing in flight one exchange may wait in the pool: that is what makes it connect. */
static size_t live_free_places(struct dynamodb_port *port) {
    struct live *l = live_of(port);
    size_t places = pool_free_places(l->pool);
    return places || l->dynamodb->batches.used ? places : 1;
}

static int live_send(struct dynamodb_port *port, struct exchange *x) {
    return pool_submit(live_of(port)->pool, x);
}

static int live_write(struct dynamodb_port *port, const struct wire_request *r,
                      struct buffer *out) {
    uint64_t start_ns = clock_monotonic_ns();
    int error =
        sigv4_write_request(live_of(port)->signer, r->operation, r->epoch_s, r->invocation_id,
                            r->attempt, r->max_attempts, r->body, out);
    port->sign_ns = clock_monotonic_ns() - start_ns;
    return error;
}

static int live_reachable(struct dynamodb_port *port) {
    return pool_ready(live_of(port)->pool);
}

/* A timer that fires too early costs a turn; moving it every turn costs more. */
static void live_wake_at(struct dynamodb_port *port, uint64_t due_ns) {
    struct live *l = live_of(port);
    if (due_ns >= l->armed_ns) {
        return;
    }
    uint64_t now_ns = loop_now_ns(l->loop);
    uint64_t wait_ns = due_ns > now_ns ? due_ns - now_ns : 0;
    l->armed_ns = due_ns;
    timer_start(&l->timer, (wait_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static void on_timer(struct timer *t) {
    container_of(t, struct live, timer)->armed_ns = UINT64_MAX; /* the duty follows */
}

static void on_turn(struct loop_duty *duty) {
    dynamodb_turn(container_of(duty, struct live, duty)->dynamodb);
}

static void on_timer_closed(struct timer *t) {
    dynamodb_closed(container_of(t, struct live, timer)->dynamodb);
}

static void live_close(struct dynamodb_port *port, struct dynamodb *d) {
    struct live *l = live_of(port);
    ASSERT(l->dynamodb == d);
    l->armed_ns = 0;
    loop_remove_duty(&l->duty);
    timer_close(&l->timer, on_timer_closed);
}

static void live_free(struct dynamodb_port *port) {
    free(live_of(port));
}

struct dynamodb *dynamodb_new(struct loop *loop, struct pool *pool, struct sigv4_signer *signer,
                              const struct model_table *tables, size_t table_count,
                              const struct dynamodb_options *options) {
    struct live *l;
    NEED_MEMORY((l = calloc(1, sizeof *l)) != NULL);
    l->port = (struct dynamodb_port){
        .now_ns = live_now_ns,
        .wall_s = live_wall_s,
        .free_places = live_free_places,
        .send = live_send,
        .write = live_write,
        .wake_at = live_wake_at,
        .reachable = live_reachable,
        .close = live_close,
        .free = live_free,
    };
    rng_seed_random(&l->port.rng);
    l->loop = loop;
    l->pool = pool;
    l->signer = signer;
    l->armed_ns = UINT64_MAX;
    l->duty.run = on_turn;
    timer_init(&l->timer, loop, on_timer);
    loop_add_duty(loop, &l->duty, LOOP_RANK_DISPATCH);
    l->dynamodb = pipeline_new(&l->port, tables, table_count, options);
    return l->dynamodb;
}
