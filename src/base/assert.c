#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn void assert_failed(const char *expression, const char *file, int line) {
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expression);
    abort();
}

_Noreturn void memory_is_out(const char *expression, const char *file, int line) {
    fprintf(stderr, "penstock: out of memory or descriptors (%s:%d: %s)\n", file, line,
            expression);
    _exit(1);
}
