#include "sink_json.h"

#include "base/error.h"

char sink_json_peek(struct sink_json *j) {
    while (j->at < j->end && (*j->at == ' ' || (*j->at >= '\t' && *j->at <= '\r'))) {
        j->at++;
    }
    return j->at < j->end ? *j->at : '\0';
}

bool sink_json_take(struct sink_json *j, char c) {
    if (c == '\0' || sink_json_peek(j) != c) {
        return false;
    }
    j->at++;
    return true;
}

/* `at` is at the opening quote; returns what is behind the closing one, or NULL. */
static const char *string_end(const char *at, const char *end) {
    const char *quote = at;
    while ((quote = memchr(quote + 1, '"', (size_t)(end - quote - 1))) != NULL) {
        const char *slash = quote;
        while (slash[-1] == '\\') { /* ends at the opening quote at the latest */
            slash--;
        }
        if ((quote - slash) % 2 == 0) {
            return quote + 1;
        }
    }
    return NULL;
}

static const char *nested_end(const char *at, const char *end) {
    unsigned depth = 0;
    while (at < end) {
        switch (*at) {
        case '"':
            at = string_end(at, end);
            if (!at) {
                return NULL;
            }
            continue;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            if (--depth == 0) {
                return at + 1;
            }
            break;
        default:
            break;
        }
        at++;
    }
    return NULL;
}

/* A number, true, false, null: up to what cannot belong to it. */
static const char *literal_end(const char *at, const char *end) {
    const char *start = at;
    while (at<end && * at> ' ' && *at != ',' && *at != '}' && *at != ']' && *at != ':') {
        at++;
    }
    return at == start ? NULL : at;
}

int sink_json_value(struct sink_json *j, struct slice *raw) {
    char c = sink_json_peek(j);
    const char *end = c == '"'               ? string_end(j->at, j->end)
                      : c == '{' || c == '[' ? nested_end(j->at, j->end)
                                             : literal_end(j->at, j->end);
    if (!end) {
        return ERR_INVALID;
    }
    *raw = slice_of(j->at, (size_t)(end - j->at));
    j->at = end;
    return 0;
}

int sink_json_string(struct sink_json *j, struct slice *contents) {
    struct slice raw;
    if (sink_json_peek(j) != '"' || sink_json_value(j, &raw)) {
        return ERR_INVALID;
    }
    *contents = slice_of(raw.ptr + 1, raw.len - 2);
    return 0;
}

/* Whether another member or element follows. */
static int next(struct sink_json *j, bool *first, char close) {
    if (sink_json_take(j, close)) {
        return ERR_NOT_FOUND;
    }
    if (!*first && !sink_json_take(j, ',')) {
        return ERR_INVALID;
    }
    *first = false;
    return 0;
}

int sink_json_name(struct sink_json *j, bool *first, struct slice *name) {
    int error = next(j, first, '}');
    if (error) {
        return error;
    }
    return sink_json_string(j, name) || !sink_json_take(j, ':') ? ERR_INVALID : 0;
}

int sink_json_element(struct sink_json *j, bool *first) {
    return next(j, first, ']');
}
