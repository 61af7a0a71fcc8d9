#include "app/config_error.h"

#include "model/utf8.h"

#include <stdarg.h>
#include <stdio.h>

void config_errors_init(struct config_errors *e, const char *file) {
    *e = (struct config_errors){.file = file};
}

void config_errors_fini(struct config_errors *e) {
    buffer_fini(&e->text);
}

size_t config_printable(const char *at, const char *end) {
    const unsigned char *p = (const unsigned char *)at;
    if (p[0] < ' ' || p[0] == 0x7f || (p[0] == 0xc2 && end - at > 1 && p[1] < 0xa0)) {
        return 0;
    }
    return utf8_sequence(at, end);
}

/* What a file holds must neither look like a second message nor steer a terminal. */
static void make_printable(char *text) {
    const char *end = text + strlen(text);
    while (text < end) {
        size_t len = config_printable(text, end);
        if (len == 0) {
            *text = '?';
            len = 1;
        }
        text += len;
    }
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
    make_printable(message);
    if (at.line == 0) {
        error = buffer_printf(&e->text, "%s: %s\n", e->file, message);
    } else {
        error = buffer_printf(&e->text, "%s:%u:%u: %s\n", e->file, at.line, at.column, message);
    }
    NEED_MEMORY(error == 0);
}
