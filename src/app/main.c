/* penstock: the command line. Exit codes: 0 good, 1 failed, 2 wrong usage or configuration. */
#include "app/command.h"
#include "app/config_keys.h"
#include "app/config_listen.h"
#include "app/service.h"
#include "tls/context.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_CONFIG "/etc/penstock/penstock.yaml"

static const char usage[] =
    "usage: penstock COMMAND [options]\n"
    "\n"
    "  run [-c FILE]      serve (FILE: " DEFAULT_CONFIG " unless given)\n"
    "  check [-c FILE]    validate the configuration; prints nothing when it is good\n"
    "  routes [-c FILE]   print the routing table\n"
    "  invoke NAME_OR_ROUTE -e EVENT.json [-c FILE]\n"
    "                     run one handler on one event; prints the answer, the log, the "
    "duration\n"
    "  event http-v1|http-v2 [--method M] [--path /P?Q] [--body TEXT]\n"
    "                     print a sample event for invoke\n"
    "  version            print the version\n"
    "\n"
    "  --help             this text\n"
    "  --help-config      every configuration key with its default, bounds and unit\n"
    "\n"
    "exit codes: 0 good, 1 failed, 2 wrong usage or configuration\n";

static int wrong_usage(const char *what, const char *name) {
    (void)fprintf(stderr, "penstock: %s%s%s; see penstock --help\n", what, name ? " " : "",
                  name ? name : "");
    return EXIT_USAGE;
}

/* `check`: of what only serving needs; may be NULL. */
static struct config *load(const char *file, void (*check)(const struct config *c,
                                                           struct config_errors *errors)) {
    struct config_errors errors;
    struct config *config;

    config_errors_init(&errors, file);
    config = config_load(file, &errors);
    if (config && check) {
        tls_global_init();
        check(config, &errors);
        if (errors.count > 0) {
            config_free(config);
            config = NULL;
        }
    }
    (void)fprintf(stderr, SLICE_FMT, SLICE_ARG(buffer_slice(&errors.text)));
    if (errors.count > CONFIG_ERRORS_MAX) {
        (void)fprintf(stderr, "%s: %zu more\n", file, errors.count - CONFIG_ERRORS_MAX);
    }
    config_errors_fini(&errors);
    return config;
}

static int serve(const struct arguments *args, struct config *config) {
    (void)args;
    return service_run(config);
}

static int run_logged(const struct arguments *args,
                      int (*run)(const struct arguments *args, struct config *config)) {
    struct config *config;
    int code;

    (void)memory_keep_reserve(); /* without one, whatever is refused ends the start */
    config = load(args->config, run == serve ? config_check_certificates : NULL);
    if (!config) {
        return EXIT_USAGE;
    }
    log_threshold = config->log_level;
    if (log_start(STDERR_FILENO) != 0) {
        (void)fprintf(stderr, "penstock: the log cannot be started\n");
        return EXIT_FAILED;
    }
    code = run(args, config);
    log_stop();
    return code;
}

static int command_run(const struct arguments *args) {
    return run_logged(args, serve);
}

static int command_invoke_logged(const struct arguments *args) {
    if (!args->name || !args->event) { /* before a configuration is looked for */
        (void)fprintf(stderr, "penstock: invoke: expected NAME_OR_ROUTE -e EVENT.json\n");
        return EXIT_USAGE;
    }
    return run_logged(args, command_invoke);
}

static int command_check(const struct arguments *args) {
    struct config *config = load(args->config, config_check_files);
    config_free(config);
    return config ? EXIT_GOOD : EXIT_USAGE;
}

static void print_route(void *arg, struct slice route_key, void *target) {
    const struct lambda_handler *handler = target;
    const struct config_route *route = container_of(handler, struct config_route, handler);
    const char *to = route->function ? route->function->name : route->builtin.table->name;
    (void)arg;
    (void)printf("%-40.*s %-12s %s\n", SLICE_ARG(route_key), route->kind, to);
}

static int command_routes(const struct arguments *args) {
    struct config *config = load(args->config, NULL);
    if (!config) {
        return EXIT_USAGE;
    }
    gateway_routes_each(config->router, print_route, NULL);
    config_free(config);
    return EXIT_GOOD;
}

static int command_version(const struct arguments *args) {
    (void)args;
    (void)printf("penstock %s\n", config_version());
    return EXIT_GOOD;
}

static const struct command {
    const char *name;
    int (*run)(const struct arguments *args);
    const char *options; /* letters of the table below; N: takes a name */
} commands[] = {
    {"run", command_run, "c"},
    {"check", command_check, "c"},
    {"routes", command_routes, "c"},
    {"version", command_version, ""},
    {"invoke", command_invoke_logged, "ceN"},
    {"event", command_event, "mpbN"},
};

static const struct {
    char letter;
    const char *spelling;
    size_t offset; /* in struct arguments */
} options[] = {
    {'c', "-c", offsetof(struct arguments, config)},
    {'c', "--config", offsetof(struct arguments, config)},
    {'e', "-e", offsetof(struct arguments, event)},
    {'m', "--method", offsetof(struct arguments, method)},
    {'p', "--path", offsetof(struct arguments, path)},
    {'b', "--body", offsetof(struct arguments, body)},
};

/* Where the value of that option goes; NULL: the command has no such option. */
static const char **find_option(const char *allowed, const char *spelling,
                                struct arguments *args) {
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (strcmp(options[i].spelling, spelling) == 0 && strchr(allowed, options[i].letter)) {
            return (const char **)(void *)((char *)args + options[i].offset);
        }
    }
    return NULL;
}

static int parse_arguments(int argc, char **argv, const char *allowed, struct arguments *args) {
    for (int i = 2; i < argc; i++) {
        const char **option = find_option(allowed, argv[i], args);
        if (option && i + 1 < argc) {
            *option = argv[++i];
        } else if (argv[i][0] != '-' && strchr(allowed, 'N') && !args->name) {
            args->name = argv[i];
        } else if (strcmp(argv[i], "--help") == 0) {
            (void)fputs(usage, stdout);
            return -1;
        } else {
            return wrong_usage("unknown or incomplete argument", argv[i]);
        }
    }
    return 0;
}

static int run_command(int argc, char **argv) {
    struct arguments args = {.config = DEFAULT_CONFIG};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            int code = parse_arguments(argc, argv, commands[i].options, &args);
            return code < 0 ? EXIT_GOOD : code > 0 ? code : commands[i].run(&args);
        }
    }
    return wrong_usage("unknown command", argv[1]);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        (void)fputs(usage, stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        (void)fputs(usage, stdout);
        return EXIT_GOOD;
    }
    if (strcmp(argv[1], "--help-config") == 0) {
        config_keys_print(stdout);
        return EXIT_GOOD;
    }
    if (strcmp(argv[1], "--version") == 0) {
        return command_version(NULL);
    }
    tzset(); /* reads a file; gmtime_r would do that on a worker's loop, for a certificate */
    return run_command(argc, argv);
}
