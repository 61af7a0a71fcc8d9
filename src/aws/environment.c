#include "aws/environment.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

const char *aws_env(const struct aws_environment *env, const char *name) {
    const char *value = env->get ? env->get(env->arg, name) : getenv(name);
    return value && value[0] ? value : NULL;
}

int aws_parse_flag(const char *name, const char *value, int *out, char reason[AWS_REASON_MAX]) {
    *out = value && strcasecmp(value, "true") == 0;
    if (!value || *out || strcasecmp(value, "false") == 0) {
        return 0;
    }
    snprintf(reason, AWS_REASON_MAX, "%s is \"%.40s\": true or false expected", name, value);
    return ERR_INVALID;
}

int aws_env_flag(const struct aws_environment *env, const char *name, int *out,
                 char reason[AWS_REASON_MAX]) {
    return aws_parse_flag(name, aws_env(env, name), out, reason);
}

static int file_error(const char *path, int number, char reason[AWS_REASON_MAX]) {
    snprintf(reason, AWS_REASON_MAX, "%.160s: %s", path, strerror(number));
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    case EACCES:
    case EPERM:
        return ERR_PERMISSION;
    default:
        return ERR_IO;
    }
}

/* A pipe or a device could block or never end. */
static int check_regular(int fd, const char *path, char reason[AWS_REASON_MAX]) {
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return file_error(path, errno, reason);
    }
    if (S_ISREG(st.st_mode)) {
        return 0;
    }
    snprintf(reason, AWS_REASON_MAX, "%.160s: not a regular file", path);
    return ERR_INVALID;
}

static int read_all(int fd, const char *path, struct buffer *out, char reason[AWS_REASON_MAX]) {
    size_t total = 0;
    for (;;) {
        if (buffer_reserve(out, 4096) != 0) {
            return ERR_NOMEM;
        }
        ssize_t n = read(fd, buffer_tail(out), buffer_room(out));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return file_error(path, errno, reason);
        }
        if (n == 0) {
            return 0;
        }
        buffer_grow(out, (size_t)n);
        total += (size_t)n;
        if (total > AWS_FILE_MAX) {
            snprintf(reason, AWS_REASON_MAX, "%.160s: over %u bytes", path, AWS_FILE_MAX);
            return ERR_LIMIT;
        }
    }
}

int aws_read_file(const char *path, struct buffer *out, char reason[AWS_REASON_MAX]) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return file_error(path, errno, reason);
    }
    int e = check_regular(fd, path, reason);
    e = e ? e : read_all(fd, path, out, reason);
    close(fd);
    return e;
}

void aws_wipe_buffer(struct buffer *b) {
    if (b->data) {
        explicit_bzero(b->data, b->cap);
    }
    buffer_fini(b);
}

void aws_wipe_string(char *text) {
    if (text) {
        explicit_bzero(text, strlen(text));
        free(text);
    }
}
