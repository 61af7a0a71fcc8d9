/* Who may speak for others: PROXY headers of a listener, forwarded headers of a request. */
#include "app/config_parts.h"

static void load_ranges(struct config *c, struct json_object *map, const char *path,
                        struct net_ranges *out, struct config_errors *errors) {
    struct json_object *list = config_get(map, path);
    size_t count = list ? json_object_array_length(list) : 0;
    if (count == 0) {
        config_errors_add(errors, yaml_mark(map), "%s: at least one network is needed", path);
        return;
    }
    struct net_range *ranges = arena_zalloc(&c->arena, count * sizeof *ranges);
    for (size_t i = 0; i < count; i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        const char *text = json_object_get_string(item);
        if (net_range_parse(slice_cstr(text), &ranges[i]) != 0) {
            config_errors_add(errors, yaml_mark(item),
                              "%s: expected a network such as 10.0.0.0/8 or 2001:db8::/32 "
                              "(no bits set behind the prefix), an address, or unix; got "
                              "\"%.80s\"",
                              path, text);
        }
    }
    *out = (struct net_ranges){ranges, count};
}

void config_load_proxy_protocol(struct config *c, struct json_object *listen,
                                struct config_listen *out, struct config_errors *errors) {
    struct json_object *m = config_get(listen, "listen[].proxy_protocol");
    if (m) {
        out->proxied = 1;
        load_ranges(c, m, "listen[].proxy_protocol.trusted", &out->proxies, errors);
    }
}

void config_load_trusted_proxies(struct config *c, struct json_object *root,
                                 struct config_errors *errors) {
    struct json_object *m = config_get(root, "trusted_proxies");
    struct server_trust *trust = &c->server.trust;
    if (m) {
        load_ranges(c, m, "trusted_proxies.addresses", &trust->addresses, errors);
        trust->hops = (unsigned)config_number(m, "trusted_proxies.hops");
        trust->forwarded = strcmp(config_string(m, "trusted_proxies.header"), "forwarded") == 0;
    }
}
