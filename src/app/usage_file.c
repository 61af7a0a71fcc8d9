#include "app/usage_file.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "model/item.h"
#include "model/json_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY_S    86400
#define PATH_LEN 4096

struct file {
    const char *directory;
    char *problem;
    int bad; /* it was put aside */
    struct json_object *tree;
    struct usage_record *records; /* names point into the tree, or are the caller's */
    size_t count;
};

static int join(const struct file *f, const char *name, char out[PATH_LEN]) {
    int len = snprintf(out, PATH_LEN, "%s/%s", f->directory, name);
    if (len < 0 || len >= PATH_LEN) {
        (void)snprintf(f->problem, USAGE_PROBLEM_MAX, "the path is too long");
        return ERR_LIMIT;
    }
    return 0;
}

static int io_problem(const struct file *f, const char *what, const char *path) {
    (void)snprintf(f->problem, USAGE_PROBLEM_MAX, "%s %.180s: %s", what, path, strerror(errno));
    return ERR_IO;
}

/* ---- reading ---- */

static int read_bytes(const struct file *f, const char *path, struct buffer *out) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? 0 : io_problem(f, "cannot open", path);
    }
    int error = fstat(fd, &info) != 0 ? io_problem(f, "cannot read", path) : 0;
    if (error == 0 && info.st_size > USAGE_FILE_MAX) {
        error = ERR_INVALID;
    }
    if (error == 0) {
        size_t len = (size_t)info.st_size;
        ssize_t got;
        error = buffer_reserve(out, len + 1);
        while (error == 0 && out->len < len &&
               (got = read(fd, buffer_tail(out), len - out->len)) > 0) {
            buffer_grow(out, (size_t)got);
        }
    }
    (void)close(fd);
    return error;
}

static const char *text_of(struct json_object *map, const char *name) {
    struct json_object *value;
    return json_object_object_get_ex(map, name, &value) &&
                   json_object_is_type(value, json_type_string)
               ? json_object_get_string(value)
               : NULL;
}

static int read_record(struct json_object *entry, struct usage_record *out) {
    struct json_object *used;
    uint64_t start_s;
    out->plan = text_of(entry, "plan");
    out->key = text_of(entry, "key");
    const char *period = text_of(entry, "period");
    const char *start = text_of(entry, "start");
    if (!out->plan || !out->key || !period || !start ||
        clock_parse_iso8601(start, strlen(start), &start_s) != 0 ||
        !json_object_object_get_ex(entry, "used", &used) ||
        !json_object_is_type(used, json_type_int) || json_object_get_int64(used) < 0) {
        return ERR_INVALID;
    }
    out->period = quota_period_parse(period);
    out->start = (uint32_t)(start_s / DAY_S);
    out->used = (uint64_t)json_object_get_int64(used);
    return out->period == QUOTA_NONE ? ERR_INVALID : 0;
}

static int parse(struct file *f, struct slice text) {
    struct json_object *list;
    int error;
    NEED_MEMORY((error = json_tree_read(text, &f->tree)) != ERR_NOMEM);
    if (error != 0 || !f->tree || !json_object_is_type(f->tree, json_type_object) ||
        !json_object_object_get_ex(f->tree, "quotas", &list) ||
        !json_object_is_type(list, json_type_array)) {
        return ERR_INVALID;
    }
    size_t count = json_object_array_length(list);
    NEED_MEMORY((f->records = calloc(count + 1, sizeof *f->records)) != NULL);
    for (size_t i = 0; i < count; i++) {
        if (read_record(json_object_array_get_idx(list, i), &f->records[f->count]) != 0) {
            return ERR_INVALID;
        }
        f->count++;
    }
    return 0;
}

static void forget(struct file *f) {
    if (f->tree) {
        json_object_put(f->tree);
    }
    free(f->records);
    f->tree = NULL;
    f->records = NULL;
    f->count = 0;
}

/* 0 also when there is none, or a bad one, which is put aside. */
static int load(struct file *f) {
    char path[PATH_LEN];
    char aside[PATH_LEN];
    struct buffer bytes = {0};
    if (join(f, "quotas.json", path) != 0 || join(f, "quotas.json.bad", aside) != 0) {
        return ERR_IO;
    }
    int error = read_bytes(f, path, &bytes);
    if (error == 0 && bytes.len > 0) {
        error = parse(f, buffer_slice(&bytes));
    }
    buffer_fini(&bytes);
    if (error == ERR_INVALID) {
        forget(f);
        f->bad = 1;
        (void)snprintf(f->problem, USAGE_PROBLEM_MAX,
                       "%.180s is no file of quotas; it is put aside as quotas.json.bad", path);
        error = rename(path, aside) != 0 ? io_problem(f, "cannot put aside", path) : 0;
    }
    return error;
}

/* ---- writing ---- */

static int print_record(struct buffer *out, const struct usage_record *r, const char *before) {
    char start[25];
    clock_format_iso8601_ms((uint64_t)r->start * DAY_S * 1000, start);
    int error = buffer_printf(out, "%s\n{\"plan\":", before);
    error = error ? error : model_json_string(out, slice_cstr(r->plan));
    error = error ? error : buffer_append_slice(out, SLICE(",\"key\":"));
    error = error ? error : model_json_string(out, slice_cstr(r->key));
    return error ? error
                 : buffer_printf(out, ",\"period\":\"%s\",\"start\":\"%s\",\"used\":%llu}",
                                 quota_period_name(r->period), start,
                                 (unsigned long long)r->used);
}

static int print(const struct file *f, uint32_t today, struct buffer *out) {
    int error = buffer_append_slice(out, SLICE("{\"quotas\":["));
    const char *before = "";
    for (size_t i = 0; i < f->count && error == 0; i++) {
        if (f->records[i].start + USAGE_KEPT_DAYS >= today) {
            error = print_record(out, &f->records[i], before);
            before = ",";
        }
    }
    return error ? error : buffer_append_slice(out, SLICE("\n]}\n"));
}

static int write_all(int fd, struct slice bytes) {
    while (bytes.len > 0) {
        ssize_t put = write(fd, bytes.ptr, bytes.len);
        if (put < 0 && errno != EINTR) {
            return ERR_IO;
        }
        bytes = slice_from(bytes, put > 0 ? (size_t)put : 0);
    }
    return fsync(fd) != 0 ? ERR_IO : 0;
}

static int sync_directory(const struct file *f) {
    int fd = open(f->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = fd < 0 || fsync(fd) != 0 ? io_problem(f, "cannot sync", f->directory) : 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return error;
}

/* The old file or the new one, whatever happens meanwhile. */
static int replace(const struct file *f, struct slice bytes) {
    char path[PATH_LEN];
    char fresh[PATH_LEN];
    if (join(f, "quotas.json", path) != 0 || join(f, "quotas.json.new", fresh) != 0) {
        return ERR_IO;
    }
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return io_problem(f, "cannot make", fresh);
    }
    int error = write_all(fd, bytes) != 0 ? io_problem(f, "cannot write", fresh) : 0;
    (void)close(fd);
    if (error == 0 && rename(fresh, path) != 0) {
        error = io_problem(f, "cannot rename", fresh);
    }
    return error ? error : sync_directory(f);
}

static int save(const struct file *f, uint32_t today) {
    struct buffer out = {0};
    int error = print(f, today, &out);
    error = error ? error : replace(f, buffer_slice(&out));
    buffer_fini(&out);
    return error;
}

/* ---- the lock ---- */

static int lock(const struct file *f, int *fd) {
    char path[PATH_LEN];
    if (join(f, "quotas.lock", path) != 0) {
        return ERR_IO;
    }
    if (mkdir(f->directory, 0700) != 0 && errno != EEXIST) {
        return io_problem(f, "cannot make", f->directory);
    }
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0) {
        return io_problem(f, "cannot open", path);
    }
    if (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
        int busy = errno == EWOULDBLOCK;
        int error = io_problem(f, "cannot lock", path);
        (void)close(*fd);
        return busy ? ERR_BUSY : error;
    }
    return 0;
}

static int result(const struct file *f, int error) {
    return error == 0 && f->bad ? ERR_INVALID : error;
}

int usage_file_read(const char *directory,
                    void (*each)(void *arg, const struct usage_record *r), void *arg,
                    char problem[USAGE_PROBLEM_MAX]) {
    struct file f = {.directory = directory, .problem = problem};
    int fd;
    int error = lock(&f, &fd);
    if (error != 0) {
        return error;
    }
    error = load(&f);
    for (size_t i = 0; i < f.count; i++) {
        each(arg, &f.records[i]);
    }
    forget(&f);
    (void)close(fd);
    return result(&f, error);
}

/* ---- adding ---- */

static int by_key(const void *a, const void *b) {
    const struct usage_record *x = a;
    const struct usage_record *y = b;
    int order = strcmp(x->plan, y->plan);
    return order ? order : strcmp(x->key, y->key);
}

/* A later period takes the place of an earlier one. */
static void add_to(struct usage_record *there, struct usage_record *ours) {
    if (there->period == ours->period && there->start == ours->start) {
        ours->used += there->used;
    }
    *there =
        (struct usage_record){there->plan, there->key, ours->period, ours->start, ours->used};
}

static void merge(struct file *f, struct usage_record *records, size_t count) {
    size_t known = f->count;
    f->records = memory_grow(f->records, (known + count + 1) * sizeof *f->records);
    qsort(f->records, known, sizeof *f->records, by_key);
    for (size_t i = 0; i < count; i++) {
        struct usage_record *there =
            bsearch(&records[i], f->records, known, sizeof *f->records, by_key);
        if (there) {
            add_to(there, &records[i]);
        } else {
            f->records[f->count++] = records[i];
        }
    }
}

int usage_file_add(const char *directory, struct usage_record *records, size_t count,
                   uint32_t today, char problem[USAGE_PROBLEM_MAX]) {
    struct file f = {.directory = directory, .problem = problem};
    int fd;
    int error = lock(&f, &fd);
    if (error != 0) {
        return error;
    }
    error = load(&f);
    if (error == 0) {
        merge(&f, records, count);
        error = save(&f, today);
    }
    forget(&f);
    (void)close(fd);
    return result(&f, error);
}
