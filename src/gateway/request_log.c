#include "gateway/request_log.h"

#include "base/log.h"
#include "gateway/access_template.h"

void request_log_init(struct request_log *l, int access,
                      const struct access_template *template) {
    *l = (struct request_log){.access = access, .template = template};
    NEED_MEMORY(buffer_reserve(&l->line, ACCESS_LINE_MAX) == 0);
}

void request_log_fini(struct request_log *l) {
    buffer_fini(&l->line);
}

/* Where the access line does not say why. Of what is no request the server knows more. */
static int write_reason(const struct access_entry *e) {
    char ip[NET_ADDRESS_TEXT_MAX];
    if (e->request == NULL) {
        return 0;
    }
    net_address_format_ip(&e->request->peer, ip);
    log_event(LOG_INFO, e->abandoned ? "request_abandoned" : "request_refused",
              log_str("reason", e->reason), log_u64("status", e->status),
              log_str("request_id", e->request->request_id),
              log_slice("route_key", e->route_key), log_str("ip", ip));
    return 1;
}

int request_log_write(struct request_log *l, const struct access_entry *e) {
    int told = 0;
    if (e->reason != NULL && (!l->access || l->template)) {
        told = write_reason(e);
    }
    if (!l->access || (e->request == NULL && !l->template)) {
        return told;
    }
    int error = l->template ? access_template_format(l->template, e, &l->line)
                            : access_log_format(e, &l->line);
    if (error == 0) {
        log_line(buffer_slice(&l->line));
    }
    return told || (error == 0 && !l->template);
}
