/* An invocation that is answered in parts: completed with the head, the request kept until the
 * last part. Its owner holds it with `works` meanwhile.
 *
 * Happy path: invocation_begin -> invocation_write ... -> invocation_end. Failure modes: a head
 * that must not be sent is answered 502, and nothing more is to be written; a client that
 * leaves takes everything from then on. */
#include "lambda/respond.h"

#include "base/error.h"
#include "server/parts.h"

int invocation_begin(struct penstock_invocation *i, const struct penstock_response *response) {
    struct http_header fields[HTTP_HEADERS_MAX];
    struct server_answer answer = {0};
    ASSERT(i->works > 0);
    if (!invocation_complete(i)) {
        return ERR_CLOSED;
    }
    const char *wrong = respond_check(response, fields, &answer);
    if (answer.content_type.len == 0) {
        answer.content_type = SLICE("application/octet-stream");
    }
    if (wrong == NULL && i->request != NULL && server_begin(i->request, &answer) != 0) {
        wrong = "bad_answer";
    }
    if (wrong != NULL) {
        respond_refuse(i, wrong);
        return ERR_INVALID;
    }
    return 0;
}

bool invocation_write(struct penstock_invocation *i, struct slice part) {
    return i->request == NULL || server_write(i->request, part);
}

void invocation_end(struct penstock_invocation *i, const char *broken) {
    struct server_request *request = i->request;
    if (request == NULL) {
        return;
    }
    ((struct lambda_event *)request->owner_data)->invocation = NULL;
    i->request = NULL;
    i->event = NULL;
    if (broken != NULL) {
        server_abort(request, broken);
    } else {
        server_end(request);
    }
}

void lambda_room(struct server_request *request) {
    const struct lambda_event *event = request->owner_data;
    struct penstock_invocation *i = event->invocation;
    ASSERT(i != NULL && i->on_room != NULL);
    i->on_room(i->on_room_arg);
}
