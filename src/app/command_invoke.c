/* penstock invoke: one handler, one event.
 *
 * A function gets the event as it is, from a loop of our own. A built-in or a handler in C gets
 * it through the whole program: a service with one worker that listens on a unix socket, and
 * is asked once it is ready.
 *
 * Happy path: read the event -> function_submit, or service_run with a client on a thread ->
 * print. Failure modes: an event that is none and an unknown name are wrong usage; whatever
 * else goes wrong is what a caller would have got, and exit code 1. */
#include "app/command.h"
#include "app/service.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define READY_TRIES    100 /* the tables or credentials are on their way */
#define READY_PAUSE_US 100000

static int wrong(const char *what, const char *why) {
    (void)fprintf(stderr, "penstock: %s: %s\n", what, why);
    return EXIT_USAGE;
}

static void print_duration(uint64_t ns) {
    (void)fprintf(stderr, "Duration: %.2f ms\n", (double)ns / 1e6);
}

/* ---- a function ---- */

struct function_run {
    struct function_call call;
    struct loop *loop;
    int code;
};

static void on_done(struct function_call *c, const struct function_result *r) {
    struct function_run *run = container_of(c, struct function_run, call);
    run->code = r->outcome == FUNCTION_OK ? EXIT_GOOD : EXIT_FAILED;
    (void)printf(SLICE_FMT "\n", SLICE_ARG(r->payload));
    if (r->outcome != FUNCTION_OK) {
        (void)fprintf(stderr, "%s " SLICE_FMT " %s\n", function_outcome_name(r->outcome),
                      SLICE_ARG(r->error_type), r->error_text ? r->error_text : "");
    }
    print_duration(r->duration_ns);
    loop_stop(run->loop);
}

static void on_closed(void *loop) {
    loop_stop(loop);
}

static int run_function(const struct config_function *f, struct slice payload) {
    struct loop loop;
    struct stream_hub hub;
    struct rng rng;
    char id[37];
    char reason[160];
    struct function_options options = f->options;
    struct function_run run = {.loop = &loop, .code = EXIT_FAILED};
    int error = loop_init(&loop);
    NEED_MEMORY(error == 0);
    stream_hub_init(&hub, &loop);
    rng_seed_random(&rng);
    rng_uuid(&rng, id);
    options.processes = 1;
    options.warm = 0;
    options.region = getenv("AWS_REGION");
    struct function *function = function_new(&loop, &hub, &options, reason);
    if (!function) {
        (void)fprintf(stderr, "penstock: %s\n", reason);
        return EXIT_FAILED;
    }
    run.call.payload = payload;
    run.call.request_id = id;
    run.call.done = on_done;
    error = function_submit(function, &run.call);
    if (error == 0) {
        loop_run(&loop);
    } else {
        (void)fprintf(stderr, "penstock: %s: the event is larger than a function may get\n",
                      f->name);
    }
    function_close(function, on_closed, &loop);
    loop_run(&loop);
    function_free(function);
    stream_hub_fini(&hub);
    loop_fini(&loop);
    return run.code;
}

/* ---- the service, and its one client on a thread ---- */

struct client {
    struct net_address address;
    struct net_address admin;
    struct buffer request;
    int code;
};

/* The answer as one buffer; its status, or 0 when there was none. */
static int exchange(const struct net_address *to, struct slice rest, struct buffer *answer) {
    char chunk[4096];
    ssize_t n = 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT(fd >= 0);
    if (connect(fd, (const struct sockaddr *)&to->sa, to->len) != 0) {
        (void)close(fd);
        return 0; /* it does not listen yet */
    }
    for (; rest.len > 0 && n >= 0; rest = slice_from(rest, (size_t)n)) {
        n = send(fd, rest.ptr, rest.len, MSG_NOSIGNAL);
        if (n < 0) {
            break;
        }
    }
    while (n >= 0 && (n = read(fd, chunk, sizeof chunk)) > 0) {
        NEED_MEMORY(buffer_append(answer, chunk, (size_t)n) == 0);
    }
    (void)close(fd);
    struct slice text = buffer_slice(answer);
    return text.len > 12
               ? (text.ptr[9] - '0') * 100 + (text.ptr[10] - '0') * 10 + (text.ptr[11] - '0')
               : 0;
}

/* Whether it got ready. Not by its answers: a 503 may be the handler's own. */
static int wait_until_ready(const struct client *c, struct buffer *answer) {
    static const char request[] =
        "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    for (int i = 0; i < READY_TRIES; i++) {
        buffer_reset(answer, 4096);
        if (exchange(&c->admin, SLICE(request), answer) == 200) {
            return 1;
        }
        (void)usleep(READY_PAUSE_US);
    }
    return 0;
}

static void *client_main(void *arg) {
    struct client *c = arg;
    struct buffer answer = {0};
    int ready = wait_until_ready(c, &answer);
    if (!ready) {
        struct slice text = buffer_slice(&answer);
        const char *body = text.len ? memmem(text.ptr, text.len, "\r\n\r\n", 4) : NULL;
        (void)fprintf(stderr, "penstock: not ready: %.*s\n",
                      body ? (int)(text.ptr + text.len - body - 4) : 0, body ? body + 4 : "");
    }
    buffer_reset(&answer, 4096);
    uint64_t start_ns = clock_monotonic_ns();
    int status = exchange(&c->address, buffer_slice(&c->request), &answer);
    (void)printf(SLICE_FMT "\n", SLICE_ARG(buffer_slice(&answer)));
    print_duration(clock_monotonic_ns() - start_ns);
    c->code = status > 0 && status < 500 ? EXIT_GOOD : EXIT_FAILED;
    buffer_fini(&answer);
    (void)kill(getpid(), SIGTERM);
    return NULL;
}

/* The configuration with one route, one worker, and our sockets as its only doors. */
static void narrow(struct config *c, struct lambda_handler *handler, const char *route_key,
                   const char *text, struct client *client) {
    char reason[160];
    int error = net_address_parse(slice_cstr(text), &client->address);
    ASSERT(error == 0);
    gateway_routes_free(c->router);
    c->router = gateway_routes_new();
    error = gateway_routes_add(c->router, slice_cstr(route_key), handler, reason);
    NEED_MEMORY(error == 0);
    c->listen[0] = (struct config_listen){.address = client->address, .text = text};
    c->listen_count = 1;
    c->admin = client->admin;
    c->admin_on = 1;
    c->invoke_on = 0;
    c->workers = 1;
    c->drain_wait_ms = 0;
    for (size_t i = 0; i < c->function_count; i++) {
        c->functions[i].options.warm = 0;
    }
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("LISTEN_FDS");
}

/* Takes the configuration over, as service_run does. */
static int run_service(struct config *c, struct lambda_handler *handler, const char *route_key,
                       struct client *client) {
    const char *base = getenv("TMPDIR");
    char folder[80];
    char text[96];
    char admin[96];
    pthread_t thread;
    (void)snprintf(folder, sizeof folder,
                   "%.60s/penstock-"
                   "XX"
                   "XX"
                   "XX",
                   base ? base : "/tmp");
    if (!mkdtemp(folder)) {
        (void)fprintf(stderr, "penstock: no folder for a socket in %s\n", folder);
        config_free(c);
        return EXIT_FAILED;
    }
    (void)snprintf(admin, sizeof admin, "unix:%s/a", folder);
    int error = net_address_parse(slice_cstr(admin), &client->admin);
    ASSERT(error == 0);
    (void)snprintf(text, sizeof text, "unix:%s/s", folder);
    narrow(c, handler, route_key, text, client);
    client->code = EXIT_FAILED;
    /* Listening happens first thing in service_run; until then connecting fails and is tried
     * again. */
    int started = pthread_create(&thread, NULL, client_main, client) == 0;
    int code = EXIT_FAILED;
    if (started) {
        code = service_run(c);
    } else {
        config_free(c);
    }
    if (code != EXIT_GOOD && started) { /* nobody will ever answer it */
        (void)pthread_cancel(thread);
    }
    if (started) {
        (void)pthread_join(thread, NULL);
    }
    code = code == EXIT_GOOD ? client->code : code;
    (void)unlink(text + strlen("unix:"));
    (void)unlink(admin + strlen("unix:"));
    (void)rmdir(folder);
    return code;
}

/* ---- which ---- */

static struct config_route *find_route(const struct config *c, const char *name,
                                       const struct config_function *function) {
    for (size_t i = 0; i < c->route_count; i++) {
        if (function ? c->routes[i].function == function
                     : strcmp(c->routes[i].route_key, name) == 0) {
            return &c->routes[i];
        }
    }
    return NULL;
}

static const struct config_function *find_function(const struct config *c, const char *name) {
    for (size_t i = 0; i < c->function_count; i++) {
        if (strcmp(c->functions[i].name, name) == 0) {
            return &c->functions[i];
        }
    }
    return NULL;
}

static int invoke(const struct arguments *args, struct config *c, struct json_object *event) {
    const struct config_function *f = find_function(c, args->name);
    struct config_route *route = find_route(c, args->name, f);
    struct client client = {.code = EXIT_FAILED};
    f = f ? f : route ? route->function : NULL;
    if (!f && !route) {
        config_free(c);
        return wrong(args->name, "no such function or route (see penstock routes)");
    }
    if (f && !f->native) {
        int code = run_function(
            f, slice_cstr(json_object_to_json_string_ext(
                   event, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)));
        config_free(c);
        return code;
    }
    struct lambda_handler bare = {
        .name = args->name, .invoke = native_invoke, .state = f ? f->native : NULL};
    const char *why = event_to_http(event, &client.request);
    int code = EXIT_USAGE;
    if (why) {
        (void)wrong(args->event, why);
        config_free(c);
    } else {
        code = run_service(c, route ? &route->handler : &bare,
                           route ? route->route_key : "$default", &client);
    }
    buffer_fini(&client.request);
    return code;
}

int command_invoke(const struct arguments *args, struct config *config) {
    struct json_object *event =
        json_object_from_file(strcmp(args->event, "-") == 0 ? "/dev/stdin" : args->event);
    if (!event) {
        config_free(config);
        return wrong(args->event, "is not a file with JSON");
    }
    int code = invoke(args, config, event);
    json_object_put(event);
    return code;
}
