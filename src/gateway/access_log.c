#include "gateway/access_log.h"

#include "base/clock.h"
#include "base/error.h"
#include "http/url.h"
#include "lambda/text.h"

static int append_text(struct buffer *out, const char *name, struct slice value, size_t max) {
    int error = buffer_printf(out, ",\"%s\":", name);
    if (error == 0) {
        error = text_json_string(out, slice_of(value.ptr, value.len < max ? value.len : max));
    }
    return error;
}

struct slice access_log_path(const struct server_request *r) {
    struct url_target target;
    return r && url_split_target(r->http.target, &target) == 0 ? target.path : SLICE_EMPTY;
}

static int append_request(const struct access_entry *e, struct buffer *out) {
    const struct server_request *r = e->request;
    char ip[NET_ADDRESS_TEXT_MAX];
    net_address_format_ip(&r->peer, ip);
    int error = append_text(out, "request_id", slice_cstr(r->request_id), 36);
    error = error ? error : append_text(out, "method", r->http.method_text, 16);
    error = error ? error : append_text(out, "path", access_log_path(r), ACCESS_PATH_MAX);
    if (error == 0 && e->route_key.len > 0) {
        error = append_text(out, "route_key", e->route_key, ACCESS_PATH_MAX);
    }
    error = error ? error : append_text(out, "ip", slice_cstr(ip), sizeof(ip));
    if (error == 0 && e->trace_root.len > 0) {
        error = append_text(out, "trace_id", e->trace_root, 64);
    }
    if (error == 0 && e->api_key_id.len > 0) {
        error = append_text(out, "api_key", e->api_key_id, 128);
    }
    struct slice agent = http_header_value(&r->http.headers, SLICE("user-agent"));
    if (error == 0 && agent.len > 0) {
        error = append_text(out, "user_agent", agent, ACCESS_USER_AGENT_MAX);
    }
    return error;
}

int access_log_format(const struct access_entry *e, struct buffer *out) {
    char time[25];
    clock_format_iso8601_ms(e->wall_ms, time);
    buffer_reset(out, ACCESS_LINE_MAX * 2);
    int error =
        buffer_printf(out, "{\"time\":\"%s\",\"level\":\"info\",\"event\":\"request\"", time);
    if (error == 0 && e->request != NULL) {
        error = append_request(e, out);
    }
    error = error ? error
                  : buffer_printf(out, ",\"status\":%u,\"bytes\":%zu,\"duration_us\":%llu",
                                  e->status, e->bytes,
                                  (unsigned long long)(e->duration_ns / NS_PER_US));
    if (error == 0 && e->reason != NULL) {
        error = append_text(out, "reason", slice_cstr(e->reason), 64);
    }
    return error ? error : buffer_append(out, "}", 1);
}
