/* API keys of a configuration: those that stand in it, by their hash, and those of the file
 * that api_keys_file names. No message quotes a key. */
#include "app/api_key_file.h"
#include "app/config_keys.h"
#include "app/config_parts.h"
#include "app/meter_names.h"
#include "app/yaml.h"
#include "aws/sha256.h"
#include "base/error.h"

#include <stdlib.h>

#define KEYS_MAX 100000

_Static_assert(SHA256_LEN == API_KEY_DIGEST_LEN, "the ring holds SHA-256 digests");

struct loaded_key {
    struct api_key key;
    struct config_mark mark;
    unsigned line;
};

struct loading {
    struct config *config;
    struct config_errors *errors;
    const char *file;        /* the path that api_keys_file comes to */
    struct config_mark mark; /* of the entry, or of api_keys_file */
    unsigned line;           /* in the file; 0: in the configuration */
    struct loaded_key *keys;
    size_t count;
    size_t room;
};

static void hash_key(const void *bytes, size_t len, unsigned char out[API_KEY_DIGEST_LEN]) {
    struct sha256_state s;
    sha256_start(&s);
    sha256_update(&s, bytes, len);
    sha256_digest(&s, out);
    explicit_bzero(&s, sizeof s);
}

static void complain(struct loading *l, const char *field, const char *why,
                     const char *detail) {
    if (l->line > 0) {
        config_errors_add(l->errors, l->mark, "api_keys_file: %s:%u: %s%s%s%s", l->file,
                          l->line, field, field[0] ? ": " : "", why, detail);
    } else {
        config_errors_add(l->errors, l->mark, "api_keys[]%s: %s%s", field, why, detail);
    }
}

static int nibble(char c) {
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) % 16 : -1;
}

static int read_digest(struct slice hex, unsigned char out[API_KEY_DIGEST_LEN]) {
    if (hex.len != (size_t)2 * API_KEY_DIGEST_LEN) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < API_KEY_DIGEST_LEN; i++) {
        int high = nibble(hex.ptr[2 * i]);
        int low = nibble(hex.ptr[2 * i + 1]);
        if (high < 0 || low < 0) {
            return ERR_INVALID;
        }
        out[i] = (unsigned char)(high << 4 | low);
    }
    return 0;
}

static int secret_valid(struct slice secret) {
    for (size_t i = 0; i < secret.len; i++) {
        if (secret.ptr[i] <= ' ' || secret.ptr[i] == 0x7f) {
            return 0;
        }
    }
    return secret.len >= API_KEY_LEN_MIN && secret.len <= API_KEY_LEN_MAX;
}

static const struct usage_plan *find_plan(const struct config *c, struct slice name) {
    for (size_t i = 0; i < c->usage_plan_count; i++) {
        if (slice_eq(slice_cstr(c->usage_plans[i].name), name)) {
            return &c->usage_plans[i];
        }
    }
    return NULL;
}

static struct api_key *next_key(struct loading *l) {
    if (l->count == l->room) {
        l->room = l->room ? l->room * 2 : 64;
        l->keys = memory_grow(l->keys, l->room * sizeof *l->keys);
    }
    struct loaded_key *k = &l->keys[l->count];
    *k = (struct loaded_key){.mark = l->mark, .line = l->line};
    return &k->key;
}

/* The part that both kinds of entry share; the digest is set. */
static void add_key(struct loading *l, struct api_key *k, struct slice name,
                    struct slice plan) {
    struct config *c = l->config;
    if (!config_name_valid(name)) {
        complain(l, ".name", "expected 1 to 128 printable characters", "");
        return;
    }
    if (l->count == KEYS_MAX) {
        complain(l, "", "more than 100000 keys", "");
        return;
    }
    k->name = arena_cstr(&c->arena, name);
    if (plan.len > 0) {
        k->plan = find_plan(c, plan);
        if (!k->plan) {
            complain(l, ".usage_plan", "no such plan under usage_plans, for the key ", k->name);
            return;
        }
        k->meter = meter_number("key", k->plan->name, k->name);
    }
    l->count++;
}

static void load_inline(struct loading *l, struct json_object *root) {
    struct json_object *list = config_get(root, "api_keys");
    size_t count = list ? json_object_array_length(list) : 0;
    for (size_t i = 0; i < count; i++) {
        struct json_object *entry = json_object_array_get_idx(list, i);
        l->mark = yaml_mark(entry);
        struct api_key *k = next_key(l);
        k->enabled = config_bool(entry, "api_keys[].enabled");
        if (read_digest(slice_cstr(config_string(entry, "api_keys[].sha256")), k->digest) !=
            0) {
            complain(l, ".sha256", "expected 64 hex digits: printf %s \"$KEY\" | sha256sum",
                     "");
            continue;
        }
        add_key(l, k, slice_cstr(config_string(entry, "api_keys[].name")),
                slice_cstr(config_string(entry, "api_keys[].usage_plan")));
    }
}

static void on_row(void *arg, const struct api_key_row *row) {
    struct loading *l = arg;
    l->line = row->line;
    struct api_key *k = next_key(l);
    k->enabled = !slice_eq_nocase(row->enabled, SLICE("false"));
    if (row->enabled.len > 0 && k->enabled && !slice_eq_nocase(row->enabled, SLICE("true"))) {
        complain(l, "Enabled", "expected true or false", "");
    } else if (row->sha256.len > 0 && read_digest(row->sha256, k->digest) != 0) {
        complain(l, "Sha256", "expected 64 hex digits", "");
    } else if (row->sha256.len == 0 && !secret_valid(row->key)) {
        complain(l, "Key", "expected 20 to 128 printable characters without spaces", "");
    } else {
        if (row->sha256.len == 0) {
            hash_key(row->key.ptr, row->key.len, k->digest);
        }
        add_key(l, k, row->name, row->plans);
    }
}

/* A credential that systemd hands over has a name, and its folder in the environment. */
static const char *file_path(struct config *c, const char *path) {
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    return path[0] != '/' && folder ? arena_printf(&c->arena, "%s/%s", folder, path)
                                    : arena_cstr(&c->arena, slice_cstr(path));
}

static void load_file(struct loading *l, struct json_object *root) {
    char problem[API_KEY_PROBLEM_MAX];
    const char *path = config_string(root, "api_keys_file");
    if (path[0] == '\0') {
        return;
    }
    l->mark = yaml_mark(config_get(root, "api_keys_file"));
    l->file = file_path(l->config, path);
    if (api_key_file_read(l->file, on_row, l, problem) != 0) {
        config_errors_add(l->errors, l->mark, "api_keys_file: %s", problem);
    }
    l->line = 0;
}

static int digest_order(const struct api_key *a, const struct api_key *b) {
    return memcmp(a->digest, b->digest, API_KEY_DIGEST_LEN);
}

static int name_order(const struct api_key *a, const struct api_key *b) {
    return strcmp(a->name, b->name);
}

/* Equal ones in the order they were read: those of the file come last. */
static int place_order(const struct loaded_key *a, const struct loaded_key *b) {
    if (a->line != b->line) {
        return a->line < b->line ? -1 : 1;
    }
    if (a->mark.line != b->mark.line) {
        return a->mark.line < b->mark.line ? -1 : 1;
    }
    return a->mark.column < b->mark.column ? -1 : 1;
}

static int by_digest(const void *a, const void *b) {
    const struct loaded_key *x = a, *y = b;
    int order = digest_order(&x->key, &y->key);
    return order != 0 ? order : place_order(x, y);
}

static int by_name(const void *a, const void *b) {
    const struct loaded_key *x = a, *y = b;
    int order = name_order(&x->key, &y->key);
    return order != 0 ? order : place_order(x, y);
}

/* The keys are sorted. Told of the later one, where it stands. */
static void refuse_twice(struct loading *l,
                         int (*order)(const struct api_key *a, const struct api_key *b),
                         const char *what) {
    for (size_t i = 1; i < l->count; i++) {
        const struct loaded_key *first = &l->keys[i - 1], *second = &l->keys[i];
        if (order(&first->key, &second->key) == 0) {
            l->mark = second->mark;
            l->line = second->line;
            complain(l, "",
                     arena_printf(&l->config->arena, "API keys %s and %s have the same %s",
                                  first->key.name, second->key.name, what),
                     "");
        }
    }
}

const struct api_key_ring *config_load_api_keys(struct config *c, struct json_object *root,
                                                struct config_errors *errors) {
    struct loading l = {.config = c, .errors = errors};
    load_inline(&l, root);
    load_file(&l, root);
    if (l.count == 0) {
        free(l.keys);
        return NULL;
    }
    qsort(l.keys, l.count, sizeof *l.keys, by_name);
    refuse_twice(&l, name_order, "name");
    qsort(l.keys, l.count, sizeof *l.keys, by_digest);
    refuse_twice(&l, digest_order, "key");
    struct api_key *kept = arena_alloc(&c->arena, l.count * sizeof *kept);
    for (size_t i = 0; i < l.count; i++) {
        kept[i] = l.keys[i].key;
    }
    free(l.keys);
    return api_key_ring_new(kept, l.count, hash_key);
}
