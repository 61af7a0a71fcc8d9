#include "app/config_error.h"

#include <stdarg.h>
#include <stdio.h>

void config_errors_init(struct config_errors *e, const char *file) {
    *e = (struct config_errors){.file = file};
}

void config_errors_fini(struct config_errors *e) {
    buffer_fini(&e->text);
}

void config_errors_add(struct config_errors *e, struct config_mark at, const char *format,
                       ...) {
    char message[512];
    va_list args;
    int error;

    if (e->count++ >= CONFIG_ERRORS_MAX) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (at.line == 0) {
        error = buffer_printf(&e->text, "%s: %s\n", e->file, message);
    } else {
        error = buffer_printf(&e->text, "%s:%u:%u: %s\n", e->file, at.line, at.column, message);
    }
    NEED_MEMORY(error == 0);
}
