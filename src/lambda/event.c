/* The accessors of penstock/handler.h. What they give out lies in the invocation's own arena
 * (or is constant), because the request ends before the invocation may. */
#include "lambda/impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "lambda/text.h"

#include <stdio.h>

#define ABSENT ((struct penstock_slice){NULL, 0})

/* const is dropped here, in one place: giving out a copy changes the arena, not the event. */
static struct arena *arena_of(const struct penstock_invocation *i) {
    return &((struct penstock_invocation *)(uintptr_t)i)->arena;
}

static struct penstock_slice copy_out(const struct penstock_invocation *i, struct slice s) {
    if (s.ptr == NULL) {
        return ABSENT;
    }
    if (s.len == 0) {
        return (struct penstock_slice){"", 0};
    }
    return slice_out(arena_copy(arena_of(i), s));
}

struct slice event_method(const struct http_request *http) {
    return http->method == HTTP_OTHER_ ? http->method_text
                                       : slice_cstr(http_method_name(http->method));
}

struct penstock_slice penstock_method(const struct penstock_invocation *i) {
    return i->request ? copy_out(i, event_method(&i->request->http)) : ABSENT;
}

struct penstock_slice penstock_path(const struct penstock_invocation *i) {
    return i->event ? copy_out(i, i->event->path) : ABSENT;
}

struct penstock_slice penstock_route_key(const struct penstock_invocation *i) {
    return i->event ? copy_out(i, i->event->route_key) : ABSENT;
}

struct penstock_slice penstock_path_parameter(const struct penstock_invocation *i,
                                              const char *name) {
    if (i->event == NULL) {
        return ABSENT;
    }
    struct slice wanted = slice_cstr(name);
    for (size_t k = 0; k < i->event->path_parameter_count; k++) {
        if (slice_eq(i->event->path_parameters[k].name, wanted)) {
            return copy_out(i, i->event->path_parameters[k].value);
        }
    }
    return ABSENT;
}

struct penstock_slice penstock_query_parameter(const struct penstock_invocation *i,
                                               const char *name) {
    if (i->event == NULL) {
        return ABSENT;
    }
    struct slice wanted = slice_cstr(name);
    for (size_t k = i->event->query_parameter_count; k-- > 0;) {
        const struct url_pair *pair = &i->event->query_parameters[k];
        if (slice_eq(pair->name, wanted)) {
            return copy_out(i, pair->value.ptr ? pair->value : SLICE(""));
        }
    }
    return ABSENT;
}

struct penstock_slice penstock_header(const struct penstock_invocation *i, const char *name) {
    if (i->request == NULL) {
        return ABSENT;
    }
    const struct http_header *h = http_header_find(&i->request->http.headers, slice_cstr(name));
    return h ? copy_out(i, h->value.ptr ? h->value : SLICE("")) : ABSENT;
}

struct penstock_slice penstock_body(const struct penstock_invocation *i) {
    if (i->body.ptr == NULL && i->request != NULL) {
        /* Also a cache: a body is copied once, however often it is asked for. */
        struct slice body = i->request->http.body;
        struct penstock_slice copy = copy_out(i, body.len ? body : SLICE(""));
        ((struct penstock_invocation *)(uintptr_t)i)->body = slice_in(copy);
    }
    return i->request ? slice_out(i->body) : ABSENT;
}

const struct url_pair *event_stage_variables(const struct penstock_invocation *i,
                                             size_t *count) {
    if (i->event != NULL && i->event->stage_variable_count > 0) {
        *count = i->event->stage_variable_count;
        return i->event->stage_variables;
    }
    *count = i->lambda->options.stage_variable_count;
    return i->lambda->options.stage_variables;
}

struct penstock_slice penstock_stage_variable(const struct penstock_invocation *i,
                                              const char *name) {
    size_t count;
    const struct url_pair *variables = event_stage_variables(i, &count);
    struct slice wanted = slice_cstr(name);
    for (size_t k = 0; k < count; k++) {
        if (slice_eq(variables[k].name, wanted)) {
            return copy_out(i, variables[k].value);
        }
    }
    return ABSENT;
}

/* ---- $context ---- */

static struct penstock_slice context_request_id(const struct penstock_invocation *i) {
    return slice_out(slice_cstr(i->request_id));
}

struct slice event_stage(const struct penstock_invocation *i) {
    return i->event != NULL && i->event->stage.len > 0 ? i->event->stage
                                                       : slice_cstr(i->lambda->options.stage);
}

static struct penstock_slice context_stage(const struct penstock_invocation *i) {
    return copy_out(i, event_stage(i));
}

static struct penstock_slice context_account_id(const struct penstock_invocation *i) {
    return slice_out(slice_cstr(i->lambda->options.account_id));
}

static struct penstock_slice context_api_id(const struct penstock_invocation *i) {
    return slice_out(slice_cstr(i->lambda->options.api_id));
}

static struct penstock_slice context_time(const struct penstock_invocation *i) {
    char text[27];
    clock_format_clf(i->epoch_ms / 1000, text);
    return copy_out(i, slice_cstr(text));
}

static struct penstock_slice context_time_epoch(const struct penstock_invocation *i) {
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)i->epoch_ms);
    return copy_out(i, slice_cstr(text));
}

static struct penstock_slice context_path(const struct penstock_invocation *i) {
    return i->event ? copy_out(i, i->event->raw_path) : ABSENT;
}

struct slice event_resource_path(struct slice route_key) {
    struct slice path;
    struct slice first = slice_split(route_key, ' ', &path);
    return path.len ? path : first; /* "$default" has no method */
}

static struct penstock_slice context_resource_path(const struct penstock_invocation *i) {
    return i->event ? copy_out(i, event_resource_path(i->event->route_key)) : ABSENT;
}

struct slice event_protocol(const struct http_request *http) {
    return http->minor == 0 ? SLICE("HTTP/1.0") : SLICE("HTTP/1.1");
}

static struct penstock_slice context_protocol(const struct penstock_invocation *i) {
    return i->request ? slice_out(event_protocol(&i->request->http)) : ABSENT;
}

static struct penstock_slice context_source_ip(const struct penstock_invocation *i) {
    if (i->request == NULL) {
        return ABSENT;
    }
    char text[NET_ADDRESS_TEXT_MAX];
    net_address_format_ip(&i->request->peer, text);
    return copy_out(i, slice_cstr(text));
}

static struct penstock_slice context_api_key_id(const struct penstock_invocation *i) {
    return i->event && i->event->api_key_id.len > 0 ? copy_out(i, i->event->api_key_id)
                                                    : ABSENT;
}

static struct penstock_slice context_user_agent(const struct penstock_invocation *i) {
    return penstock_header(i, "User-Agent");
}

/* The Host field without its port; an IPv6 literal keeps its brackets. */
struct slice event_domain(struct slice host) {
    size_t end = host.len;
    while (end > 0 && host.ptr[end - 1] >= '0' && host.ptr[end - 1] <= '9') {
        end--;
    }
    return end > 0 && host.ptr[end - 1] == ':' ? slice_of(host.ptr, end - 1) : host;
}

static struct penstock_slice context_domain_name(const struct penstock_invocation *i) {
    return i->request ? copy_out(i, event_domain(i->request->http.host)) : ABSENT;
}

static struct penstock_slice context_domain_prefix(const struct penstock_invocation *i) {
    if (i->request == NULL) {
        return ABSENT;
    }
    struct slice domain = event_domain(i->request->http.host);
    return copy_out(i, slice_of(domain.ptr, slice_find(domain, '.')));
}

static struct penstock_slice context_trace_id(const struct penstock_invocation *i) {
    return i->event ? copy_out(i, i->event->trace_root) : ABSENT;
}

static const struct {
    const char *name;
    struct penstock_slice (*get)(const struct penstock_invocation *i);
} context_values[] = {
    {"requestId", context_request_id},
    {"extendedRequestId", context_request_id},
    {"requestTimeEpoch", context_time_epoch},
    {"requestTime", context_time},
    {"stage", context_stage},
    {"routeKey", penstock_route_key},
    {"resourcePath", context_resource_path},
    {"httpMethod", penstock_method},
    {"path", context_path},
    {"protocol", context_protocol},
    {"identity.apiKeyId", context_api_key_id},
    {"identity.sourceIp", context_source_ip},
    {"identity.userAgent", context_user_agent},
    {"domainName", context_domain_name},
    {"domainPrefix", context_domain_prefix},
    {"accountId", context_account_id},
    {"xrayTraceId", context_trace_id},
    {"apiId", context_api_id},
};

struct penstock_slice penstock_context(const struct penstock_invocation *i, const char *name) {
    for (size_t k = 0; k < sizeof(context_values) / sizeof(context_values[0]); k++) {
        if (strcmp(context_values[k].name, name) == 0) {
            return context_values[k].get(i);
        }
    }
    return ABSENT;
}

/* ---- the context object of a Lambda ---- */

struct penstock_slice penstock_request_id(const struct penstock_invocation *i) {
    return context_request_id(i);
}

struct penstock_slice penstock_function_name(const struct penstock_invocation *i) {
    return slice_out(slice_cstr(i->handler->name));
}

uint64_t penstock_remaining_ms(const struct penstock_invocation *i) {
    uint64_t now = loop_now_ns(i->lambda->loop);
    return now >= i->deadline_ns ? 0 : (i->deadline_ns - now) / NS_PER_MS;
}

void penstock_log(const struct penstock_invocation *i, enum penstock_log_level level,
                  const char *text) {
    static const enum log_level levels[] = {[PENSTOCK_DEBUG] = LOG_DEBUG,
                                            [PENSTOCK_INFO] = LOG_INFO,
                                            [PENSTOCK_WARN] = LOG_WARN,
                                            [PENSTOCK_ERROR] = LOG_ERROR};
    enum log_level at = (unsigned)level <= PENSTOCK_ERROR ? levels[level] : LOG_ERROR;
    log_event(at, "function_log", log_str("request_id", i->request_id),
              log_str("function", i->handler->name), log_str("message", text));
    if (i->event != NULL && i->event->log != NULL && at >= log_threshold) {
        text_keep_line(i->event->log, slice_cstr(text));
    }
}

void *penstock_alloc(struct penstock_invocation *i, size_t len) {
    return arena_alloc(&i->arena, len);
}
