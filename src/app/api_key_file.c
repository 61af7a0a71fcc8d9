#include "app/api_key_file.h"

#include "base/buffer.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIELDS_MAX 32 /* columns that are looked at */

enum column { COLUMN_KEY, COLUMN_SHA256, COLUMN_NAME, COLUMN_ENABLED, COLUMN_PLANS, COLUMNS };

static const char *const column_names[COLUMNS] = {"Key", "Sha256", "Name", "Enabled",
                                                  "UsagePlanIds"};

struct reading {
    const char *path;
    char *at;
    char *end;
    unsigned line;           /* of the record */
    unsigned lines_inside;   /* its quoted fields */
    size_t columns[COLUMNS]; /* FIELDS_MAX: not there */
    struct slice fields[FIELDS_MAX];
    size_t count;
    char *problem;
};

static int refuse(const struct reading *r, const char *what) {
    (void)snprintf(r->problem, API_KEY_PROBLEM_MAX, "%s:%u: %s", r->path, r->line, what);
    return ERR_INVALID;
}

/* A field in quotes, unquoted where it lies. */
static int read_quoted(struct reading *r, struct slice *out) {
    char *to = ++r->at;
    char *start = to;
    unsigned lines = 0;
    for (; r->at < r->end; r->at++) {
        if (*r->at == '"') {
            r->at++;
            if (r->at == r->end || *r->at != '"') {
                *out = slice_of(start, (size_t)(to - start));
                r->lines_inside += lines;
                return 0;
            }
        }
        lines += *r->at == '\n';
        *to++ = *r->at;
    }
    return refuse(r, "a quoted field has no end");
}

static int read_field(struct reading *r, struct slice *out) {
    if (r->at < r->end && *r->at == '"') {
        return read_quoted(r, out);
    }
    char *start = r->at;
    while (r->at < r->end && *r->at != ',' && *r->at != '\n') {
        r->at++;
    }
    size_t len = (size_t)(r->at - start);
    *out = slice_trim(slice_of(start, len > 0 && start[len - 1] == '\r' ? len - 1 : len));
    return 0;
}

/* One line into fields[]; those beyond FIELDS_MAX are read over. */
static int read_record(struct reading *r) {
    struct slice field;
    r->count = 0;
    r->line += 1 + r->lines_inside;
    r->lines_inside = 0;
    for (;;) {
        int error = read_field(r, &field);
        if (error != 0) {
            return error;
        }
        if (r->count < FIELDS_MAX) {
            r->fields[r->count++] = field;
        }
        if (r->at < r->end && *r->at == '\r') {
            r->at++;
        }
        if (r->at == r->end) {
            return 0;
        }
        char separator = *r->at++;
        if (separator == '\n') {
            return 0;
        }
        if (separator != ',') {
            return refuse(r, "expected a comma or the end of the line after a quoted field");
        }
    }
}

static int read_columns(struct reading *r) {
    int error = read_record(r);
    for (size_t c = 0; c < COLUMNS && error == 0; c++) {
        r->columns[c] = FIELDS_MAX;
        for (size_t i = 0; i < r->count; i++) {
            if (slice_eq_nocase(r->fields[i], slice_cstr(column_names[c]))) {
                r->columns[c] = i;
            }
        }
    }
    if (error == 0 &&
        (r->columns[COLUMN_NAME] == FIELDS_MAX ||
         (r->columns[COLUMN_KEY] == FIELDS_MAX && r->columns[COLUMN_SHA256] == FIELDS_MAX))) {
        return refuse(r, "the first line must name the columns Name and Key (or Sha256)");
    }
    return error;
}

static struct slice field_of(const struct reading *r, enum column c) {
    return r->columns[c] < r->count ? r->fields[r->columns[c]] : SLICE_EMPTY;
}

static int read_rows(struct reading *r, void (*each)(void *arg, const struct api_key_row *row),
                     void *arg) {
    int error = read_columns(r);
    while (error == 0 && r->at < r->end) {
        error = read_record(r);
        if (error == 0 && (r->count > 1 || r->fields[0].len > 0)) { /* no blank line */
            each(arg,
                 &(struct api_key_row){field_of(r, COLUMN_KEY), field_of(r, COLUMN_SHA256),
                                       field_of(r, COLUMN_NAME), field_of(r, COLUMN_ENABLED),
                                       field_of(r, COLUMN_PLANS), r->line});
        }
    }
    return error;
}

/* NULL, or what is wrong. Not through stdio, which would keep a second copy of the keys. */
static const char *read_open(int fd, struct buffer *out) {
    struct stat info;
    ssize_t got = 0;
    if (fd < 0 || fstat(fd, &info) != 0) {
        return strerror(errno);
    }
    if (!S_ISREG(info.st_mode)) { /* a pipe might keep the main thread waiting */
        return "not a file";
    }
    NEED_MEMORY(buffer_reserve(out, API_KEY_FILE_MAX + 1) == 0);
    do {
        got = read(fd, buffer_tail(out), API_KEY_FILE_MAX + 1 - out->len);
        buffer_grow(out, got > 0 ? (size_t)got : 0);
    } while (got > 0 && out->len <= API_KEY_FILE_MAX);
    return got < 0 ? strerror(errno) : NULL;
}

static int read_bytes(const char *path, struct buffer *out, char problem[API_KEY_PROBLEM_MAX]) {
    int error = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const char *wrong = read_open(fd, out);
    if (wrong != NULL) {
        (void)snprintf(problem, API_KEY_PROBLEM_MAX, "%s: cannot be read: %s", path, wrong);
        error = ERR_IO;
    } else if (out->len > API_KEY_FILE_MAX) {
        (void)snprintf(problem, API_KEY_PROBLEM_MAX, "%s: over %d bytes", path,
                       API_KEY_FILE_MAX);
        error = ERR_LIMIT;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return error;
}

int api_key_file_parse(const char *path, char *bytes, size_t len,
                       void (*each)(void *arg, const struct api_key_row *row), void *arg,
                       char problem[API_KEY_PROBLEM_MAX]) {
    struct reading r = {.path = path, .at = bytes, .end = bytes + len, .problem = problem};
    if (len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
        r.at += 3;
    }
    return read_rows(&r, each, arg);
}

int api_key_file_read(const char *path, void (*each)(void *arg, const struct api_key_row *row),
                      void *arg, char problem[API_KEY_PROBLEM_MAX]) {
    struct buffer bytes = {0};
    int error = read_bytes(path, &bytes, problem);
    if (error == 0) {
        error = api_key_file_parse(path, buffer_begin(&bytes), bytes.len, each, arg, problem);
    }
    if (bytes.data) {
        explicit_bzero(bytes.data, bytes.cap);
    }
    buffer_fini(&bytes);
    return error;
}
