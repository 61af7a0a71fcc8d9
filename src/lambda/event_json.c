/* The event as API Gateway's JSON, payload formats 1.0 and 2.0 (facts: aws 1.2 and 1.3; the
 * developer guide, "Working with AWS Lambda proxy integrations for HTTP APIs").
 *
 * 1.0: header names as sent, an absent collection is null. 2.0: header names in lower case,
 * repeated values joined with ",", cookies apart, an absent member is left out. */
#include "lambda/impl.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/hex.h"
#include "lambda/text.h"

#include <stdio.h>

/* One JSON text in the making: the first error stays, and nothing is written after it. */
struct json_out {
    struct buffer *to;
    int error;
    bool comma; /* before the next member */
};

static void put(struct json_out *j, struct slice s) {
    j->error = j->error ? j->error : buffer_append_slice(j->to, s);
}

static void put_string(struct json_out *j, struct slice s) {
    j->error = j->error ? j->error : text_json_string(j->to, s);
}

static void separate(struct json_out *j) {
    if (j->comma) {
        put(j, SLICE(","));
    }
    j->comma = true;
}

static void begin(struct json_out *j, struct slice bracket) {
    put(j, bracket);
    j->comma = false;
}

static void end(struct json_out *j, struct slice bracket) {
    put(j, bracket);
    j->comma = true;
}

static void name(struct json_out *j, struct slice text) {
    separate(j);
    put_string(j, text);
    put(j, SLICE(":"));
}

static void member(struct json_out *j, const char *key, struct slice value) {
    name(j, slice_cstr(key));
    put_string(j, value);
}

static void member_raw(struct json_out *j, const char *key, struct slice value) {
    name(j, slice_cstr(key));
    put(j, value);
}

static void member_object(struct json_out *j, const char *key) {
    name(j, slice_cstr(key));
    begin(j, SLICE("{"));
}

/* ---- names that repeat: headers and query parameters seen as one list of pairs ---- */

struct pairs {
    const struct url_pair *pairs; /* or */
    const struct http_header *headers;
    size_t count;
    bool skip_cookies;
};

static struct slice pair_name(const struct pairs *p, size_t k) {
    return p->headers ? p->headers[k].name : p->pairs[k].name;
}

static struct slice pair_value(const struct pairs *p, size_t k) {
    return p->headers ? p->headers[k].value : p->pairs[k].value;
}

static bool same_name(const struct pairs *p, size_t a, size_t b) {
    return p->headers ? slice_eq_nocase(pair_name(p, a), pair_name(p, b))
                      : slice_eq(pair_name(p, a), pair_name(p, b));
}

static bool skipped(const struct pairs *p, size_t k) {
    return p->skip_cookies && slice_eq_nocase(pair_name(p, k), SLICE("cookie"));
}

/* The first of its name: the one that stands for all. */
static bool leads(const struct pairs *p, size_t k) {
    if (skipped(p, k)) {
        return false;
    }
    for (size_t before = 0; before < k; before++) {
        if (same_name(p, before, k)) {
            return false;
        }
    }
    return true;
}

static size_t last_of(const struct pairs *p, size_t k) {
    size_t last = k;
    for (size_t at = k + 1; at < p->count; at++) {
        last = same_name(p, at, k) ? at : last;
    }
    return last;
}

static bool any(const struct pairs *p) {
    for (size_t k = 0; k < p->count; k++) {
        if (!skipped(p, k)) {
            return true;
        }
    }
    return false;
}

/* {"a":"last value",...} or null */
static void single_values(struct json_out *j, const char *key, const struct pairs *p) {
    if (p->count == 0) {
        member_raw(j, key, SLICE("null"));
        return;
    }
    member_object(j, key);
    for (size_t k = 0; k < p->count; k++) {
        if (leads(p, k)) {
            name(j, pair_name(p, k));
            put_string(j, pair_value(p, last_of(p, k)));
        }
    }
    end(j, SLICE("}"));
}

/* {"a":["each","value"],...} or null */
static void multi_values(struct json_out *j, const char *key, const struct pairs *p) {
    if (p->count == 0) {
        member_raw(j, key, SLICE("null"));
        return;
    }
    member_object(j, key);
    for (size_t k = 0; k < p->count; k++) {
        if (!leads(p, k)) {
            continue;
        }
        name(j, pair_name(p, k));
        begin(j, SLICE("["));
        for (size_t at = k; at < p->count; at++) {
            if (same_name(p, at, k)) {
                separate(j);
                put_string(j, pair_value(p, at));
            }
        }
        end(j, SLICE("]"));
    }
    end(j, SLICE("}"));
}

static void put_lower(struct json_out *j, struct slice s) {
    size_t start = j->to->len;
    put_string(j, s);
    char *text = buffer_begin(j->to);
    for (size_t k = start; j->error == 0 && k < j->to->len; k++) {
        text[k] = text[k] >= 'A' && text[k] <= 'Z' ? (char)(text[k] | 0x20) : text[k];
    }
}

static void put_escaped(struct json_out *j, struct slice s) {
    j->error = j->error ? j->error : text_json_escape(j->to, s);
}

/* {"a":"each,value",...}; left out when there is none */
static void joined_values(struct json_out *j, const char *key, const struct pairs *p) {
    if (!any(p)) {
        return;
    }
    member_object(j, key);
    for (size_t k = 0; k < p->count; k++) {
        if (!leads(p, k)) {
            continue;
        }
        separate(j);
        if (p->headers) {
            put_lower(j, pair_name(p, k));
        } else {
            put_string(j, pair_name(p, k));
        }
        put(j, SLICE(":\""));
        for (size_t at = k; at < p->count; at++) {
            if (same_name(p, at, k)) {
                put(j, at == k ? SLICE_EMPTY : SLICE(","));
                put_escaped(j, pair_value(p, at));
            }
        }
        put(j, SLICE("\""));
    }
    end(j, SLICE("}"));
}

/* ---- the body ---- */

static bool body_is_text(const struct http_request *http) {
    return text_media_type(http_header_value(&http->headers, SLICE("content-type"))) &&
           text_utf8_valid(http->body);
}

static void put_base64(struct json_out *j, struct slice bytes) {
    size_t len = BASE64_ENCODED_LEN(bytes.len);
    j->error = j->error ? j->error : buffer_reserve(j->to, len);
    if (j->error == 0) {
        buffer_grow(j->to, base64_encode((const unsigned char *)bytes.ptr, bytes.len,
                                         buffer_tail(j->to)));
    }
}

static void put_body(struct json_out *j, const struct http_request *http,
                     bool null_when_empty) {
    bool text = http->body.len == 0 || body_is_text(http);
    if (http->body.len == 0) {
        if (null_when_empty) {
            member_raw(j, "body", SLICE("null"));
        }
    } else if (text) {
        member(j, "body", http->body);
    } else {
        name(j, SLICE("body"));
        put(j, SLICE("\""));
        put_base64(j, http->body);
        put(j, SLICE("\""));
    }
    member_raw(j, "isBase64Encoded", text ? SLICE("false") : SLICE("true"));
}

/* ---- what both formats say of the request ---- */

struct facts {
    const struct penstock_invocation *i;
    const struct http_request *http;
    const struct lambda_event *event;
    const struct lambda_options *options;
    struct slice domain;
    struct slice user_agent;
    struct slice request_id;
    char source_ip[NET_ADDRESS_TEXT_MAX];
    char time[27];
    char epoch[24];
};

static void facts_init(struct facts *f, const struct penstock_invocation *i) {
    f->i = i;
    f->http = &i->request->http;
    f->event = i->event;
    f->options = &i->lambda->options;
    f->domain = event_domain(f->http->host);
    f->user_agent = http_header_value(&f->http->headers, SLICE("user-agent"));
    f->request_id = slice_cstr(i->request_id);
    net_address_format_ip(&i->request->peer, f->source_ip);
    clock_format_clf(i->epoch_ms / 1000, f->time);
    snprintf(f->epoch, sizeof(f->epoch), "%llu", (unsigned long long)i->epoch_ms);
}

static struct slice domain_prefix(struct slice domain) {
    return slice_of(domain.ptr, slice_find(domain, '.'));
}

static void api_members(struct json_out *j, const struct facts *f) {
    member(j, "accountId", slice_cstr(f->options->account_id));
    member(j, "apiId", slice_cstr(f->options->api_id));
    member(j, "domainName", f->domain);
    member(j, "domainPrefix", domain_prefix(f->domain));
}

/* ---- 1.0 ---- */

static void identity_1(struct json_out *j, const struct facts *f) {
    static const char *const absent[] = {
        "accessKey",
        "accountId",
        "caller",
        "cognitoAuthenticationProvider",
        "cognitoAuthenticationType",
        "cognitoIdentityId",
        "cognitoIdentityPoolId",
        "principalOrgId",
        "user",
        "userArn",
    };
    member_object(j, "identity");
    for (size_t k = 0; k < sizeof(absent) / sizeof(absent[0]); k++) {
        member_raw(j, absent[k], SLICE("null"));
    }
    if (f->event->api_key_id.len > 0) {
        member(j, "apiKey", http_header_value(&f->http->headers, SLICE("x-api-key")));
        member(j, "apiKeyId", f->event->api_key_id);
    }
    member(j, "sourceIp", slice_cstr(f->source_ip));
    if (f->user_agent.ptr != NULL) {
        member(j, "userAgent", f->user_agent);
    } else {
        member_raw(j, "userAgent", SLICE("null"));
    }
    end(j, SLICE("}"));
}

static void context_1(struct json_out *j, const struct facts *f) {
    member_object(j, "requestContext");
    api_members(j, f);
    member_raw(j, "authorizer", SLICE("{\"claims\":null,\"scopes\":null}"));
    member(j, "extendedRequestId", f->request_id);
    member(j, "httpMethod", event_method(f->http));
    identity_1(j, f);
    member(j, "path", f->event->raw_path);
    member(j, "protocol", event_protocol(f->http));
    member(j, "requestId", f->request_id);
    member(j, "requestTime", slice_cstr(f->time));
    member_raw(j, "requestTimeEpoch", slice_cstr(f->epoch));
    member_raw(j, "resourceId", SLICE("null"));
    member(j, "resourcePath", event_resource_path(f->event->route_key));
    member(j, "stage", slice_cstr(f->options->stage));
    end(j, SLICE("}"));
}

static void event_1(struct json_out *j, const struct facts *f) {
    struct pairs headers = {.headers = f->http->headers.items, .count = f->http->headers.count};
    struct pairs query = {.pairs = f->event->query_parameters,
                          .count = f->event->query_parameter_count};
    struct pairs path = {.pairs = f->event->path_parameters,
                         .count = f->event->path_parameter_count};
    struct pairs stage = {.pairs = f->options->stage_variables,
                          .count = f->options->stage_variable_count};
    begin(j, SLICE("{"));
    member(j, "version", SLICE("1.0"));
    member(j, "resource", event_resource_path(f->event->route_key));
    member(j, "path", f->event->path);
    member(j, "httpMethod", event_method(f->http));
    single_values(j, "headers", &headers);
    multi_values(j, "multiValueHeaders", &headers);
    single_values(j, "queryStringParameters", &query);
    multi_values(j, "multiValueQueryStringParameters", &query);
    context_1(j, f);
    single_values(j, "pathParameters", &path);
    single_values(j, "stageVariables", &stage);
    put_body(j, f->http, true);
    end(j, SLICE("}"));
}

/* ---- 2.0 ---- */

static void cookies_2(struct json_out *j, const struct http_request *http) {
    bool found = false;
    for (size_t k = 0; k < http->headers.count; k++) {
        if (!slice_eq_nocase(http->headers.items[k].name, SLICE("cookie"))) {
            continue;
        }
        if (!found) {
            name(j, SLICE("cookies"));
            begin(j, SLICE("["));
            found = true;
        }
        for (struct slice rest = http->headers.items[k].value; rest.len > 0;) {
            struct slice cookie = slice_trim(slice_split(rest, ';', &rest));
            if (cookie.len > 0) {
                separate(j);
                put_string(j, cookie);
            }
        }
    }
    if (found) {
        end(j, SLICE("]"));
    }
}

static void context_2(struct json_out *j, const struct facts *f) {
    member_object(j, "requestContext");
    api_members(j, f);
    member_object(j, "http");
    member(j, "method", event_method(f->http));
    member(j, "path", f->event->raw_path);
    member(j, "protocol", event_protocol(f->http));
    member(j, "sourceIp", slice_cstr(f->source_ip));
    member(j, "userAgent", f->user_agent);
    end(j, SLICE("}"));
    member(j, "requestId", f->request_id);
    member(j, "routeKey", f->event->route_key);
    member(j, "stage", slice_cstr(f->options->stage));
    member(j, "time", slice_cstr(f->time));
    member_raw(j, "timeEpoch", slice_cstr(f->epoch));
    end(j, SLICE("}"));
}

static void event_2(struct json_out *j, const struct facts *f) {
    struct pairs headers = {.headers = f->http->headers.items,
                            .count = f->http->headers.count,
                            .skip_cookies = true};
    struct pairs query = {.pairs = f->event->query_parameters,
                          .count = f->event->query_parameter_count};
    struct pairs path = {.pairs = f->event->path_parameters,
                         .count = f->event->path_parameter_count};
    struct pairs stage = {.pairs = f->options->stage_variables,
                          .count = f->options->stage_variable_count};
    begin(j, SLICE("{"));
    member(j, "version", SLICE("2.0"));
    member(j, "routeKey", f->event->route_key);
    member(j, "rawPath", f->event->raw_path);
    member(j, "rawQueryString", f->event->raw_query);
    cookies_2(j, f->http);
    joined_values(j, "headers", &headers);
    joined_values(j, "queryStringParameters", &query);
    context_2(j, f);
    joined_values(j, "pathParameters", &path);
    joined_values(j, "stageVariables", &stage);
    put_body(j, f->http, false);
    end(j, SLICE("}"));
}

struct penstock_slice penstock_event_json(struct penstock_invocation *i, const char *version) {
    bool first = version != NULL && strcmp(version, "1.0") == 0;
    bool second = version != NULL && strcmp(version, "2.0") == 0;
    if (i->request == NULL || (!first && !second)) {
        return (struct penstock_slice){NULL, 0};
    }
    struct facts f;
    facts_init(&f, i);
    struct buffer *scratch = &i->lambda->scratch;
    buffer_reset(scratch, LAMBDA_SCRATCH_KEEP);
    struct json_out j = {.to = scratch};
    if (first) {
        event_1(&j, &f);
    } else {
        event_2(&j, &f);
    }
    if (j.error != 0) {
        return (struct penstock_slice){NULL, 0};
    }
    struct slice copy = arena_copy(&i->arena, buffer_slice(scratch));
    buffer_reset(scratch, LAMBDA_SCRATCH_KEEP);
    return slice_out(copy);
}
