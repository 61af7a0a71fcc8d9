/* links: app */
/* Any bytes as a file of API keys: rows whose fields lie within it, or a message with a line
 * that quotes nothing of it. */
#include "app/api_key_file.h"
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    const char *bytes;
    size_t len;
    unsigned line;
};

static void check(const struct seen *s, struct slice field) {
    ASSERT(field.len == 0 || (field.ptr >= s->bytes && field.len <= s->len &&
                              (size_t)(field.ptr - s->bytes) <= s->len - field.len));
}

static void on_row(void *arg, const struct api_key_row *row) {
    struct seen *s = arg;
    check(s, row->key);
    check(s, row->sha256);
    check(s, row->name);
    check(s, row->enabled);
    check(s, row->plans);
    ASSERT(row->line > s->line);
    s->line = row->line;
}

static void check_problem(const char *problem) {
    static const char *const known[] = {
        "a quoted field has no end",
        "expected a comma or the end of the line after a quoted field",
        "the first line must name the columns Name and Key (or Sha256)"};
    unsigned line = 0;
    int at = 0;
    ASSERT(sscanf(problem, "keys:%u: %n", &line, &at) == 1 && line > 0);
    size_t i = 0;
    while (i < sizeof(known) / sizeof(known[0]) && strcmp(problem + at, known[i]) != 0) {
        i++;
    }
    ASSERT(i < sizeof(known) / sizeof(known[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char problem[API_KEY_PROBLEM_MAX] = "";
    char *bytes = malloc(size ? size : 1);
    if (bytes == NULL) {
        return 0;
    }
    memcpy(bytes, data, size);
    struct seen s = {.bytes = bytes, .len = size, .line = 1};
    int error = api_key_file_parse("keys", bytes, size, on_row, &s, problem);

    ASSERT((error != 0) == (problem[0] != '\0'));
    if (error != 0) {
        check_problem(problem);
    }
    free(bytes);
    return 0;
}
