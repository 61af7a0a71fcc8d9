#include "gateway/access_template.h"

#include "base/clock.h"
#include "base/distance.h"
#include "base/error.h"
#include "gateway/access.h"
#include "http/url.h"
#include "lambda/text.h"

#include <stdio.h>
#include <stdlib.h>

#define PREFIX "$context."

typedef int (*render_fn)(const struct access_entry *e, struct buffer *out);

/* ---- the variables ---- */

static int put_text(struct buffer *out, struct slice value, size_t max) {
    if (value.len == 0) {
        return buffer_append(out, "-", 1);
    }
    return text_json_escape(out, slice_of(value.ptr, value.len < max ? value.len : max));
}

static int put_number(struct buffer *out, uint64_t number) {
    return buffer_printf(out, "%llu", (unsigned long long)number);
}

static int missing(const struct access_entry *e, struct buffer *out) {
    (void)e;
    return buffer_append(out, "-", 1);
}

static int request_id(const struct access_entry *e, struct buffer *out) {
    return put_text(out, e->request ? slice_cstr(e->request->request_id) : SLICE_EMPTY, 36);
}

static int request_time(const struct access_entry *e, struct buffer *out) {
    char text[27];
    clock_format_clf(e->wall_ms / 1000, text);
    return put_text(out, slice_cstr(text), sizeof text);
}

static int request_time_epoch(const struct access_entry *e, struct buffer *out) {
    return put_number(out, e->wall_ms);
}

static int http_method(const struct access_entry *e, struct buffer *out) {
    return put_text(out, e->request ? e->request->http.method_text : SLICE_EMPTY, 16);
}

static int path(const struct access_entry *e, struct buffer *out) {
    return put_text(out, access_log_path(e->request), ACCESS_PATH_MAX);
}

static int protocol(const struct access_entry *e, struct buffer *out) {
    if (e->request == NULL) {
        return missing(e, out);
    }
    return buffer_append_slice(out,
                               e->request->http.minor ? SLICE("HTTP/1.1") : SLICE("HTTP/1.0"));
}

static int route_key(const struct access_entry *e, struct buffer *out) {
    return put_text(out, e->route_key, ACCESS_PATH_MAX);
}

/* "POST /music" -> "/music"; "$default" stays. */
static int resource_path(const struct access_entry *e, struct buffer *out) {
    struct slice rest;
    struct slice first = slice_split(e->route_key, ' ', &rest);
    return put_text(out, rest.len > 0 ? rest : first, ACCESS_PATH_MAX);
}

static int domain_name(const struct access_entry *e, struct buffer *out) {
    struct slice rest;
    struct slice host = e->request ? e->request->http.host : SLICE_EMPTY;
    return put_text(
        out, host.len > 0 && host.ptr[0] != '[' ? slice_split(host, ':', &rest) : host, 255);
}

static int domain_prefix(const struct access_entry *e, struct buffer *out) {
    struct slice rest;
    struct slice host = e->request ? e->request->http.host : SLICE_EMPTY;
    host = slice_split(host, ':', &rest);
    return put_text(out, slice_split(host, '.', &rest), 63);
}

static int source_ip(const struct access_entry *e, struct buffer *out) {
    char ip[NET_ADDRESS_TEXT_MAX];
    if (e->request == NULL) {
        return missing(e, out);
    }
    net_address_format_ip(&e->request->peer, ip);
    return put_text(out, slice_cstr(ip), sizeof ip);
}

static int user_agent(const struct access_entry *e, struct buffer *out) {
    return put_text(out,
                    e->request
                        ? http_header_value(&e->request->http.headers, SLICE("user-agent"))
                        : SLICE_EMPTY,
                    ACCESS_USER_AGENT_MAX);
}

static int api_key_id(const struct access_entry *e, struct buffer *out) {
    return put_text(out, e->api_key_id, 256);
}

static int trace_id(const struct access_entry *e, struct buffer *out) {
    if (e->trace_root.len == 0) {
        return missing(e, out);
    }
    int error = buffer_append_slice(out, SLICE("Root="));
    return error ? error : put_text(out, e->trace_root, 64);
}

static int stage(const struct access_entry *e, struct buffer *out) {
    return put_text(out, slice_cstr(e->stage ? e->stage : ""), 128);
}

static int account_id(const struct access_entry *e, struct buffer *out) {
    (void)e;
    return buffer_append_slice(out, SLICE("000000000000")); /* as in the event */
}

static int api_id(const struct access_entry *e, struct buffer *out) {
    (void)e;
    return buffer_append_slice(out, SLICE("penstock"));
}

static int status(const struct access_entry *e, struct buffer *out) {
    return e->status != 0 ? put_number(out, e->status) : missing(e, out);
}

static int response_length(const struct access_entry *e, struct buffer *out) {
    return put_number(out, e->bytes);
}

static int response_latency(const struct access_entry *e, struct buffer *out) {
    return put_number(out, e->duration_ns / NS_PER_MS);
}

static int data_processed(const struct access_entry *e, struct buffer *out) {
    return put_number(out, (e->request ? e->request->http.body.len : 0) + e->bytes);
}

static int integration_latency(const struct access_entry *e, struct buffer *out) {
    return e->integrated ? put_number(out, e->integration_ns / NS_PER_MS) : missing(e, out);
}

static int integration_status(const struct access_entry *e, struct buffer *out) {
    return e->integrated ? status(e, out) : missing(e, out);
}

/* The reason code: the log line's own word for why. */
static int integration_error(const struct access_entry *e, struct buffer *out) {
    return put_text(out, slice_cstr(e->integrated && e->reason ? e->reason : ""), 64);
}

/* Whether it is we who said no: by ourselves, or in the place of a handler that failed. What a
 * handler itself says is no error of the gateway, and may be nobody's business. */
static int is_gateway_response(const struct access_entry *e) {
    if (e->reason == NULL ||
        (e->integrated && e->status < 500 && e->status != 413 && e->status != 429)) {
        return 0;
    }
    return slice_eq(e->body, server_error_body(e->status)) ||
           slice_eq(e->body, ACCESS_QUOTA_BODY);
}

static int error_message(const struct access_entry *e, struct buffer *out) {
    struct slice rest;
    struct slice words = slice_from(e->body, e->body.len < 12 ? e->body.len : 12);
    if (!is_gateway_response(e)) {
        return missing(e, out);
    }
    return put_text(out, slice_split(words, '"', &rest), 128); /* behind {"message":" */
}

/* AWS: "the quoted value of $context.error.message". */
static int error_message_string(const struct access_entry *e, struct buffer *out) {
    if (!is_gateway_response(e)) {
        return missing(e, out);
    }
    int error = buffer_append(out, "\"", 1);
    error = error ? error : error_message(e, out);
    return error ? error : buffer_append(out, "\"", 1);
}

/* API Gateway's names (developer guide, "Gateway response types"; facts: aws 1.4). */
static const char *gateway_response_type(const struct access_entry *e) {
    switch (e->status) {
    case 403:
        return "INVALID_API_KEY";
    case 404:
        return "RESOURCE_NOT_FOUND";
    case 413:
        return "REQUEST_TOO_LARGE";
    case 429:
        return slice_eq(e->body, ACCESS_QUOTA_BODY) ? "QUOTA_EXCEEDED" : "THROTTLED";
    case 504:
        return "INTEGRATION_TIMEOUT";
    default:
        return e->status < 500 ? "DEFAULT_4XX"
               : e->integrated ? "INTEGRATION_FAILURE"
                               : "DEFAULT_5XX";
    }
}

static int error_response_type(const struct access_entry *e, struct buffer *out) {
    return is_gateway_response(e) ? put_text(out, slice_cstr(gateway_response_type(e)), 64)
                                  : missing(e, out);
}

static const struct variable {
    const char *name;
    render_fn render;
} variables[] = {
    {"accountId", account_id},
    {"apiId", api_id},
    {"authenticate.error", missing},
    {"authenticate.latency", missing},
    {"authenticate.status", missing},
    {"authorize.error", missing},
    {"authorize.latency", missing},
    {"authorize.status", missing},
    {"awsEndpointRequestId", missing},
    {"awsEndpointRequestId2", missing},
    {"customDomain.basePathMatched", missing},
    {"dataProcessed", data_processed},
    {"domainName", domain_name},
    {"domainPrefix", domain_prefix},
    {"error.message", error_message},
    {"error.messageString", error_message_string},
    {"error.responseType", error_response_type},
    {"error.validationErrorString", missing},
    {"extendedRequestId", request_id},
    {"httpMethod", http_method},
    {"identity.accountId", missing},
    {"identity.apiKey", missing},
    {"identity.apiKeyId", api_key_id},
    {"identity.caller", missing},
    {"identity.cognitoAuthenticationProvider", missing},
    {"identity.cognitoAuthenticationType", missing},
    {"identity.cognitoIdentityId", missing},
    {"identity.cognitoIdentityPoolId", missing},
    {"identity.principalOrgId", missing},
    {"identity.sourceIp", source_ip},
    {"identity.user", missing},
    {"identity.userAgent", user_agent},
    {"identity.userArn", missing},
    {"integration.error", integration_error},
    {"integration.integrationStatus", integration_status},
    {"integration.latency", integration_latency},
    {"integration.requestId", missing},
    {"integration.status", integration_status},
    {"integrationErrorMessage", integration_error},
    {"integrationLatency", integration_latency},
    {"integrationStatus", integration_status},
    {"path", path},
    {"protocol", protocol},
    {"requestId", request_id},
    {"requestTime", request_time},
    {"requestTimeEpoch", request_time_epoch},
    {"resourceId", missing},
    {"resourcePath", resource_path},
    {"responseLatency", response_latency},
    {"responseLength", response_length},
    {"routeKey", route_key},
    {"stage", stage},
    {"status", status},
    {"wafResponseCode", missing},
    {"webaclArn", missing},
    {"xrayTraceId", trace_id},
};

/* Families whose members a user names; none of them has a value here. */
static const char *const families[] = {"authorizer.", "identity.clientCert.", "waf."};

static render_fn find_variable(const char *name) {
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        if (strcmp(variables[i].name, name) == 0) {
            return variables[i].render;
        }
    }
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        size_t len = strlen(families[i]);
        if (strncmp(name, families[i], len) == 0 && name[len] != '\0') {
            return missing;
        }
    }
    return NULL;
}

static const char *nearest_variable(const char *name) {
    const char *best = "requestId"; /* what nearly every template has */
    size_t best_distance = SIZE_MAX;
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        size_t distance = word_distance(name, variables[i].name);
        if (distance < best_distance) {
            best = variables[i].name;
            best_distance = distance;
        }
    }
    return best;
}

/* ---- compiling ---- */

struct piece {
    struct slice text; /* with render NULL */
    render_fn render;
};

struct access_template {
    size_t count;
    struct piece pieces[ACCESS_TEMPLATE_PIECES_MAX];
    char text[];
};

static int is_name_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '.' || c == ':';
}

/* A full stop or colon behind a name is the text's. */
static size_t name_len(struct slice s) {
    size_t len = 0;
    while (len < s.len && is_name_byte(s.ptr[len])) {
        len++;
    }
    while (len > 0 && (s.ptr[len - 1] == '.' || s.ptr[len - 1] == ':')) {
        len--;
    }
    return len;
}

static int add(struct access_template *t, struct slice text, render_fn render,
               char reason[240]) {
    if (text.len == 0 && render == NULL) {
        return 0;
    }
    if (t->count == ACCESS_TEMPLATE_PIECES_MAX) {
        (void)snprintf(reason, 240, "expected at most %d variables and texts between them",
                       ACCESS_TEMPLATE_PIECES_MAX);
        return ERR_LIMIT;
    }
    t->pieces[t->count++] = (struct piece){text, render};
    return 0;
}

/* `s` begins with a dollar sign. Its variable, and how long that is: 0, when it is only text.
 */
static int read_variable(struct slice s, size_t at, size_t *len, render_fn *render,
                         char reason[240]) {
    char name[80];
    size_t prefix = sizeof PREFIX - 1;
    *len = 0;
    if (s.len < 2 || (!is_name_byte(s.ptr[1]) && s.ptr[1] != '{')) {
        return 0;
    }
    struct slice rest = slice_from(s, s.len < prefix ? s.len : prefix);
    size_t n = name_len(rest);
    if (s.len <= prefix || memcmp(s.ptr, PREFIX, prefix) != 0 || n == 0 || n >= sizeof name) {
        (void)snprintf(reason, 240,
                       "at character %zu: expected $context.NAME, as $context.requestId, got "
                       "\"%.*s\"",
                       at + 1, (int)(s.len < 30 ? s.len : 30), s.ptr);
        return ERR_INVALID;
    }
    memcpy(name, rest.ptr, n);
    name[n] = '\0';
    *render = find_variable(name);
    if (*render == NULL) {
        (void)snprintf(reason, 240,
                       "at character %zu: unknown variable $context.%s; did you mean "
                       "$context.%s?",
                       at + 1, name, nearest_variable(name));
        return ERR_INVALID;
    }
    *len = prefix + n;
    return 0;
}

static int compile(struct access_template *t, struct slice text, char reason[240]) {
    size_t from = 0;
    for (size_t at = 0; at < text.len;) {
        size_t len;
        render_fn render = NULL;
        if (text.ptr[at] != '$') {
            at++;
            continue;
        }
        int error = read_variable(slice_from(text, at), at, &len, &render, reason);
        if (error == 0 && len > 0) {
            error = add(t, slice_of(text.ptr + from, at - from), NULL, reason);
            error = error ? error : add(t, SLICE_EMPTY, render, reason);
            from = at + len;
        }
        if (error != 0) {
            return error;
        }
        at += len ? len : 1;
    }
    return add(t, slice_from(text, from), NULL, reason);
}

static int check_text(struct slice text, char reason[240]) {
    if (text.len == 0 || text.len > ACCESS_TEMPLATE_MAX) {
        (void)snprintf(reason, 240, "expected 1 to %d bytes, got %zu", ACCESS_TEMPLATE_MAX,
                       text.len);
        return ERR_LIMIT;
    }
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            (void)snprintf(reason, 240,
                           "at character %zu: expected one line without control "
                           "characters",
                           i + 1);
            return ERR_INVALID;
        }
    }
    return 0;
}

struct access_template *access_template_new(struct slice text, char reason[240]) {
    /* A YAML block (|) ends in one. */
    text.len -= text.len > 0 && text.ptr[text.len - 1] == '\n';
    if (check_text(text, reason) != 0) {
        return NULL;
    }
    struct access_template *t;
    NEED_MEMORY((t = calloc(1, sizeof *t + text.len)) != NULL);
    memcpy(t->text, text.ptr, text.len);
    if (compile(t, slice_of(t->text, text.len), reason) != 0) {
        access_template_free(t);
        return NULL;
    }
    return t;
}

void access_template_free(struct access_template *t) {
    free(t);
}

int access_template_format(const struct access_template *t, const struct access_entry *e,
                           struct buffer *out) {
    buffer_reset(out, ACCESS_LINE_MAX * 2);
    for (size_t i = 0; i < t->count && out->len < ACCESS_LINE_MAX; i++) {
        const struct piece *p = &t->pieces[i];
        int error = p->render ? p->render(e, out) : buffer_append_slice(out, p->text);
        if (error != 0) {
            return error;
        }
    }
    out->len = out->len < ACCESS_LINE_MAX ? out->len : ACCESS_LINE_MAX;
    return 0;
}
