/* JSON as API Gateway has it, in the making: events, and answers in their form. */
#ifndef LAMBDA_JSON_OUT_H
#define LAMBDA_JSON_OUT_H

#include "base/buffer.h"
#include "http/message.h"
#include "http/url.h"

/* The first error stays, and nothing is written after it. */
struct json_out {
    struct buffer *to;
    int error;
    bool comma; /* before the next member */
};

void out_put(struct json_out *j, struct slice s); /* as it is */
void out_string(struct json_out *j, struct slice s);
void out_base64(struct json_out *j, struct slice bytes); /* a string */
/* Before an element of an array. */
void out_separate(struct json_out *j);
void out_begin(struct json_out *j, struct slice bracket);
void out_end(struct json_out *j, struct slice bracket);
void out_name(struct json_out *j, struct slice text);
void out_member(struct json_out *j, const char *key, struct slice value);
void out_member_raw(struct json_out *j, const char *key, struct slice value);
void out_member_object(struct json_out *j, const char *key);

/* Names that repeat: headers (in any case) or parameters, seen as one list. */
struct out_pairs {
    const struct url_pair *pairs; /* or */
    const struct http_header *headers;
    size_t count;
    struct slice skip; /* a header that stands apart; empty: none */
    bool lower;        /* names in lower case */
};

/* {"a":"last value",...} or null */
void out_single_values(struct json_out *j, const char *key, const struct out_pairs *p);
/* {"a":["each","value"],...} or null */
void out_multi_values(struct json_out *j, const char *key, const struct out_pairs *p);
/* {"a":"each,value",...}; left out when there is none */
void out_joined_values(struct json_out *j, const char *key, const struct out_pairs *p);
/* ["each","value"] of `skip`; left out when there is none */
void out_skipped_values(struct json_out *j, const char *key, const struct out_pairs *p);

#endif
