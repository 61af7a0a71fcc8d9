/* The Runtime API of a slot, private to lambda/'s functions. */
#ifndef LAMBDA_RUNTIME_H
#define LAMBDA_RUNTIME_H

#include "lambda/function_impl.h"

/* runtime_api.c */
extern const struct server_events runtime_api_events; /* the owner is the slot */
/* Answers the newest parked request with the call's payload. */
void runtime_api_give(struct function_slot *s, struct function_call *c);
/* The process is gone: its parked requests are answered and closed. */
void runtime_api_drop_parked(struct function_slot *s);

/* Reads what the process has printed until now, then function_finish. */
void runtime_api_finish(struct function_slot *s, struct function_call *c,
                        struct function_result *result);
void runtime_api_answer_accepted(struct server_request *r);
/* Static words only: nothing needs escaping. */
void runtime_api_answer_error(struct server_request *r, unsigned status, const char *type,
                              const char *message);
/* For a call that the slot does not have (any more). */
void runtime_api_answer_wrong_id(const struct function_slot *s, struct server_request *r,
                                 struct slice request_id);

/* The error as the function tells it, cut to what a log line holds. */
void runtime_log_error(const struct function_slot *s, const char *event, const char *request_id,
                       struct slice error_type, struct slice body);

/* runtime_response.c: what the process posts for a call, in parts; r->owner_data is its own. */
void runtime_response_begin(struct function_slot *s, struct server_request *r,
                            struct slice request_id, bool error);
void runtime_response_part(struct server_request *r, struct slice part, int last);
void runtime_response_abandon(struct server_request *r);
/* The call has ended: what still comes is dropped. True: the caller has had parts of it. */
bool runtime_response_detach(struct function_call *c);

#endif
