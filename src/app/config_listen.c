/* listen: addresses, and the certificates of those that speak TLS. */
#include "app/config_listen.h"

#include "app/config_parts.h"
#include "base/error.h"
#include "tls/context.h"

static const char *keep(struct config *c, const char *text) {
    return arena_cstr(&c->arena, slice_cstr(text));
}

static void load_one_certificate(struct config *c, struct json_object *tls,
                                 struct config_listen *out, struct config_errors *errors) {
    const char *certificate = config_string(tls, "listen[].tls.certificate");
    const char *key = config_string(tls, "listen[].tls.key");
    if (certificate[0] == '\0' || key[0] == '\0') {
        config_errors_add(errors, yaml_mark(tls),
                          "listen[].tls: certificate and key are needed, or certificates");
        return;
    }
    out->certificates = arena_zalloc(&c->arena, sizeof *out->certificates);
    out->certificates[0] =
        (struct config_certificate){keep(c, certificate), keep(c, key),
                                    yaml_mark(config_get(tls, "listen[].tls.certificate"))};
    out->certificate_count = 1;
}

static void load_certificates(struct config *c, struct json_object *list,
                              struct config_listen *out) {
    size_t count = json_object_array_length(list);
    out->certificates = arena_zalloc(&c->arena, (count + 1) * sizeof *out->certificates);
    for (size_t i = 0; i < count; i++) {
        struct json_object *entry = json_object_array_get_idx(list, i);
        out->certificates[i] = (struct config_certificate){
            keep(c, config_string(entry, "listen[].tls.certificates[].certificate")),
            keep(c, config_string(entry, "listen[].tls.certificates[].key")), yaml_mark(entry)};
    }
    out->certificate_count = count;
}

static void load_listen_tls(struct config *c, struct json_object *entry,
                            struct config_listen *out, struct config_errors *errors) {
    struct json_object *tls = config_get(entry, "listen[].tls");
    if (!tls) {
        return;
    }
    struct json_object *list = config_get(tls, "listen[].tls.certificates");
    if (!list || json_object_array_length(list) == 0) {
        load_one_certificate(c, tls, out, errors);
    } else if (config_get(tls, "listen[].tls.certificate") ||
               config_get(tls, "listen[].tls.key")) {
        config_errors_add(errors, yaml_mark(list),
                          "listen[].tls: either certificate and key, or certificates");
    } else {
        load_certificates(c, list, out);
    }
}

static void load_entry(struct config *c, struct json_object *entry, struct config_listen *out,
                       struct config_errors *errors) {
    out->text = keep(c, config_string(entry, "listen[].address"));
    out->mark = yaml_mark(config_get(entry, "listen[].address"));
    if (net_address_parse(slice_cstr(out->text), &out->address) != 0) {
        config_errors_add(errors, out->mark,
                          "listen[].address: expected IPv4:port, [IPv6]:port or unix:/path, "
                          "got \"%.80s\"",
                          out->text);
    }
    load_listen_tls(c, entry, out, errors);
    config_load_proxy_protocol(c, entry, out, errors);
}

/* The kernel would let both have it, and share the connections out by chance. */
static void check_twice(const struct config *c, size_t at, struct config_errors *errors) {
    const struct config_listen *l = &c->listen[at];
    int any_port = !net_address_is_unix(&l->address) && net_address_port(&l->address) == 0;
    for (size_t i = 0; i < at && !any_port; i++) {
        if (net_address_equal(&c->listen[i].address, &l->address)) {
            config_errors_add(errors, l->mark, "listen[].address: %s stands here twice",
                              l->text);
            return;
        }
    }
}

void config_load_listen(struct config *c, struct json_object *root,
                        struct config_errors *errors) {
    struct json_object *list = config_get(root, "listen");
    size_t count = list ? json_object_array_length(list) : 0;
    if (count == 0) {
        config_errors_add(errors, yaml_mark(root), "listen: at least one address is needed");
        return;
    }
    c->listen = arena_zalloc(&c->arena, count * sizeof *c->listen);
    c->listen_count = count;
    for (size_t i = 0; i < count; i++) {
        load_entry(c, json_object_array_get_idx(list, i), &c->listen[i], errors);
        check_twice(c, i, errors);
    }
}

const struct net_ranges *config_proxies(const struct config_listen *l) {
    return l->proxied ? &l->proxies : NULL;
}

int config_new_tls(const struct config_listen *l, struct tls_context **out,
                   struct config_errors *errors) {
    char reason[TLS_REASON_MAX] = "no memory";
    *out = NULL;
    for (size_t i = 0; i < l->certificate_count; i++) {
        const struct config_certificate *c = &l->certificates[i];
        int error = i == 0 ? tls_server_context_new(out, c->certificate, c->key, reason)
                           : tls_server_context_add(*out, c->certificate, c->key, reason);
        if (error != 0) {
            config_errors_add(errors, c->mark, "listen[].tls: %s", reason);
            tls_context_free(i > 0 ? *out : NULL);
            *out = NULL;
            return error;
        }
    }
    return 0;
}

void config_check_certificates(const struct config *c, struct config_errors *errors) {
    for (size_t i = 0; i < c->listen_count; i++) {
        struct tls_context *tls;
        if (config_new_tls(&c->listen[i], &tls, errors) == 0) {
            tls_context_free(tls);
        }
    }
}

void config_check_files(const struct config *c, struct config_errors *errors) {
    struct tls_context *tls;
    char reason[TLS_REASON_MAX];
    config_check_certificates(c, errors);
    if (c->ca_file[0] && tls_client_context_new(&tls, c->ca_file, reason) != 0) {
        config_errors_add(errors, c->ca_file_mark, "dynamodb.ca_file: %s", reason);
    } else if (c->ca_file[0]) {
        tls_context_free(tls);
    }
}
