/* Calls of the Invoke API: with a caller who waits, or events, which are answered first, tried
 * again and dropped in the end, each drop with a line in the log. */
#include "lambda/invoke_impl.h"

#include "base/error.h"
#include "base/log.h"

#include <stdlib.h>

static void call_free(struct invoke_call *ic) {
    struct invoke_api *a = ic->api;
    list_remove(&ic->node);
    deadline_disarm(&ic->retry);
    if (ic->event) {
        a->events--;
        a->event_bytes -= ic->call.payload.len;
    }
    buffer_fini(&ic->log);
    free(ic);
}

void invoke_drop_event(struct invoke_call *ic, const char *reason) {
    log_event(LOG_ERROR, "invoke_event_dropped", log_str("function", ic->target->name),
              log_str("request_id", ic->request_id), log_str("reason", reason),
              log_u64("attempts", ic->failures));
    call_free(ic);
}

bool invoke_retarget(struct invoke_call *ic) {
    const struct invoke_options *o = &ic->api->options;
    for (size_t i = 0; i < o->function_count; i++) {
        if (strcmp(o->functions[i].name, ic->target->name) == 0) {
            ic->target = &o->functions[i];
            return true;
        }
    }
    return false;
}

/* Throttled is not failed: it is tried again for as long as events live. */
static void retry_event(struct invoke_call *ic, bool failed, const char *reason) {
    struct invoke_api *a = ic->api;
    uint64_t age_ns = loop_now_ns(a->loop) - ic->accepted_ns;
    ic->failures += failed;
    if (a->closing) {
        invoke_drop_event(ic, "closing");
    } else if (ic->failures > INVOKE_EVENT_RETRIES || age_ns > INVOKE_EVENT_AGE_MAX_NS) {
        invoke_drop_event(ic, reason);
    } else if (!invoke_retarget(ic)) {
        invoke_drop_event(ic, "function_gone");
    } else {
        deadline_arm(&a->retries, &ic->retry);
    }
}

static void on_done(struct function_call *c, const struct function_result *r) {
    struct invoke_call *ic = container_of(c, struct invoke_call, call);
    if (ic->event && r->outcome != FUNCTION_OK) {
        retry_event(ic, r->outcome != FUNCTION_THROTTLED, function_outcome_name(r->outcome));
        return;
    }
    if (ic->request) {
        ic->request->owner_data = NULL;
        if (r->outcome == FUNCTION_THROTTLED && !ic->begun) {
            invoke_refuse_throttled(ic->request);
        } else {
            invoke_answer(ic, r);
        }
    }
    call_free(ic);
}

/* A call without a caller takes what comes. */
static bool on_part(struct function_call *c, struct slice content_type, struct slice bytes) {
    struct invoke_call *ic = container_of(c, struct invoke_call, call);
    (void)content_type;
    return ic->request == NULL || invoke_answer_part(ic, bytes);
}

static int submit(struct invoke_call *ic) {
    if (ic->target->handler != NULL) {
        return invoke_native(ic);
    }
    return ic->target->function ? function_submit(ic->target->function, &ic->call)
                                : ERR_REFUSED;
}

static void submit_event(struct invoke_call *ic) {
    int error = submit(ic);
    if (error != 0) {
        retry_event(ic, error != ERR_BUSY, "function_init_failed");
    }
}

void invoke_on_retry(struct deadline_queue *q, struct deadline *d) {
    (void)q;
    submit_event(container_of(d, struct invoke_call, retry));
}

/* NULL, and r is answered, when memory is out. */
static struct invoke_call *call_new(struct invoke_api *a, struct server_request *r,
                                    const struct invoke_function *target,
                                    struct slice context) {
    struct slice body = r->http.body.len > 0 ? r->http.body : SLICE("{}");
    struct invoke_call *ic = calloc(1, sizeof *ic + body.len);
    if (ic == NULL) {
        invoke_refuse(r, 500, "ServiceException", "Service exception");
        return NULL;
    }
    ic->api = a;
    ic->target = target;
    ic->accepted_ns = loop_now_ns(a->loop);
    memcpy(ic->payload, body.ptr, body.len);
    memcpy(ic->request_id, r->request_id, sizeof ic->request_id);
    ic->call.payload = slice_of(ic->payload, body.len);
    if (context.len > 0) {
        memcpy(ic->context, context.ptr, context.len);
        ic->call.client_context = slice_of(ic->context, context.len);
    }
    ic->call.request_id = ic->request_id;
    ic->call.done = on_done;
    list_push_back(&a->calls, &ic->node);
    return ic;
}

void invoke_event(struct invoke_api *a, struct server_request *r,
                  const struct invoke_function *target, struct slice context) {
    if (a->events >= INVOKE_EVENTS_MAX ||
        a->event_bytes + r->http.body.len > INVOKE_EVENT_BYTES_MAX) {
        invoke_refuse_throttled(r);
        return;
    }
    struct invoke_call *ic = call_new(a, r, target, context);
    if (ic == NULL) {
        return;
    }
    ic->event = true;
    a->events++;
    a->event_bytes += ic->call.payload.len;
    server_respond(r, &(struct server_answer){.status = 202});
    submit_event(ic);
}

void invoke_now(struct invoke_api *a, struct server_request *r,
                const struct invoke_function *target, struct slice context, bool streams) {
    struct invoke_call *ic = call_new(a, r, target, context);
    if (ic == NULL) {
        return;
    }
    struct slice log_type = http_header_value(&r->http.headers, SLICE("X-Amz-Log-Type"));
    ic->request = r;
    ic->streams = streams;
    ic->call.part = streams ? on_part : NULL;
    ic->call.log = slice_eq(log_type, SLICE("Tail")) ? &ic->log : NULL;
    r->owner_data = ic;
    int error = submit(ic);
    if (error == 0) {
        return;
    }
    r->owner_data = NULL;
    if (error == ERR_BUSY) {
        invoke_refuse_throttled(r);
    } else {
        struct function_result failed = {.outcome = FUNCTION_INIT_FAILED,
                                         .error_type = SLICE("Runtime.ExitError")};
        if (ic->target->function != NULL) {
            function_tell_failure(ic->target->function, &failed);
        }
        invoke_answer(ic, &failed);
    }
    call_free(ic);
}
