#include "lambda/payload.h"

#include "base/error.h"
#include "base/hex.h"
#include "http/message.h"
#include "lambda/impl.h"
#include "model/json_tree.h"

#define PRELUDE_NULS   8
#define STREAM_PRELUDE "application/vnd.awslambda.http-integration-response"

struct reading {
    struct arena *arena;
    struct penstock_response *out;
    struct penstock_header_field *fields;
    size_t count;
    size_t room;
};

static struct penstock_slice text_copy(struct arena *a, const char *text, size_t len) {
    struct slice copy = arena_copy(a, slice_of(len ? text : "", len));
    return (struct penstock_slice){copy.ptr, copy.len};
}

static struct penstock_slice string_copy(struct arena *a, struct json_object *value) {
    return text_copy(a, json_object_get_string(value),
                     (size_t)json_object_get_string_len(value));
}

/* ---- members ---- */

/* An integer, or one in a string. */
static const char *read_status(struct json_object *value, int *status) {
    uint64_t number = 0;
    if (json_object_is_type(value, json_type_int)) {
        int64_t given = json_object_get_int64(value);
        number = given > 0 ? (uint64_t)given : 0;
    } else if (!json_object_is_type(value, json_type_string) ||
               slice_to_u64(slice_cstr(json_object_get_string(value)), &number) != 0) {
        return "bad_status_code";
    }
    if (number < 200 || number > 599) {
        return "bad_status_code";
    }
    *status = (int)number;
    return NULL;
}

static const char *add_field(struct reading *r, struct penstock_slice name,
                             struct json_object *value) {
    if (r->count == r->room) {
        return "too_many_headers";
    }
    struct penstock_slice text;
    char digits[JSON_TREE_INT_TEXT];
    switch (json_object_get_type(value)) {
    case json_type_string:
        text = string_copy(r->arena, value);
        break;
    case json_type_boolean:
        text = json_object_get_boolean(value) ? (struct penstock_slice){"true", 4}
                                              : (struct penstock_slice){"false", 5};
        break;
    case json_type_int:
    case json_type_double: {
        struct slice number = json_tree_number(value, digits);
        text = text_copy(r->arena, number.ptr, number.len);
        break;
    }
    case json_type_null:
    case json_type_object:
    case json_type_array:
    default:
        return "bad_header_value";
    }
    if (text.ptr == NULL) {
        return "no_memory";
    }
    r->fields[r->count++] = (struct penstock_header_field){name, text};
    return NULL;
}

/* Whether the last field is among the first `count`, too. */
static bool is_repeated(const struct reading *r, size_t count) {
    const struct penstock_header_field *last = &r->fields[r->count - 1];
    for (size_t k = 0; k < count; k++) {
        if (slice_eq_nocase(slice_in(r->fields[k].name), slice_in(last->name)) &&
            slice_eq(slice_in(r->fields[k].value), slice_in(last->value))) {
            return true;
        }
    }
    return false;
}

/* Merged with those of multiValueHeaders, which are there already: of a pair that is in both
 * only theirs counts, and of a field that there is only once. */
static const char *read_headers(struct reading *r, struct json_object *headers) {
    const char *wrong = NULL;
    size_t multi = r->count;
    if (headers == NULL) {
        return NULL;
    }
    json_object_object_foreach(headers, key, value) {
        if (wrong == NULL) {
            wrong = add_field(r, text_copy(r->arena, key, strlen(key)), value);
            r->count -= wrong == NULL && is_repeated(r, multi);
        }
    }
    return wrong;
}

static const char *read_multi(struct reading *r, struct json_object *multi) {
    if (multi == NULL) {
        return NULL;
    }
    json_object_object_foreach(multi, key, values) {
        if (!json_object_is_type(values, json_type_array)) {
            return "bad_multi_value_headers";
        }
        for (size_t k = 0; k < json_object_array_length(values); k++) {
            const char *wrong = add_field(r, text_copy(r->arena, key, strlen(key)),
                                          json_object_array_get_idx(values, k));
            if (wrong != NULL) {
                return wrong;
            }
        }
    }
    return NULL;
}

static const char *read_cookies(struct reading *r, struct json_object *cookies) {
    for (size_t k = 0; cookies != NULL && k < json_object_array_length(cookies); k++) {
        struct json_object *cookie = json_object_array_get_idx(cookies, k);
        if (!json_object_is_type(cookie, json_type_string)) {
            return "bad_cookies";
        }
        const char *wrong = add_field(r, (struct penstock_slice){"set-cookie", 10}, cookie);
        if (wrong != NULL) {
            return wrong;
        }
    }
    return NULL;
}

static const char *read_body(struct reading *r, struct json_object *body, bool base64) {
    if (body == NULL) {
        return NULL;
    }
    if (!json_object_is_type(body, json_type_string)) {
        return "bad_body";
    }
    if (!base64) {
        r->out->body = string_copy(r->arena, body);
        return r->out->body.ptr ? NULL : "no_memory";
    }
    size_t len = (size_t)json_object_get_string_len(body);
    unsigned char *bytes = arena_alloc(r->arena, BASE64_DECODED_MAX(len));
    if (bytes == NULL) {
        return "no_memory";
    }
    size_t decoded;
    if (base64_decode(slice_of(json_object_get_string(body), len), bytes, &decoded) != 0) {
        return "bad_base64_body";
    }
    r->out->body = (struct penstock_slice){(const char *)bytes, decoded};
    return NULL;
}

/* ---- the whole ---- */

struct members {
    struct json_object *status, *headers, *multi, *cookies, *body, *base64;
};

/* A member that is there, of its type or null. */
static const char *take(struct json_object *value, enum json_type type,
                        struct json_object **out, const char *wrong) {
    *out = value;
    return value == NULL || json_object_is_type(value, type) ? NULL : wrong;
}

static const char *read_members(unsigned format, struct json_object *tree, struct members *m) {
    json_object_object_foreach(tree, key, value) {
        const char *wrong = NULL;
        if (strcmp(key, "statusCode") == 0) {
            m->status = value;
        } else if (strcmp(key, "headers") == 0) {
            wrong = take(value, json_type_object, &m->headers, "bad_headers");
        } else if (strcmp(key, "body") == 0) {
            m->body = value;
        } else if (strcmp(key, "isBase64Encoded") == 0) {
            wrong = take(value, json_type_boolean, &m->base64, "bad_is_base64_encoded");
        } else if (format == 1 && strcmp(key, "multiValueHeaders") == 0) {
            wrong = take(value, json_type_object, &m->multi, "bad_multi_value_headers");
        } else if (format == 2 && strcmp(key, "cookies") == 0) {
            wrong = take(value, json_type_array, &m->cookies, "bad_cookies");
        } else if (format == 1) {
            wrong = "unknown_member";
        }
        if (wrong != NULL) {
            return wrong;
        }
    }
    return NULL;
}

static const char *read_object(unsigned format, struct json_object *tree, struct arena *a,
                               struct penstock_response *out) {
    struct members m = {0};
    struct reading r = {.arena = a, .out = out, .room = HTTP_HEADERS_MAX};
    const char *wrong = read_members(format, tree, &m);
    out->status = 200;
    r.fields = arena_alloc(a, r.room * sizeof(*r.fields));
    if (r.fields == NULL) {
        return "no_memory";
    }
    if (wrong == NULL && m.status != NULL) {
        wrong = read_status(m.status, &out->status);
    }
    wrong = wrong ? wrong : read_multi(&r, m.multi);
    wrong = wrong ? wrong : read_headers(&r, m.headers);
    wrong = wrong ? wrong : read_cookies(&r, m.cookies);
    wrong = wrong
                ? wrong
                : read_body(&r, m.body, m.base64 != NULL && json_object_get_boolean(m.base64));
    out->headers = r.fields;
    out->header_count = r.count;
    return wrong;
}

/* Format 2.0 without a statusCode: the output itself is the body, a bare string its characters.
 */
static const char *infer(struct slice text, struct json_object *tree, struct arena *a,
                         struct penstock_response *out) {
    *out = (struct penstock_response){
        .status = 200, .content_type = {"application/json", 16}, .body = {text.ptr, text.len}};
    if (json_object_is_type(tree, json_type_string)) {
        out->body = string_copy(a, tree);
    }
    return out->body.ptr ? NULL : "no_memory";
}

/* Without the white space of JSON around it. */
static struct slice trim(struct slice s) {
    static const char space[] = " \t\r\n";
    while (s.len > 0 && strchr(space, s.ptr[s.len - 1]) != NULL && s.ptr[s.len - 1] != '\0') {
        s.len--;
    }
    while (s.len > 0 && strchr(space, s.ptr[0]) != NULL && s.ptr[0] != '\0') {
        s = slice_from(s, 1);
    }
    return s;
}

const char *payload_read(unsigned format, struct slice text, struct arena *a,
                         struct penstock_response *out) {
    struct json_object *tree = NULL;
    const char *wrong;
    text = trim(text);
    *out = (struct penstock_response){.status = 200};
    int error = json_tree_read(text, &tree);
    if (error != 0) {
        return error == ERR_NOMEM ? "no_memory" : "response_not_json";
    }
    bool object = json_object_is_type(tree, json_type_object);
    if (format == 2 && !(object && json_object_object_get_ex(tree, "statusCode", NULL))) {
        wrong = infer(text, tree, a, out);
    } else if (!object) {
        wrong = "response_not_an_object";
    } else {
        wrong = read_object(format, tree, a, out);
    }
    json_object_put(tree);
    return wrong;
}

bool payload_has_prelude(struct slice content_type) {
    return slice_eq_nocase(content_type, SLICE(STREAM_PRELUDE));
}

size_t payload_find_prelude(struct slice bytes, size_t from) {
    static const char nuls[PRELUDE_NULS];
    from = from < PRELUDE_NULS ? 0 : from - PRELUDE_NULS;
    struct slice rest = slice_from(bytes, from);
    const char *end = rest.len ? memmem(rest.ptr, rest.len, nuls, PRELUDE_NULS) : NULL;
    return end ? (size_t)(end - bytes.ptr) + PRELUDE_NULS : 0;
}

const char *payload_read_streamed(struct slice content_type, struct slice bytes,
                                  struct arena *a, struct penstock_response *out) {
    if (!payload_has_prelude(content_type)) {
        *out = (struct penstock_response){.status = 200,
                                          .content_type = {content_type.ptr, content_type.len},
                                          .body = {bytes.ptr, bytes.len}};
        return NULL;
    }
    size_t prelude = payload_find_prelude(bytes, 0);
    if (prelude == 0) {
        return "no_stream_prelude";
    }
    struct json_object *tree = NULL;
    *out = (struct penstock_response){.status = 200};
    if (json_tree_read(slice_of(bytes.ptr, prelude - PRELUDE_NULS), &tree) != 0 ||
        !json_object_is_type(tree, json_type_object)) {
        json_object_put(tree);
        return "bad_stream_prelude";
    }
    const char *wrong = read_object(2, tree, a, out);
    struct slice body = slice_from(bytes, prelude);
    out->body = (struct penstock_slice){body.ptr, body.len};
    json_object_put(tree);
    return wrong;
}
