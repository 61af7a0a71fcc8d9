#include "load_file.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>

#define FILE_BYTES_MAX (1u << 30)
#define CHUNK          65536u

static int wrong(const char *name, const char *why) {
    fprintf(stderr, "penstock-bench: %s: %s\n", name, why);
    return ERR_IO;
}

int load_file_read(const char *name, struct buffer *out) {
    FILE *f = fopen(name, "rb");
    size_t got;
    if (!f) {
        return wrong(name, strerror(errno));
    }
    do {
        int error = buffer_reserve(out, CHUNK);
        ASSERT(!error);
        got = fread(buffer_tail(out), 1, CHUNK, f);
        buffer_grow(out, got);
    } while (got > 0 && out->len <= FILE_BYTES_MAX);
    int bad = ferror(f) ? errno : 0;
    fclose(f);
    if (bad || out->len > FILE_BYTES_MAX) {
        return wrong(name, bad ? strerror(bad) : "is over 1 GiB");
    }
    return 0;
}
