/* Reads cases.txt for the tests that run it. */
#ifndef HTTP_BAD_CASES_H
#define HTTP_BAD_CASES_H

#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>

struct bad_case {
    char name[64];
    char expected[64];
    struct buffer input;
};

/* This header lies beside the table. */
static FILE *cases_open(void) {
    char path[4096];
    const char *slash = strrchr(__FILE__, '/');
    snprintf(path, sizeof(path), "%.*s/cases.txt", (int)(slash - __FILE__), __FILE__);
    FILE *file = fopen(path, "r");
    ASSERT(file != NULL);
    return file;
}

static const char *cases_unescape(const char *text, const char *end, struct buffer *out) {
    char c = *text++;
    if (c == '\\') {
        ASSERT(text < end);
        switch (*text++) {
        case 'r':
            c = '\r';
            break;
        case 'n':
            c = '\n';
            break;
        case 't':
            c = '\t';
            break;
        case '0':
            c = '\0';
            break;
        case '\\':
            break;
        case 'x': {
            char digits[3] = {text[0], text[1], '\0'};
            c = (char)strtol(digits, NULL, 16);
            text += 2;
            break;
        }
        default:
            ASSERT(0); /* no such escape */
        }
    }
    ASSERT(buffer_append(out, &c, 1) == 0);
    return text;
}

static void cases_expand(const char *text, const char *end, struct buffer *out) {
    while (text < end) {
        if (*text != '{') {
            text = cases_unescape(text, end, out);
            continue;
        }
        char *colon;
        unsigned long times = strtoul(text + 1, &colon, 10);
        const char *close = memchr(colon, '}', (size_t)(end - colon));
        struct buffer once = {0};
        cases_expand(colon + 1, close, &once);
        for (unsigned long i = 0; i < times; i++) {
            ASSERT(buffer_append_slice(out, buffer_slice(&once)) == 0);
        }
        buffer_fini(&once);
        text = close + 1;
    }
}

static void cases_copy(char *out, size_t size, const char *text, size_t len) {
    struct slice trimmed = slice_trim(slice_of(text, len));
    ASSERT(trimmed.len < size);
    memcpy(out, trimmed.ptr, trimmed.len);
    out[trimmed.len] = '\0';
}

/* Calls `each` on every case; returns how many there were. */
static size_t cases_each(void (*each)(struct bad_case *c, void *arg), void *arg) {
    FILE *file = cases_open();
    char *line = NULL;
    size_t cap = 0;
    size_t count = 0;
    ssize_t len;
    while ((len = getline(&line, &cap, file)) > 0) {
        char *first = strchr(line, '|');
        if (line[0] == '#' || first == NULL) {
            continue;
        }
        char *second = strchr(first + 1, '|');
        ASSERT(second != NULL && line[len - 1] == '\n');
        struct bad_case c = {0};
        cases_copy(c.name, sizeof(c.name), line, (size_t)(first - line));
        cases_copy(c.expected, sizeof(c.expected), first + 1, (size_t)(second - first - 1));
        cases_expand(second + 2, line + len - 1, &c.input);
        each(&c, arg);
        buffer_fini(&c.input);
        count++;
    }
    free(line);
    fclose(file);
    return count;
}

#endif
