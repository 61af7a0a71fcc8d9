/* A route's event to a function, and its answer to the caller.
 *
 * Happy path: function_invoke -> on_done with a whole response; or, of a streamed one on a
 * route that streams: on_part (the prelude, then the head goes out) -> on_part ... -> on_done.
 * Failure modes: nothing sent yet, an answer in the function's place; in the middle, the
 * client's connection is broken off. */
#include "lambda/function.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "lambda/payload.h"
#include "lambda/respond.h"

/* In the invocation's arena. */
struct route_call {
    struct function_call call;
    struct penstock_invocation *invocation;
    unsigned format;
    enum { ROUTE_WAITING, ROUTE_STREAMING, ROUTE_DROPPING } stage;
    struct buffer prelude; /* of a streamed response, until it is whole */
};

static void answer_wrong(struct penstock_invocation *i, unsigned status, const char *reason) {
    if (invocation_complete(i)) {
        respond_for_handler(i, status, reason);
        invocation_maybe_free(i);
    }
}

static void answer_bad(struct penstock_invocation *i, const char *wrong) {
    log_event(LOG_ERROR, "function_bad_response", log_str("request_id", i->request_id),
              log_str("function", i->handler->name), log_str("reason", wrong));
    answer_wrong(i, 502, wrong);
}

static void answer_ok(struct penstock_invocation *i, unsigned format,
                      const struct function_result *r) {
    struct penstock_response response;
    const char *wrong =
        r->streaming ? payload_read_streamed(r->content_type, r->payload, &i->arena, &response)
                     : payload_read(format, r->payload, &i->arena, &response);
    if (wrong != NULL) {
        answer_bad(i, wrong);
    } else {
        penstock_respond(i, &response);
    }
}

/* For Server-Timing: the wait for a process, and how long that has had the call. */
static void note_phases(const struct route_call *rc) {
    const struct penstock_invocation *i = rc->invocation;
    if (i->request == NULL) {
        return;
    }
    struct lambda_event *event = i->request->owner_data;
    uint64_t now = loop_now_ns(i->lambda->loop);
    uint64_t given = rc->call.given_ns ? rc->call.given_ns : now;
    event->phases.queue_ns = given - event->invoked_ns;
    event->phases.wait_ns = now - given;
}

/* ---- in parts ---- */

/* The head of an answer, and what has come of its body. False: no more for now. */
static bool begin(struct route_call *rc, struct slice content_type, struct slice bytes) {
    struct penstock_invocation *i = rc->invocation;
    struct penstock_response response;
    const char *wrong = payload_read_streamed(content_type, bytes, &i->arena, &response);
    rc->stage = ROUTE_DROPPING;
    note_phases(rc);
    if (wrong != NULL) {
        answer_bad(i, wrong);
        return true;
    }
    struct slice body = slice_in(response.body);
    response.body = (struct penstock_slice){NULL, 0};
    if (invocation_begin(i, &response) != 0) {
        return true;
    }
    rc->stage = ROUTE_STREAMING;
    return invocation_write(i, body);
}

static bool take_prelude(struct route_call *rc, struct slice content_type, struct slice bytes) {
    size_t before = rc->prelude.len;
    bool kept = buffer_append_slice(&rc->prelude, bytes) == 0;
    struct slice all = buffer_slice(&rc->prelude);
    size_t len = payload_find_prelude(all, before);
    if (!kept || (len == 0 ? all.len : len) > PAYLOAD_PRELUDE_MAX) {
        rc->stage = ROUTE_DROPPING;
        answer_bad(rc->invocation, "stream_prelude_too_large");
    }
    bool more = len == 0 || rc->stage == ROUTE_DROPPING || begin(rc, content_type, all);
    if (rc->stage != ROUTE_WAITING) {
        buffer_fini(&rc->prelude);
    }
    return more;
}

static bool on_part(struct function_call *c, struct slice content_type, struct slice bytes) {
    struct route_call *rc = container_of(c, struct route_call, call);
    switch (rc->stage) {
    case ROUTE_WAITING:
        return payload_has_prelude(content_type) ? take_prelude(rc, content_type, bytes)
                                                 : begin(rc, content_type, bytes);
    case ROUTE_STREAMING:
        return invocation_write(rc->invocation, bytes);
    case ROUTE_DROPPING:
        return true;
    }
    return true;
}

static void on_room(void *arg) {
    struct route_call *rc = arg;
    function_call_resume(&rc->call);
}

/* True: the caller has had an answer, or the beginning of one. */
static bool end_parts(struct route_call *rc, const struct function_result *r) {
    struct penstock_invocation *i = rc->invocation;
    if (rc->stage == ROUTE_STREAMING && r->outcome != FUNCTION_OK) {
        log_event(LOG_ERROR, "function_stream_broken", log_str("request_id", i->request_id),
                  log_str("function", i->handler->name),
                  log_str("reason", function_outcome_name(r->outcome)),
                  log_slice("error_type", r->error_type));
    }
    if (rc->stage == ROUTE_STREAMING) {
        invocation_end(i, r->outcome == FUNCTION_OK ? NULL : function_outcome_name(r->outcome));
    }
    return rc->stage != ROUTE_WAITING;
}

/* ---- the end ---- */

static void answer_result(struct route_call *rc, const struct function_result *r) {
    struct penstock_invocation *i = rc->invocation;
    struct function_result whole = *r;
    switch (r->outcome) {
    case FUNCTION_OK:
        if (r->in_parts) { /* an empty body, or half a prelude */
            whole.payload = buffer_slice(&rc->prelude);
        }
        answer_ok(i, rc->format, &whole);
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
}

static void on_done(struct function_call *c, const struct function_result *r) {
    struct route_call *rc = container_of(c, struct route_call, call);
    struct penstock_invocation *i = rc->invocation;
    i->works--;
    i->on_room = NULL;
    note_phases(rc);
    invocation_enter(i);
    if (!end_parts(rc, r)) {
        answer_result(rc, r);
    }
    buffer_fini(&rc->prelude);
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
    if (b->stream) {
        rc->call.part = on_part;
        i->on_room = on_room;
        i->on_room_arg = rc;
    }
    int error = function_submit(f, &rc->call);
    if (error != 0) {
        i->on_room = NULL;
        refuse(i, error);
        return;
    }
    i->works++;
}
