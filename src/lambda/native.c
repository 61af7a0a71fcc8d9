#include "lambda/native.h"

#include "base/error.h"
#include "lambda/impl.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

struct native {
    unsigned owners;
    void *library;
    struct stat file;
    const struct penstock_handler *handler;
    struct {
        void *state;
        int ready;
    } workers[NATIVE_WORKERS_MAX];
};

/* What a library may call. The program is linked from archives: a function nobody in it refers
 * to would not be there when a library asks for it. */
static const struct {
    const char *name;
    void (*function)(void);
} exported[] __attribute__((used)) = {
#define EXPORT(f)                                                                              \
    { #f, (void (*)(void))f }
    EXPORT(penstock_method),
    EXPORT(penstock_path),
    EXPORT(penstock_route_key),
    EXPORT(penstock_path_parameter),
    EXPORT(penstock_query_parameter),
    EXPORT(penstock_header),
    EXPORT(penstock_body),
    EXPORT(penstock_stage_variable),
    EXPORT(penstock_context),
    EXPORT(penstock_event_json),
    EXPORT(penstock_request_id),
    EXPORT(penstock_function_name),
    EXPORT(penstock_remaining_ms),
    EXPORT(penstock_log),
    EXPORT(penstock_alloc),
    EXPORT(penstock_respond),
    EXPORT(penstock_respond_message),
    EXPORT(penstock_dynamodb),
    EXPORT(penstock_respond_outcome),
    EXPORT(penstock_work),
#undef EXPORT
};

static bool name_valid(const char *name) {
    if (name[0] == '\0' || strlen(name) > 64) {
        return false;
    }
    for (const char *c = name; *c; c++) {
        bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || *c == '_';
        bool digit = *c >= '0' && *c <= '9';
        if (!letter && !(digit && c > name)) {
            return false;
        }
    }
    return true;
}

static int find_handler(void *library, const char *path, const char *name,
                        const struct penstock_handler **out, char reason[NATIVE_REASON_MAX]) {
    char symbol[96];
    snprintf(symbol, sizeof(symbol), "penstock_handler_%s", name);
    const struct penstock_handler *h = dlsym(library, symbol);
    if (h == NULL) {
        snprintf(reason, NATIVE_REASON_MAX,
                 "%s: exports no handler %s: there is no PENSTOCK_HANDLER(%s, ...) in it", path,
                 name, name);
        return ERR_INVALID;
    }
    if (h->abi != PENSTOCK_ABI) {
        snprintf(reason, NATIVE_REASON_MAX,
                 "%s: handler %s was built for version %u of penstock/handler.h, this program "
                 "has version %u: build it again",
                 path, name, h->abi, PENSTOCK_ABI);
        return ERR_UNSUPPORTED;
    }
    if (h->invoke == NULL) {
        snprintf(reason, NATIVE_REASON_MAX, "%s: handler %s has no invoke function", path,
                 name);
        return ERR_INVALID;
    }
    *out = h;
    return 0;
}

int native_open(const char *path, const char *name, struct native **out,
                char reason[NATIVE_REASON_MAX]) {
    reason[0] = '\0';
    if (!name_valid(name)) {
        snprintf(reason, NATIVE_REASON_MAX,
                 "%.64s: the name of a handler in C is an identifier of at most 64 characters",
                 name);
        return ERR_INVALID;
    }
    /* A name without a slash would be searched for in the system's library folders. */
    char local[4096];
    snprintf(local, sizeof(local), "%s%s", strchr(path, '/') ? "" : "./", path);
    void *library = dlopen(local, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        const char *why = dlerror();
        snprintf(reason, NATIVE_REASON_MAX, "%s", why ? why : path);
        return ERR_NOT_FOUND;
    }
    const struct penstock_handler *handler = NULL;
    int error = find_handler(library, path, name, &handler, reason);
    if (error != 0) {
        dlclose(library);
        return error;
    }
    struct native *n;
    NEED_MEMORY((n = calloc(1, sizeof(*n))) != NULL);
    n->owners = 1;
    n->library = library;
    n->handler = handler;
    if (stat(local, &n->file) != 0) {
        memset(&n->file, 0, sizeof(n->file)); /* gone meanwhile: like no other file */
    }
    *out = n;
    return 0;
}

int native_init(struct native *n, unsigned worker, const char *settings_json,
                char reason[NATIVE_REASON_MAX]) {
    ASSERT(worker < NATIVE_WORKERS_MAX && !n->workers[worker].ready);
    reason[0] = '\0';
    if (n->handler->init != NULL &&
        n->handler->init(settings_json ? settings_json : "{}", &n->workers[worker].state,
                         reason, NATIVE_REASON_MAX) != 0) {
        reason[NATIVE_REASON_MAX - 1] = '\0';
        if (reason[0] == '\0') {
            snprintf(reason, NATIVE_REASON_MAX, "handler %s: init failed", n->handler->name);
        }
        return ERR_REFUSED;
    }
    n->workers[worker].ready = 1;
    return 0;
}

void native_invoke(struct penstock_invocation *i, void *native) {
    struct native *n = native;
    unsigned worker = lambda_worker(i->lambda);
    ASSERT(worker < NATIVE_WORKERS_MAX && n->workers[worker].ready);
    n->handler->invoke(i, n->workers[worker].state);
}

struct native *native_ref(struct native *n) {
    n->owners++;
    return n;
}

int native_same_file(const struct native *a, const struct native *b) {
    const struct stat *x = &a->file, *y = &b->file;
    return x->st_dev == y->st_dev && x->st_ino == y->st_ino && x->st_size == y->st_size &&
           x->st_mtim.tv_sec == y->st_mtim.tv_sec && x->st_mtim.tv_nsec == y->st_mtim.tv_nsec;
}

int native_ready(const struct native *n) {
    return n->workers[0].ready;
}

void native_close(struct native *n) {
    if (n == NULL || --n->owners > 0) {
        return;
    }
    for (unsigned worker = 0; worker < NATIVE_WORKERS_MAX; worker++) {
        if (n->workers[worker].ready && n->handler->fini != NULL) {
            n->handler->fini(n->workers[worker].state);
        }
    }
    dlclose(n->library);
    free(n);
}
