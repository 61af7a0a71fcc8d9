/* The event as API Gateway's JSON, payload formats 1.0 and 2.0 (facts: aws 1.2 and 1.3; the
 * developer guide, "Working with AWS Lambda proxy integrations for HTTP APIs").
 *
 * 1.0: header names as sent, an absent collection is null. 2.0: header names in lower case,
 * repeated values joined with ",", cookies apart, an absent member is left out. */
#include "lambda/impl.h"

#include "base/clock.h"
#include "base/error.h"
#include "lambda/json_out.h"
#include "lambda/text.h"

#include <stdio.h>

/* ---- the body ---- */

static bool body_is_text(const struct http_request *http) {
    return text_media_type(http_header_value(&http->headers, SLICE("content-type"))) &&
           text_utf8_valid(http->body);
}

static void put_body(struct json_out *j, const struct http_request *http,
                     bool null_when_empty) {
    bool text = http->body.len == 0 || body_is_text(http);
    if (http->body.len == 0) {
        if (null_when_empty) {
            out_member_raw(j, "body", SLICE("null"));
        }
    } else if (text) {
        out_member(j, "body", http->body);
    } else {
        out_name(j, SLICE("body"));
        out_base64(j, http->body);
    }
    out_member_raw(j, "isBase64Encoded", text ? SLICE("false") : SLICE("true"));
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
    out_member(j, "accountId", slice_cstr(f->options->account_id));
    out_member(j, "apiId", slice_cstr(f->options->api_id));
    out_member(j, "domainName", f->domain);
    out_member(j, "domainPrefix", domain_prefix(f->domain));
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
    out_member_object(j, "identity");
    for (size_t k = 0; k < sizeof(absent) / sizeof(absent[0]); k++) {
        out_member_raw(j, absent[k], SLICE("null"));
    }
    if (f->event->api_key_id.len > 0) {
        out_member(j, "apiKey", http_header_value(&f->http->headers, SLICE("x-api-key")));
        out_member(j, "apiKeyId", f->event->api_key_id);
    }
    out_member(j, "sourceIp", slice_cstr(f->source_ip));
    if (f->user_agent.ptr != NULL) {
        out_member(j, "userAgent", f->user_agent);
    } else {
        out_member_raw(j, "userAgent", SLICE("null"));
    }
    out_end(j, SLICE("}"));
}

static void context_1(struct json_out *j, const struct facts *f) {
    out_member_object(j, "requestContext");
    api_members(j, f);
    out_member_raw(j, "authorizer", SLICE("{\"claims\":null,\"scopes\":null}"));
    out_member(j, "extendedRequestId", f->request_id);
    out_member(j, "httpMethod", event_method(f->http));
    identity_1(j, f);
    out_member(j, "path", f->event->raw_path);
    out_member(j, "protocol", event_protocol(f->http));
    out_member(j, "requestId", f->request_id);
    out_member(j, "requestTime", slice_cstr(f->time));
    out_member_raw(j, "requestTimeEpoch", slice_cstr(f->epoch));
    out_member_raw(j, "resourceId", SLICE("null"));
    out_member(j, "resourcePath", event_resource_path(f->event->route_key));
    out_member(j, "stage", event_stage(f->i));
    out_end(j, SLICE("}"));
}

/* What both formats have as maps. */
struct lists {
    struct out_pairs headers, query, path, stage;
};

static struct lists lists_of(const struct facts *f) {
    struct lists l = {
        .headers = {.headers = f->http->headers.items, .count = f->http->headers.count},
        .query = {.pairs = f->event->query_parameters,
                  .count = f->event->query_parameter_count},
        .path = {.pairs = f->event->path_parameters, .count = f->event->path_parameter_count},
    };
    l.stage.pairs = event_stage_variables(f->i, &l.stage.count);
    return l;
}

static void event_1(struct json_out *j, const struct facts *f) {
    struct lists l = lists_of(f);
    out_begin(j, SLICE("{"));
    out_member(j, "version", SLICE("1.0"));
    out_member(j, "resource", event_resource_path(f->event->route_key));
    out_member(j, "path", f->event->path);
    out_member(j, "httpMethod", event_method(f->http));
    out_single_values(j, "headers", &l.headers);
    out_multi_values(j, "multiValueHeaders", &l.headers);
    out_single_values(j, "queryStringParameters", &l.query);
    out_multi_values(j, "multiValueQueryStringParameters", &l.query);
    context_1(j, f);
    out_single_values(j, "pathParameters", &l.path);
    out_single_values(j, "stageVariables", &l.stage);
    put_body(j, f->http, true);
    out_end(j, SLICE("}"));
}

/* ---- 2.0 ---- */

static void cookies_2(struct json_out *j, const struct http_request *http) {
    bool found = false;
    for (size_t k = 0; k < http->headers.count; k++) {
        if (!slice_eq_nocase(http->headers.items[k].name, SLICE("cookie"))) {
            continue;
        }
        if (!found) {
            out_name(j, SLICE("cookies"));
            out_begin(j, SLICE("["));
            found = true;
        }
        for (struct slice rest = http->headers.items[k].value; rest.len > 0;) {
            struct slice cookie = slice_trim(slice_split(rest, ';', &rest));
            if (cookie.len > 0) {
                out_separate(j);
                out_string(j, cookie);
            }
        }
    }
    if (found) {
        out_end(j, SLICE("]"));
    }
}

static void context_2(struct json_out *j, const struct facts *f) {
    out_member_object(j, "requestContext");
    api_members(j, f);
    out_member_object(j, "http");
    out_member(j, "method", event_method(f->http));
    out_member(j, "path", f->event->raw_path);
    out_member(j, "protocol", event_protocol(f->http));
    out_member(j, "sourceIp", slice_cstr(f->source_ip));
    out_member(j, "userAgent", f->user_agent);
    out_end(j, SLICE("}"));
    out_member(j, "requestId", f->request_id);
    out_member(j, "routeKey", f->event->route_key);
    out_member(j, "stage", event_stage(f->i));
    out_member(j, "time", slice_cstr(f->time));
    out_member_raw(j, "timeEpoch", slice_cstr(f->epoch));
    out_end(j, SLICE("}"));
}

static void event_2(struct json_out *j, const struct facts *f) {
    struct lists l = lists_of(f);
    l.headers.skip = SLICE("cookie");
    l.headers.lower = true;
    out_begin(j, SLICE("{"));
    out_member(j, "version", SLICE("2.0"));
    out_member(j, "routeKey", f->event->route_key);
    out_member(j, "rawPath", f->event->raw_path);
    out_member(j, "rawQueryString", f->event->raw_query);
    cookies_2(j, f->http);
    out_joined_values(j, "headers", &l.headers);
    out_joined_values(j, "queryStringParameters", &l.query);
    context_2(j, f);
    out_joined_values(j, "pathParameters", &l.path);
    out_joined_values(j, "stageVariables", &l.stage);
    put_body(j, f->http, false);
    out_end(j, SLICE("}"));
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
