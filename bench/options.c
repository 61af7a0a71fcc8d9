#include "options.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- values ---- */

static int to_count(const struct option *o, const char *value, uint64_t *out) {
    return slice_to_u64(slice_cstr(value), out) || (double)*out < o->low ||
                   (double)*out > o->high
               ? ERR_INVALID
               : 0;
}

static int to_unsigned(const struct option *o, const char *value, unsigned *out) {
    uint64_t n;
    int error = to_count(o, value, &n);
    *out = error ? 0 : (unsigned)n;
    return error;
}

static int to_number(const struct option *o, const char *value, double *out) {
    char *end;
    *out = strtod(value, &end);
    return end == value || *end || !(*out >= o->low && *out <= o->high) ? ERR_INVALID : 0;
}

/* "30", "30s", "500ms", "2m", "1h"; `unit_s` is that of a bare number. */
static int to_duration(const struct option *o, const char *value, double unit_s,
                       uint64_t *out_ns) {
    static const struct {
        const char *name;
        double s;
    } units[] = {{"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}};
    char *end;
    double n = strtod(value, &end);
    if (end == value) {
        return ERR_INVALID;
    }
    for (size_t i = 0; *end && i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(end, units[i].name) == 0) {
            unit_s = units[i].s;
            end = "";
        }
    }
    if (*end || !(n * unit_s >= o->low && n * unit_s <= o->high)) {
        return ERR_INVALID;
    }
    *out_ns = (uint64_t)(n * unit_s * 1e9);
    return 0;
}

static int to_text(const char *value, const char **out) {
    *out = value;
    return *value ? 0 : ERR_INVALID;
}

static int set(const struct option *o, void *into, const char *value) {
    void *member = (char *)into + o->offset;
    switch (o->kind) {
    case OPTION_FLAG:
        *(int *)member = 1;
        return 0;
    case OPTION_TEXT:
        return to_text(value, member);
    case OPTION_UNSIGNED:
        return to_unsigned(o, value, member);
    case OPTION_COUNT:
        return to_count(o, value, member);
    case OPTION_NUMBER:
        return to_number(o, value, member);
    case OPTION_DURATION:
        return to_duration(o, value, 1, member);
    case OPTION_MS:
        return to_duration(o, value, 1e-3, member);
    case OPTION_OWN:
        break;
    }
    return o->set(into, value);
}

/* ---- the line ---- */

enum options_result options_wrong(const struct option_table *t, const char *argument,
                                  const char *what) {
    fprintf(stderr, "%s: %s: %s (try --help)\n", t->program, argument, what);
    return OPTIONS_WRONG;
}

static const struct option *find(const struct option_table *t, struct slice name, char letter) {
    for (size_t i = 0; i < t->count; i++) {
        const struct option *o = &t->options[i];
        if (letter ? o->letter == letter : slice_eq(slice_cstr(o->name), name)) {
            return o;
        }
    }
    return NULL;
}

static enum options_result wrong_value(const struct option_table *t, const struct option *o,
                                       const char *value) {
    const char *unit = o->kind == OPTION_DURATION || o->kind == OPTION_MS ? " s" : "";
    int is_whole = o->kind == OPTION_UNSIGNED || o->kind == OPTION_COUNT;
    fprintf(stderr, "%s: --%s: '%s' is not %s", t->program, o->name, value, o->value);
    if (o->high > 0) {
        fprintf(stderr, is_whole ? " from %.0f to %.0f%s" : " from %g to %g%s", o->low, o->high,
                unit);
    }
    fprintf(stderr, " (try --help)\n");
    return OPTIONS_WRONG;
}

static enum options_result take(const struct option_table *t, void *into, int argc, char **argv,
                                int *i) {
    const char *argument = argv[*i];
    if (argument[0] != '-') {
        return !t->take_word                  ? options_wrong(t, argument, "not an option")
               : t->take_word(into, argument) ? OPTIONS_WRONG
                                              : OPTIONS_RUN;
    }
    struct slice inline_value = SLICE_EMPTY;
    int is_long = argument[1] == '-';
    const struct option *o =
        is_long ? find(t, slice_split(slice_cstr(argument + 2), '=', &inline_value), 0)
                : find(t, SLICE_EMPTY, argument[1] ? argument[1] : '-');
    if (!o) {
        return options_wrong(t, argument, "no such option");
    }
    const char *value = is_long ? inline_value.ptr : argument[2] ? argument + 2 : NULL;
    if (!o->value && value) {
        return options_wrong(t, argument, "takes no value");
    }
    if (o->value && !value) {
        if (*i + 1 == argc) {
            return options_wrong(t, argument, "needs a value");
        }
        value = argv[++*i];
    }
    return set(o, into, value) ? wrong_value(t, o, value) : OPTIONS_RUN;
}

enum options_result options_parse(const struct option_table *t, void *into, int argc,
                                  char **argv) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            t->print_help();
            return OPTIONS_HELPED;
        }
        enum options_result result = take(t, into, argc, argv, &i);
        if (result != OPTIONS_RUN) {
            return result;
        }
    }
    return OPTIONS_RUN;
}

/* ---- help ---- */

static void print_line(const char *letter, const char *name, const char *value,
                       const char *help) {
    char left[64];
    snprintf(left, sizeof left, "%s--%s%s%s", letter, name, value ? " " : "",
             value ? value : "");
    printf("  %-30s %s\n", left, help);
}

void options_print(const struct option_table *t) {
    for (size_t i = 0; i < t->count; i++) {
        const struct option *o = &t->options[i];
        char letter[] = {'-', o->letter, ',', ' ', '\0'};
        print_line(o->letter ? letter : "    ", o->name, o->value, o->help);
    }
    print_line("    ", "help", NULL, "this text");
}
