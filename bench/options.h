/* Command lines by table: what can be given, where it goes and what --help says of it, for
 * penstock-bench and penstock-sink.
 *
 * "--name value", "--name=value", "-n value" and "-nvalue". What is wrong is said in one line
 * on standard error. Strings stay the caller's argv. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include "base/slice.h"

#include <stddef.h>

enum option_kind {
    OPTION_FLAG,     /* int: 1 when given */
    OPTION_TEXT,     /* const char *; not empty */
    OPTION_UNSIGNED, /* unsigned, low..high */
    OPTION_COUNT,    /* uint64_t, low..high */
    OPTION_NUMBER,   /* double, low..high */
    OPTION_DURATION, /* uint64_t of nanoseconds, low..high seconds; a bare number is seconds */
    OPTION_MS,       /* the same, but a bare number is milliseconds */
    OPTION_OWN,      /* `set` reads it */
};

struct option {
    const char *name;
    char letter;       /* 0 = none */
    const char *value; /* what --help calls it; NULL = a flag */
    const char *help;
    enum option_kind kind;
    size_t offset; /* of the member it goes to */
    double low;
    double high;
    int (*set)(void *into, const char *value); /* OPTION_OWN: 0 or an error */
};

#define OPTION_SEED_MAX 1e18

/* The last five of an option: OPTION_INTO or OPTION_BY. */
#define OPTION_INTO(kind, type, member, low, high) kind, offsetof(type, member), low, high, NULL
#define OPTION_BY(set)                             OPTION_OWN, 0, 0, 0, set

struct option_table {
    const char *program;
    const struct option *options;
    size_t count;
    void (*print_help)(void);
    /* A word that is no option: 0, or non-zero after options_wrong. NULL = there are none. */
    int (*take_word)(void *into, const char *word);
};

enum options_result { OPTIONS_RUN, OPTIONS_HELPED, OPTIONS_WRONG };

enum options_result options_parse(const struct option_table *t, void *into, int argc,
                                  char **argv);
/* A line for each option and one for --help itself. */
void options_print(const struct option_table *t);
/* Says so: "PROGRAM: ARGUMENT: WHAT (try --help)". */
enum options_result options_wrong(const struct option_table *t, const char *argument,
                                  const char *what);

#endif
