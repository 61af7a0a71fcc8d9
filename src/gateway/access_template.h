/* An access log line as API Gateway's users write it: text with $context variables
 * (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
 * and api-gateway-variables-for-access-logging.html). Compiled once; immutable, shared.
 *
 * Values are escaped as in a JSON string, so that no value of a client's ends a line or a
 * string. What is missing is "-". Variables of AWS that mean nothing here are known, and always
 * missing; identity.apiKey is a secret, and is, too. */
#ifndef GATEWAY_ACCESS_TEMPLATE_H
#define GATEWAY_ACCESS_TEMPLATE_H

#include "gateway/access_log.h"

#define ACCESS_TEMPLATE_MAX        3072 /* bytes, as API Gateway's */
#define ACCESS_TEMPLATE_PIECES_MAX 128  /* variables, and the text between them */

struct access_template;

/* NULL with a reason that names the variable and the nearest known one. Aborts when memory is
 * out. */
struct access_template *access_template_new(struct slice text, char reason[240]);
void access_template_free(struct access_template *t);

/* Replaces the contents of `out` by the line, without its newline; one over ACCESS_LINE_MAX is
 * cut. 0 or ERR_NOMEM. */
MUST_CHECK int access_template_format(const struct access_template *t,
                                      const struct access_entry *e, struct buffer *out);

#endif
