#include "handlers/condition.h"

#include "base/error.h"
#include "model/number.h"

#include <stdio.h>

struct compiler {
    const char *at;
    const char *end;
    struct placeholders *p;
    struct buffer *out;
    char *reason;
    unsigned open;   /* parentheses */
    bool after_path; /* the token before was a name or ']': '.' and '[' may follow */
};

static bool letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool digit(char c) {
    return c >= '0' && c <= '9';
}

static bool space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int refuse(struct compiler *c, const char *what, struct slice token) {
    if (token.len > 40) {
        token.len = 40;
    }
    (void)snprintf(c->reason, 160, "condition: %s" SLICE_FMT, what, SLICE_ARG(token));
    return ERR_INVALID;
}

static bool is_keyword(struct slice word) {
    static const struct slice keywords[] = {
        {"AND", 3}, {"OR", 2}, {"NOT", 3}, {"IN", 2}, {"BETWEEN", 7}};
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        if (slice_eq_nocase(word, keywords[i])) {
            return true;
        }
    }
    return false;
}

static bool is_function(struct slice word) {
    static const struct slice functions[] = {
        {"attribute_exists", 16}, {"attribute_not_exists", 20},
        {"attribute_type", 14},   {"begins_with", 11},
        {"contains", 8},          {"size", 4}};
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (slice_eq(word, functions[i])) {
            return true;
        }
    }
    return false;
}

/* An attribute name, a function or a keyword. */
static int take_word(struct compiler *c) {
    const char *start = c->at, *follow;
    while (c->at < c->end && (letter(*c->at) || digit(*c->at) || *c->at == '-')) {
        c->at++;
    }
    struct slice word = slice_of(start, (size_t)(c->at - start));
    bool member = c->after_path; /* behind '.': a name whatever it is called */
    for (follow = c->at; follow < c->end && space(*follow); follow++) {
    }
    c->after_path = false;
    if (!member && is_keyword(word)) {
        return buffer_append_slice(c->out, word);
    }
    if (!member && follow < c->end && *follow == '(') {
        return is_function(word) ? buffer_append_slice(c->out, word)
                                 : refuse(c, "unknown function ", word);
    }
    c->after_path = true;
    return placeholders_name(c->p, word, c->out);
}

/* '.name' and '[3]' behind a name. */
static int take_path_step(struct compiler *c) {
    const char *start = c->at++;
    if (*start == '.') {
        if (c->at == c->end || !letter(*c->at)) {
            return refuse(c, "expected a name after ", SLICE("."));
        }
        int error = buffer_append_slice(c->out, SLICE("."));
        return error ? error : take_word(c);
    }
    while (c->at < c->end && digit(*c->at)) {
        c->at++;
    }
    if (c->at == c->end || *c->at != ']' || c->at == start + 1) {
        return refuse(c, "expected an index in ", slice_of(start, (size_t)(c->end - start)));
    }
    c->at++;
    return buffer_append(c->out, start, (size_t)(c->at - start));
}

static int put_value(struct compiler *c, char type, struct slice text) {
    struct buffer typed = {0};
    int error = buffer_printf(&typed, "{\"%c\":", type);
    error = error ? error : model_json_string(&typed, text);
    error = error ? error : buffer_append_slice(&typed, SLICE("}"));
    error = error ? error : placeholders_value(c->p, buffer_slice(&typed), c->out);
    buffer_fini(&typed);
    return error == ERR_INVALID ? refuse(c, "not UTF-8: ", text) : error;
}

static int take_string(struct compiler *c) {
    const char *start = c->at + 1;
    const char *stop = memchr(start, *c->at, (size_t)(c->end - start));
    if (!stop) {
        return refuse(c,
                      "the string does not end: ", slice_of(c->at, (size_t)(c->end - c->at)));
    }
    c->at = stop + 1;
    return put_value(c, 'S', slice_of(start, (size_t)(stop - start)));
}

static int take_number(struct compiler *c) {
    struct number n;
    const char *wrong = number_read(c->at, c->end, &n);
    wrong = wrong ? wrong : number_check(&n);
    if (wrong) {
        return refuse(c, wrong, SLICE_EMPTY);
    }
    c->at += n.text.len;
    return put_value(c, 'N', n.text);
}

static int take_operator(struct compiler *c) {
    static const struct slice operators[] = {{"<>", 2}, {"<=", 2}, {">=", 2},
                                             {"=", 1},  {"<", 1},  {">", 1},
                                             {",", 1},  {"(", 1},  {")", 1}};
    struct slice rest = slice_of(c->at, (size_t)(c->end - c->at));
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        if (slice_starts_with(rest, operators[i])) {
            if (*c->at == ')' && c->open-- == 0) {
                return refuse(c, "unexpected ", SLICE(")"));
            }
            c->open += *c->at == '(';
            c->at += operators[i].len;
            return buffer_append_slice(c->out, operators[i]);
        }
    }
    if (*c->at == ':' || *c->at == '#') {
        return refuse(c, "write names and values themselves, not placeholders: ", rest);
    }
    return refuse(c, "unexpected ", rest);
}

static int take_token(struct compiler *c) {
    bool after_path = c->after_path;
    if (after_path && (*c->at == '.' || *c->at == '[')) {
        return take_path_step(c);
    }
    c->after_path = false;
    if (letter(*c->at)) {
        return take_word(c);
    }
    if (*c->at == '\'' || *c->at == '"') {
        return take_string(c);
    }
    if (digit(*c->at) || *c->at == '-') {
        return take_number(c);
    }
    return take_operator(c);
}

int condition_compile(const char *text, struct placeholders *p, struct buffer *expression,
                      char reason[160]) {
    struct compiler c = {text, text + strlen(text), p, expression, reason, 0, false};
    size_t start = expression->len;
    int error = 0;

    reason[0] = '\0';
    while (!error && c.at < c.end) {
        if (space(*c.at)) {
            c.at++;
            c.after_path = false;
            error = buffer_append_slice(c.out, SLICE(" "));
        } else {
            error = take_token(&c);
        }
    }
    if (!error && c.open) {
        error = refuse(&c, "missing ", SLICE(")"));
    }
    if (!error && expression->len - start > EXPRESSION_BYTES_MAX) {
        error = refuse(&c, "longer than 4096 bytes", SLICE_EMPTY);
    }
    return error;
}

int condition_append(const struct builtin_options *o, struct placeholders *p,
                     struct scratch *s) {
    char reason[160];
    int error;

    if (!condition_given(o)) {
        return 0;
    }
    error = buffer_append_slice(&s->extra, SLICE(",\"ConditionExpression\":\""));
    error = error ? error : condition_compile(o->condition, p, &s->extra, reason);
    error = error ? error : buffer_append_slice(&s->extra, SLICE("\""));
    if (error == ERR_INVALID) {
        (void)snprintf(s->message, sizeof s->message, "%s", reason);
    }
    return error;
}

int builtin_condition_check(const char *condition, char reason[160]) {
    struct buffer buffers[4] = {{0}, {0}, {0}, {0}};
    struct placeholders p = {&buffers[0], &buffers[1], &buffers[2], 0, 0};
    int error = condition_compile(condition, &p, &buffers[3], reason);
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        buffer_fini(&buffers[i]);
    }
    return error;
}
