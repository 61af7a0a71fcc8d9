/* The route table: a trie of path segments, built once, then only read. Matching allocates
 * nothing but decoded parameters, and visits a node of the trie at most once per pass.
 *
 *   GET /pets/dog/1        root - "pets" -+- "dog" -+- "1"    [GET]
 *   GET /pets/dog/{id}                    |         +- {}     [GET: id]
 *   GET /pets/{proxy+}                    +- greedy           [GET: proxy]
 *   ANY /{proxy+}                 greedy                      [ANY: proxy]
 *
 * The names of parameters belong to the route, not to the node: two routes may call one segment
 * differently. */
#include "gateway/gateway.h"

#include "base/buffer.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>

#define METHODS     HTTP_OTHER_ /* the slots of a place: one per method ... */
#define SLOT_ANY    HTTP_OTHER_ /* ... and one for ANY */
#define SLOTS       (HTTP_OTHER_ + 1)
#define LITERAL_MAX 256

struct route {
    struct slice key; /* as configured; owned, as are the names in it */
    void *target;
    size_t index; /* in the order of adding */
    struct slice names[GATEWAY_PARAMS_MAX];
    size_t name_count;
};

/* What ends at a node: up to one route for each method. */
struct place {
    struct route *slots[SLOTS];
};

struct node {
    struct slice literal;   /* decoded; owned */
    struct node **literals; /* sorted by literal */
    size_t literal_count;
    struct node *param;
    struct place here;   /* a path that ends at this node */
    struct place greedy; /* one whose rest is taken whole */
};

struct gateway_routes {
    struct node root;
    struct route *fallback; /* $default */
    struct slice *keys;     /* by the order of adding */
    size_t count;
};

/* ---- building ---- */

static void *allocate(size_t len) {
    void *memory;
    NEED_MEMORY((memory = calloc(1, len)) != NULL);
    return memory;
}

struct gateway_routes *gateway_routes_new(void) {
    return allocate(sizeof(struct gateway_routes));
}

static void route_free(struct route *r) {
    if (r != NULL) {
        free((void *)(uintptr_t)r->key.ptr);
        free(r);
    }
}

static void node_fini(struct node *n) {
    for (size_t k = 0; k < n->literal_count; k++) {
        node_fini(n->literals[k]);
        free(n->literals[k]);
    }
    if (n->param != NULL) {
        node_fini(n->param);
        free(n->param);
    }
    for (size_t k = 0; k < SLOTS; k++) {
        route_free(n->here.slots[k]);
        route_free(n->greedy.slots[k]);
    }
    free(n->literals);
    free((void *)(uintptr_t)n->literal.ptr);
}

void gateway_routes_free(struct gateway_routes *r) {
    if (r != NULL) {
        node_fini(&r->root);
        route_free(r->fallback);
        free(r->keys);
        free(r);
    }
}

static int compare(struct slice a, struct slice b) {
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.ptr, b.ptr, len) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* Where the literal is among the sorted children, or belongs. */
static size_t literal_position(const struct node *n, struct slice literal) {
    size_t low = 0;
    size_t high = n->literal_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(n->literals[middle]->literal, literal) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct node *literal_child(const struct node *n, struct slice literal) {
    size_t at = literal_position(n, literal);
    return at < n->literal_count && slice_eq(n->literals[at]->literal, literal)
               ? n->literals[at]
               : NULL;
}

static struct node *add_literal(struct node *n, struct slice literal) {
    struct node *found = literal_child(n, literal);
    if (found != NULL) {
        return found;
    }
    size_t at = literal_position(n, literal);
    n->literals = memory_grow(n->literals, (n->literal_count + 1) * sizeof(*n->literals));
    memmove(n->literals + at + 1, n->literals + at,
            (n->literal_count - at) * sizeof(*n->literals));
    n->literal_count++;
    struct node *child = n->literals[at] = allocate(sizeof(*child));
    child->literal = slice_of(slice_dup(literal), literal.len);
    return child;
}

static struct node *add_param(struct node *n) {
    if (n->param == NULL) {
        n->param = allocate(sizeof(*n->param));
    }
    return n->param;
}

/* ---- reading a route key ---- */

#define REASON_MAX 160

/* Says it and returns the code. */
static int refuse(char reason[REASON_MAX], int error, const char *what, struct slice which) {
    size_t shown = which.len < 80 ? which.len : 80;
    snprintf(reason, REASON_MAX, "%s: " SLICE_FMT, what, (int)shown, shown ? which.ptr : "");
    return error;
}

static bool name_valid(struct slice name) {
    for (size_t k = 0; k < name.len; k++) {
        char c = name.ptr[k];
        bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!word && c != '.' && c != '_' && c != '-') {
            return false;
        }
    }
    return name.len > 0;
}

/* The bytes a literal segment stands for; *len <= LITERAL_MAX. False: a bad escape, too long.
 */
static bool decode_literal(struct slice raw, char out[LITERAL_MAX], size_t *len) {
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    *len = 0;
    for (size_t k = 0; k < raw.len; k++) {
        char c = raw.ptr[k];
        if (*len == LITERAL_MAX) {
            return false;
        }
        if (c == '%') {
            const char *high = raw.len - k > 2 ? memchr(digits, raw.ptr[k + 1], 32) : NULL;
            const char *low = high ? memchr(digits, raw.ptr[k + 2], 32) : NULL;
            if (low == NULL) {
                return false;
            }
            c = (char)((high - digits) % 16 << 4 | (low - digits) % 16);
            k += 2;
        }
        out[(*len)++] = c;
    }
    return true;
}

struct reading {
    struct route *route;
    struct node *node;
    bool greedy;
    char *reason;
};

static int read_param(struct reading *r, struct slice segment, bool last) {
    struct slice name = slice_of(segment.ptr + 1, segment.len - 2);
    r->greedy = name.len > 0 && name.ptr[name.len - 1] == '+';
    name.len -= r->greedy ? 1 : 0;
    if (!name_valid(name)) {
        return refuse(r->reason, ERR_INVALID,
                      "the name of a path parameter is one or more of A-Z a-z 0-9 . _ -",
                      segment);
    }
    if (r->greedy && !last) {
        return refuse(r->reason, ERR_INVALID, "a greedy parameter must be the last segment",
                      segment);
    }
    for (size_t k = 0; k < r->route->name_count; k++) {
        if (slice_eq(r->route->names[k], name)) {
            return refuse(r->reason, ERR_INVALID, "a path parameter is there twice", segment);
        }
    }
    if (r->route->name_count == GATEWAY_PARAMS_MAX) {
        return refuse(r->reason, ERR_INVALID, "more than 16 path parameters", r->route->key);
    }
    r->route->names[r->route->name_count++] = name;
    if (!r->greedy) {
        r->node = add_param(r->node);
    }
    return 0;
}

static int read_literal(struct reading *r, struct slice segment) {
    char literal[LITERAL_MAX];
    size_t len;
    if (slice_find(segment, '{') < segment.len || slice_find(segment, '}') < segment.len) {
        return refuse(r->reason, ERR_INVALID,
                      "a path parameter takes a whole segment, as in /music/{Artist}", segment);
    }
    if (slice_find(segment, '?') < segment.len || slice_find(segment, '#') < segment.len) {
        return refuse(r->reason, ERR_INVALID, "a route has no query and no fragment", segment);
    }
    if (!decode_literal(segment, literal, &len)) {
        return refuse(r->reason, ERR_INVALID,
                      "a segment has a bad %-escape or is over 256 bytes", segment);
    }
    r->node = add_literal(r->node, slice_of(literal, len));
    return 0;
}

/* Everything behind the leading slash. "/" itself is the root. */
static int read_path(struct reading *r, struct slice path) {
    size_t count = 0;
    struct slice rest = slice_from(path, 1);
    bool more = rest.len > 0;
    while (more) {
        size_t slash = slice_find(rest, '/');
        struct slice segment = slice_of(rest.ptr, slash);
        more = slash < rest.len;
        rest = more ? slice_of(rest.ptr + slash + 1, rest.len - slash - 1) : SLICE_EMPTY;
        if (++count > GATEWAY_SEGMENTS_MAX) {
            return refuse(r->reason, ERR_INVALID, "more than 64 segments", path);
        }
        bool param =
            segment.len > 1 && segment.ptr[0] == '{' && segment.ptr[segment.len - 1] == '}';
        int error = param ? read_param(r, segment, !more) : read_literal(r, segment);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

static int read_method(struct slice text, size_t *slot, char reason[REASON_MAX]) {
    if (slice_eq(text, SLICE("ANY"))) {
        *slot = SLOT_ANY;
        return 0;
    }
    *slot = http_method_parse(text);
    return *slot != HTTP_OTHER_
               ? 0
               : refuse(reason, ERR_INVALID,
                        "a route begins with GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS or "
                        "ANY, or is $default",
                        text);
}

static int take(struct route **slot, struct route *route, char reason[REASON_MAX]) {
    if (*slot != NULL) {
        return refuse(reason, ERR_EXISTS, "this route is there already, as", (*slot)->key);
    }
    *slot = route;
    return 0;
}

static int add_route(struct gateway_routes *r, struct route *route, char reason[REASON_MAX]) {
    if (slice_eq(route->key, SLICE("$default"))) {
        return take(&r->fallback, route, reason);
    }
    struct slice path;
    size_t slot;
    int error = read_method(slice_split(route->key, ' ', &path), &slot, reason);
    if (error != 0) {
        return error;
    }
    if (path.len == 0 || path.ptr[0] != '/') {
        return refuse(reason, ERR_INVALID, "the path of a route begins with /", route->key);
    }
    for (size_t k = 0; k < path.len; k++) {
        if ((unsigned char)path.ptr[k] <= ' ' || path.ptr[k] == 0x7f) {
            return refuse(reason, ERR_INVALID, "a route has one space, after the method",
                          route->key);
        }
    }
    /* What the server refuses in a request cannot be a route. Braces are no concern of it. */
    if (url_check_path(path) != 0) {
        return refuse(reason, ERR_INVALID,
                      "no request can have this path (//, /./, /../, a bad %-escape)", path);
    }
    struct reading reading = {route, &r->root, false, reason};
    error = read_path(&reading, path);
    if (error != 0) {
        return error;
    }
    struct place *place = reading.greedy ? &reading.node->greedy : &reading.node->here;
    return take(&place->slots[slot], route, reason);
}

int gateway_routes_add(struct gateway_routes *r, struct slice route_key, void *target,
                       char reason[REASON_MAX]) {
    reason[0] = '\0';
    struct route *route = allocate(sizeof(*route));
    route->key = slice_of(slice_dup(route_key), route_key.len);
    route->target = target;
    route->index = r->count;
    int error = add_route(r, route, reason);
    if (error != 0) {
        route_free(route); /* nodes made on the way stay: they match nothing */
        return error;
    }
    r->keys = memory_grow(r->keys, (r->count + 1) * sizeof(*r->keys));
    r->keys[r->count++] = route->key;
    return 0;
}

size_t gateway_routes_count(const struct gateway_routes *r) {
    return r->count;
}

struct slice gateway_routes_key(const struct gateway_routes *r, size_t index) {
    ASSERT(index < r->count);
    return r->keys[index];
}

/* ---- matching ---- */

struct search {
    enum http_method method;
    const char *end;
    const struct route *route;
    unsigned allowed;                           /* methods of the places that were passed */
    const char *starts[GATEWAY_PARAMS_MAX + 1]; /* of the parameters taken so far */
    size_t lens[GATEWAY_PARAMS_MAX + 1];
    size_t taken;
};

static unsigned methods_of(const struct place *p) {
    unsigned methods = 0;
    for (unsigned m = 0; m < METHODS; m++) {
        methods |= p->slots[m] ? 1u << m : 0;
    }
    return methods;
}

/* The route of a place for this method; else its methods are remembered for Allow. */
static bool try_place(struct search *s, const struct place *p) {
    const struct route *found = s->method < METHODS ? p->slots[s->method] : NULL;
    s->route = found ? found : p->slots[SLOT_ANY];
    if (s->route == NULL) {
        s->allowed |= methods_of(p);
    }
    return s->route != NULL;
}

/* The child for a raw segment; an escaped one is decoded first. */
static const struct node *find_literal(const struct node *n, const char *at, size_t len) {
    if (n->literal_count == 0) {
        return NULL;
    }
    if (memchr(at, '%', len) == NULL) {
        return literal_child(n, slice_of(at, len));
    }
    char literal[LITERAL_MAX];
    size_t decoded;
    return decode_literal(slice_of(at, len), literal, &decoded)
               ? literal_child(n, slice_of(literal, decoded))
               : NULL;
}

static size_t segment_len(const struct search *s, const char *at) {
    const char *slash = memchr(at, '/', (size_t)(s->end - at));
    return (size_t)((slash ? slash : s->end) - at);
}

static void take_param(struct search *s, const char *at, size_t len) {
    s->starts[s->taken] = at;
    s->lens[s->taken++] = len;
}

/* Every segment by a literal or a parameter. `at` is behind a slash; NULL: the path has ended.
 */
static bool match_full(struct search *s, const struct node *n, const char *at) {
    if (at == NULL) {
        return try_place(s, &n->here);
    }
    size_t len = segment_len(s, at);
    const char *next = at + len < s->end ? at + len + 1 : NULL;
    const struct node *literal = find_literal(n, at, len);
    if (literal != NULL && match_full(s, literal, next)) {
        return true;
    }
    if (n->param == NULL || len == 0) {
        return false;
    }
    take_param(s, at, len);
    if (match_full(s, n->param, next)) {
        return true;
    }
    s->taken--;
    return false;
}

/* The deepest greedy route whose segments before it match the same way. */
static bool match_greedy(struct search *s, const struct node *n, const char *at) {
    if (at == NULL || at == s->end) {
        return false;
    }
    size_t len = segment_len(s, at);
    const char *next = at + len < s->end ? at + len + 1 : NULL;
    const struct node *literal = find_literal(n, at, len);
    if (literal != NULL && match_greedy(s, literal, next)) {
        return true;
    }
    if (n->param != NULL && len > 0) {
        take_param(s, at, len);
        if (match_greedy(s, n->param, next)) {
            return true;
        }
        s->taken--;
    }
    if (!try_place(s, &n->greedy)) {
        return false;
    }
    take_param(s, at, (size_t)(s->end - at));
    return true;
}

static bool search_routes(const struct gateway_routes *r, struct search *s, struct slice path) {
    s->end = path.ptr + path.len;
    const char *at = path.len > 1 ? path.ptr + 1 : NULL;
    if (match_full(s, &r->root, at) || match_greedy(s, &r->root, at)) {
        return true;
    }
    s->route = r->fallback;
    s->taken = 0;
    return s->route != NULL;
}

static int decode_params(const struct search *s, struct arena *a, struct gateway_match *out) {
    for (size_t k = 0; k < s->taken; k++) {
        out->params[k].name = s->route->names[k];
        int error = url_decode(a, slice_of(s->starts[k], s->lens[k]), &out->params[k].value);
        if (error != 0) {
            return error;
        }
    }
    out->param_count = s->taken;
    return 0;
}

int gateway_routes_match(const struct gateway_routes *r, enum http_method method,
                         struct slice raw_path, struct arena *a, struct gateway_match *out) {
    out->target = NULL;
    out->route_key = SLICE_EMPTY;
    out->param_count = 0;
    out->allowed_methods = 0;
    if (url_check_path(raw_path) != 0) {
        return ERR_INVALID;
    }
    struct search s = {.method = method};
    if (!search_routes(r, &s, raw_path)) {
        out->allowed_methods = s.allowed;
        return s.allowed ? ERR_UNSUPPORTED : ERR_NOT_FOUND;
    }
    out->target = s.route->target;
    out->route_key = s.route->key;
    out->index = s.route->index;
    return decode_params(&s, a, out);
}

void *gateway_routes_find(const struct gateway_routes *r, enum http_method method,
                          struct slice raw_path, size_t *index) {
    struct search s = {.method = method};
    if (url_check_path(raw_path) != 0 || !search_routes(r, &s, raw_path)) {
        return NULL;
    }
    *index = s.route->index;
    return s.route->target;
}

/* ---- listing ---- */

typedef void (*each_route_fn)(void *arg, struct slice route_key, void *target);

static void each_in_place(const struct place *p, each_route_fn each, void *arg) {
    for (size_t k = 0; k < SLOTS; k++) {
        if (p->slots[k] != NULL) {
            each(arg, p->slots[k]->key, p->slots[k]->target);
        }
    }
}

static void each_full(const struct node *n, each_route_fn each, void *arg) {
    each_in_place(&n->here, each, arg);
    for (size_t k = 0; k < n->literal_count; k++) {
        each_full(n->literals[k], each, arg);
    }
    if (n->param != NULL) {
        each_full(n->param, each, arg);
    }
}

static void each_greedy(const struct node *n, each_route_fn each, void *arg) {
    for (size_t k = 0; k < n->literal_count; k++) {
        each_greedy(n->literals[k], each, arg);
    }
    if (n->param != NULL) {
        each_greedy(n->param, each, arg);
    }
    each_in_place(&n->greedy, each, arg);
}

void gateway_routes_each(const struct gateway_routes *r, each_route_fn each, void *arg) {
    each_full(&r->root, each, arg);
    each_greedy(&r->root, each, arg);
    if (r->fallback != NULL) {
        each(arg, r->fallback->key, r->fallback->target);
    }
}
