/* What the outside is told of the service: ready or why not, what the metrics page says of the
 * process, whether every loop turns. On the main thread. */
#include "app/service_impl.h"

#include "model/item.h"

static void add_reason(struct buffer *out, size_t *count, const char *text) {
    int error = (*count)++ ? buffer_append(out, ",", 1) : 0;
    if (error == 0) {
        error = model_json_string(out, slice_cstr(text));
    }
    (void)error; /* out of memory: it is not ready all the same, for a reason not named */
}

static int all_workers(const struct service *s, int (*test)(const struct worker_status *w)) {
    for (size_t i = 0; i < s->worker_count; i++) {
        if (!test(worker_status(s->workers[i]))) {
            return 0;
        }
    }
    return 1;
}

static int has_pool(const struct worker_status *w) {
    return atomic_load_explicit(&w->pool_ready, memory_order_relaxed);
}

int service_not_ready(void *arg, struct buffer *reasons) {
    struct service *s = arg;
    size_t count = 0;
    if (s->stage != SERVICE_RUNNING) {
        add_reason(reasons, &count, "draining");
    }
    if (!s->credentials) {
        add_reason(reasons, &count, "no credentials");
    }
    if (!all_workers(s, has_pool)) {
        add_reason(reasons, &count, "no connection to DynamoDB");
    }
    if (tables_problem(s->tables)[0]) {
        add_reason(reasons, &count, tables_problem(s->tables));
    }
    return count != 0;
}

void service_describe(void *arg, struct metrics_process *out) {
    struct service *s = arg;
    struct buffer reasons = {0};
    out->version = config_version();
    out->ready = !service_not_ready(s, &reasons);
    out->start_s = s->start_s;
    out->credentials_expires_s = s->credentials ? s->credentials->expires_s : 0;
    buffer_fini(&reasons);
}

int service_all_moved(void *arg) {
    struct service *s = arg;
    int moved = 1;
    for (size_t i = 0; i < s->started; i++) {
        uint64_t turns =
            atomic_load_explicit(&worker_status(s->workers[i])->turns, memory_order_relaxed);
        if (turns == s->turns[i]) {
            moved = 0;
        } else {
            s->turns[i] = turns;
            worker_tick(s->workers[i]);
        }
    }
    return moved;
}
