/* CORS as API Gateway's HTTP API does it (docs.aws.amazon.com, "Configure CORS for HTTP APIs";
 * fetch.spec.whatwg.org section 3.2 for the headers): preflight requests are answered here,
 * whatever routes there are; answers to requests with an Origin get the configured headers, and
 * those of a handler are left out. An origin that is not allowed gets no such header.
 * Immutable, shared by the workers. */
#ifndef GATEWAY_CORS_H
#define GATEWAY_CORS_H

#include "http/message.h"

#define CORS_ORIGINS_MAX 100
#define CORS_FIELDS_MAX  7 /* that cors_fields or cors_preflight writes at most */

struct cors {
    const struct slice *origins; /* https://www.example.com, *, or a scheme with :// and * */
    size_t origin_count;
    struct slice methods;        /* "GET,POST"; empty: no such header */
    struct slice headers;        /* "content-type,x-api-key" */
    struct slice expose_headers; /* "x-amzn-requestid" */
    struct slice max_age;        /* seconds, as text */
    int credentials;
};

/* Whether an allow_origins entry is one of the four forms. */
int cors_origin_valid(struct slice origin);
/* OPTIONS with Origin and Access-Control-Request-Method. */
int cors_is_preflight(const struct http_request *head);
/* The fields of the answer to a preflight (204), or of any other answer to a request with these
 * headers. Slices point into the definition and the request. Returns how many. */
size_t cors_preflight(const struct cors *c, const struct http_headers *request,
                      struct http_header out[CORS_FIELDS_MAX]);
size_t cors_fields(const struct cors *c, const struct http_headers *request,
                   struct http_header out[CORS_FIELDS_MAX]);
/* Whether a handler's field is one that only we may send. */
int cors_owns_field(struct slice name);

#endif
