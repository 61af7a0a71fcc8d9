/* A route's event to a function, and its answer to the caller. */
#include "lambda/function.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "lambda/impl.h"
#include "lambda/payload.h"

/* In the invocation's arena. */
struct route_call {
    struct function_call call;
    struct penstock_invocation *invocation;
    unsigned format;
};

static void answer_wrong(struct penstock_invocation *i, unsigned status, const char *reason) {
    if (invocation_complete(i)) {
        respond_for_handler(i, status, reason);
        invocation_maybe_free(i);
    }
}

static void answer_ok(struct penstock_invocation *i, unsigned format,
                      const struct function_result *r) {
    struct penstock_response response;
    const char *wrong =
        r->streaming ? payload_read_streamed(r->content_type, r->payload, &i->arena, &response)
                     : payload_read(format, r->payload, &i->arena, &response);
    if (wrong != NULL) {
        log_event(LOG_ERROR, "function_bad_response", log_str("request_id", i->request_id),
                  log_str("function", i->handler->name), log_str("reason", wrong));
        answer_wrong(i, 502, wrong);
    } else {
        penstock_respond(i, &response);
    }
}

static void on_done(struct function_call *c, const struct function_result *r) {
    struct route_call *rc = container_of(c, struct route_call, call);
    struct penstock_invocation *i = rc->invocation;
    unsigned format = rc->format;
    i->works--;
    invocation_enter(i);
    switch (r->outcome) {
    case FUNCTION_OK:
        answer_ok(i, format, r);
        break;
    case FUNCTION_THROTTLED:
        penstock_respond_message(i, 429, "Too Many Requests", "function_throttled");
        break;
    case FUNCTION_TIMEOUT:
        answer_wrong(i, 504, "function_timeout");
        break;
    case FUNCTION_ERROR:
    case FUNCTION_EXITED:
    case FUNCTION_INIT_FAILED:
    case FUNCTION_TOO_LARGE:
    case FUNCTION_BAD_RESPONSE:
        answer_wrong(i, 502, function_outcome_name(r->outcome));
        break;
    }
    invocation_leave(i);
}

static void refuse(struct penstock_invocation *i, int error) {
    if (error == ERR_LIMIT) {
        penstock_respond_message(i, 413, "Request Too Long", "function_event_too_large");
    } else if (error == ERR_BUSY) {
        penstock_respond_message(i, 429, "Too Many Requests", "function_queue_full");
    } else if (error == ERR_NOMEM) {
        penstock_respond_message(i, 503, "Service Unavailable", "no_memory");
    } else {
        answer_wrong(i, 502, "function_init_failed");
    }
}

void function_invoke(struct penstock_invocation *i, void *binding) {
    const struct function_binding *b = binding;
    struct function *f = b->workers[lambda_worker(i->lambda)];
    if (f == NULL) {
        answer_wrong(i, 502, "function_init_failed");
        return;
    }
    struct route_call *rc = penstock_alloc(i, sizeof(*rc));
    unsigned format = b->payload_format ? b->payload_format : function_payload_format(f);
    struct penstock_slice event = penstock_event_json(i, format == 1 ? "1.0" : "2.0");
    if (rc == NULL || event.ptr == NULL) {
        refuse(i, ERR_NOMEM);
        return;
    }
    *rc = (struct route_call){.invocation = i, .format = format};
    rc->call.payload = slice_in(event);
    rc->call.request_id = i->request_id;
    rc->call.trace_id = slice_in(penstock_header(i, "X-Amzn-Trace-Id"));
    rc->call.done = on_done;
    int error = function_submit(f, &rc->call);
    if (error != 0) {
        refuse(i, error);
        return;
    }
    /* From here on the function answers in any case: waiting and running have their own limits.
     */
    i->works++;
    deadline_disarm(&i->deadline);
}
