#include "aws/profile.h"

#include "aws/environment.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>

/* One value. `section` is "profile NAME", "default" (a bare [default] of the config file),
 * "services NAME" ...; `parent` is the key it is nested under, or "". */
struct entry {
    struct entry *next;
    enum aws_profile_file file;
    char *section;
    char *parent;
    char *key; /* "" for the section itself: an empty section exists, too */
    char *value;
};

struct aws_profiles {
    struct entry *first;
};

struct reader { /* where a file's parser stands */
    struct aws_profiles *profiles;
    enum aws_profile_file file;
    char *section;      /* NULL before the first; "" for one that is ignored */
    struct entry *last; /* what an indented line goes on with */
};

struct aws_profiles *aws_profiles_new(void) {
    struct aws_profiles *p;
    NEED_MEMORY((p = calloc(1, sizeof(*p))) != NULL);
    return p;
}

void aws_profiles_free(struct aws_profiles *p) {
    if (!p) {
        return;
    }
    while (p->first) {
        struct entry *e = p->first;
        p->first = e->next;
        free(e->section);
        free(e->parent);
        free(e->key);
        aws_wipe_string(e->value);
        free(e);
    }
    free(p);
}

static struct entry *find(const struct aws_profiles *p, enum aws_profile_file file,
                          const char *section, const char *parent, const char *key) {
    for (struct entry *e = p->first; e; e = e->next) {
        if (e->file == file && strcmp(e->section, section) == 0 &&
            strcmp(e->parent, parent) == 0 && strcmp(e->key, key) == 0) {
            return e;
        }
    }
    return NULL;
}

static char *dup_lower(struct slice s) {
    char *copy = slice_dup(s);
    for (char *c = copy; *c; c++) {
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
    }
    return copy;
}

static struct entry *put(struct reader *r, struct slice parent, struct slice key,
                         struct slice value) {
    char *name = dup_lower(key);
    char *above = dup_lower(parent);
    struct entry *e = find(r->profiles, r->file, r->section, above, name);
    if (!e) {
        NEED_MEMORY((e = calloc(1, sizeof(*e))) != NULL);
        *e = (struct entry){.next = r->profiles->first,
                            .file = r->file,
                            .section = slice_dup(slice_cstr(r->section)),
                            .parent = above,
                            .key = name};
        r->profiles->first = e;
    } else {
        free(name);
        free(above);
        aws_wipe_string(e->value);
    }
    e->value = slice_dup(value);
    return e;
}

static struct slice trim_line(struct slice s) {
    if (s.len > 0 && s.ptr[s.len - 1] == '\r') {
        s.len--;
    }
    return slice_trim(s);
}

/* Without a comment that begins after white space. */
static struct slice cut_comment(struct slice s) {
    for (size_t i = 1; i < s.len; i++) {
        int space = s.ptr[i - 1] == ' ' || s.ptr[i - 1] == '\t';
        if (space && (s.ptr[i] == '#' || s.ptr[i] == ';')) {
            return slice_trim(slice_of(s.ptr, i));
        }
    }
    return s;
}

static struct slice unquote(struct slice s) {
    if (s.len >= 2 && (s.ptr[0] == '"' || s.ptr[0] == '\'') && s.ptr[s.len - 1] == s.ptr[0]) {
        return slice_of(s.ptr + 1, s.len - 2);
    }
    return s;
}

/* "profile dev" and the like, NUL-terminated; "" for a section nobody reads. */
static char *section_name(enum aws_profile_file file, struct slice inside) {
    char *name = NULL;
    struct slice rest;
    struct slice kind = slice_split(inside, ' ', &rest);
    rest = unquote(slice_trim(rest));
    const char *word = "profile";
    if (file == AWS_FILE_CREDENTIALS) {
        rest = unquote(inside);
    } else if (slice_eq(inside, SLICE("default"))) {
        return slice_dup(inside);
    } else if (slice_eq(kind, SLICE("services"))) {
        word = "services";
    } else if (!slice_eq(kind, SLICE("profile"))) {
        rest = SLICE_EMPTY;
    }
    if (rest.len == 0) {
        return slice_dup(SLICE_EMPTY);
    }
    ASSERT(asprintf(&name, "%s " SLICE_FMT, word, SLICE_ARG(rest)) >= 0);
    return name;
}

static const char *read_section(struct reader *r, struct slice line) {
    size_t end = slice_find(line, ']');
    if (end == line.len) {
        return "a section without its ]";
    }
    free(r->section);
    r->section = section_name(r->file, slice_trim(slice_of(line.ptr + 1, end - 1)));
    r->last = NULL;
    if (r->section[0]) {
        put(r, SLICE_EMPTY, SLICE_EMPTY, SLICE_EMPTY);
    }
    return NULL;
}

static const char *read_property(struct reader *r, struct slice line) {
    struct slice value;
    if (slice_find(line, '=') == line.len) {
        return "key = value expected";
    }
    struct slice key = slice_trim(slice_split(line, '=', &value));
    if (key.len == 0) {
        return "a value without a key";
    }
    if (!r->section) {
        return "a value before the first section";
    }
    if (r->section[0]) {
        r->last = put(r, SLICE_EMPTY, key, cut_comment(slice_trim(value)));
    }
    return NULL;
}

/* Nested under a key without a value, or one more line of a value. */
static const char *read_indented(struct reader *r, struct slice line) {
    if (!r->section || (r->section[0] && !r->last)) {
        return "an indented line that continues nothing";
    }
    if (!r->section[0]) {
        return NULL;
    }
    if (r->last->value[0]) {
        char *longer = NULL;
        ASSERT(asprintf(&longer, "%s\n" SLICE_FMT, r->last->value, SLICE_ARG(line)) >= 0);
        aws_wipe_string(r->last->value);
        r->last->value = longer;
        return NULL;
    }
    struct slice value;
    if (slice_find(line, '=') == line.len) {
        return "key = value expected";
    }
    struct slice key = slice_trim(slice_split(line, '=', &value));
    put(r, slice_cstr(r->last->key), key, cut_comment(slice_trim(value)));
    return NULL;
}

static const char *read_line(struct reader *r, struct slice line) {
    struct slice text = trim_line(line);
    if (text.len == 0 || text.ptr[0] == '#' || text.ptr[0] == ';') {
        return NULL;
    }
    if (line.ptr[0] == ' ' || line.ptr[0] == '\t') {
        return read_indented(r, text);
    }
    return text.ptr[0] == '[' ? read_section(r, text) : read_property(r, text);
}

int aws_profiles_parse(struct aws_profiles *p, enum aws_profile_file file, struct slice text,
                       char reason[AWS_REASON_MAX]) {
    struct reader r = {.profiles = p, .file = file};
    const char *wrong = NULL;
    if (slice_starts_with(text, SLICE("\xef\xbb\xbf"))) {
        text = slice_from(text, 3);
    }
    for (unsigned number = 1; text.len > 0 && !wrong; number++) {
        wrong = read_line(&r, slice_split(text, '\n', &text));
        if (wrong) {
            snprintf(reason, AWS_REASON_MAX, "line %u: %s", number, wrong);
        }
    }
    free(r.section);
    return wrong ? ERR_INVALID : 0;
}

/* The variable's path or the usual one, "~" expanded; "" when there is no home. */
static void file_path(const struct aws_environment *env, const char *variable,
                      const char *usual, char out[4096]) {
    const char *home = aws_env(env, "HOME");
    const char *path = aws_env(env, variable);
    path = path ? path : usual;
    if (path[0] == '~' && (path[1] == '/' || path[1] == '\0')) {
        snprintf(out, 4096, "%s%s", home ? home : "", home ? path + 1 : "");
    } else {
        snprintf(out, 4096, "%s", path);
    }
}

static int load_file(const struct aws_environment *env, struct aws_profiles *p,
                     enum aws_profile_file file, char reason[AWS_REASON_MAX]) {
    struct buffer text = {0};
    char path[4096], why[AWS_REASON_MAX] = "";
    if (file == AWS_FILE_CONFIG) {
        file_path(env, "AWS_CONFIG_FILE", "~/.aws/config", path);
    } else {
        file_path(env, "AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", path);
    }
    if (!path[0]) {
        return 0;
    }
    int e = aws_read_file(path, &text, reason);
    if (!e) {
        e = aws_profiles_parse(p, file, buffer_slice(&text), why);
        if (e) {
            snprintf(reason, AWS_REASON_MAX, "%.160s: %.80s", path, why);
        }
    }
    aws_wipe_buffer(&text);
    return e == ERR_NOT_FOUND ? 0 : e;
}

int aws_profiles_load(const struct aws_environment *env, struct aws_profiles **out,
                      char reason[AWS_REASON_MAX]) {
    struct aws_profiles *p = aws_profiles_new();
    int e = load_file(env, p, AWS_FILE_CONFIG, reason);
    e = e ? e : load_file(env, p, AWS_FILE_CREDENTIALS, reason);
    if (e) {
        aws_profiles_free(p);
        return e;
    }
    *out = p;
    return 0;
}

const char *aws_profile_name(const struct aws_environment *env) {
    const char *name = aws_env(env, "AWS_PROFILE");
    name = name ? name : aws_env(env, "AWS_DEFAULT_PROFILE");
    return name ? name : "default";
}

/* The section that holds the profile in a file; "" when there is none. */
static void profile_section(const struct aws_profiles *p, enum aws_profile_file file,
                            const char *profile, char out[300]) {
    snprintf(out, 300, "profile %s", profile);
    if (find(p, file, out, "", "")) {
        return;
    }
    int plain = strcmp(profile, "default") == 0 && find(p, file, "default", "", "");
    snprintf(out, 300, "%s", plain ? "default" : "");
}

int aws_profile_exists(const struct aws_profiles *p, const char *profile) {
    char section[300];
    profile_section(p, AWS_FILE_CREDENTIALS, profile, section);
    if (!section[0]) {
        profile_section(p, AWS_FILE_CONFIG, profile, section);
    }
    return section[0] != '\0';
}

const char *aws_profile_get_from(const struct aws_profiles *p, enum aws_profile_file file,
                                 const char *profile, const char *key) {
    char section[300];
    profile_section(p, file, profile, section);
    const struct entry *e = find(p, file, section, "", key);
    return e && e->value[0] ? e->value : NULL;
}

const char *aws_profile_get(const struct aws_profiles *p, const char *profile,
                            const char *key) {
    const char *value = aws_profile_get_from(p, AWS_FILE_CREDENTIALS, profile, key);
    return value ? value : aws_profile_get_from(p, AWS_FILE_CONFIG, profile, key);
}

const char *aws_profile_service(const struct aws_profiles *p, const char *name,
                                const char *service, const char *key) {
    char section[300];
    snprintf(section, sizeof(section), "services %s", name);
    const struct entry *e = find(p, AWS_FILE_CONFIG, section, service, key);
    return e && e->value[0] ? e->value : NULL;
}
