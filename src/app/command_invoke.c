/* penstock invoke: one handler, one event.
 *
 * A function gets the event as it is, byte for byte: a program from a loop of our own, a
 * handler in C by the Invoke API of a service with one worker, on a unix socket. A route of a
 * built-in or a handler in C is asked for by the request that the event tells of, in such a
 * service.
 *
 * Happy path: read the event -> function_submit, or service_run with a client on a thread ->
 * print. Failure modes: an event that is none, or not for the route, and an unknown name are
 * wrong usage; whatever else goes wrong is what a caller would have got, and exit code 1. */
#include "app/command.h"
#include "app/service.h"
#include "aws/endpoint.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "lambda/payload.h"
#include "model/json_tree.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define READY_TRIES    100 /* the tables or credentials are on their way */
#define READY_PAUSE_US 100000
#define EVENT_BYTES    67108864 /* of the file: more than any handler takes */

static int wrong(const char *what, const char *why) {
    (void)fprintf(stderr, "penstock: %s: %s\n", what, why);
    return EXIT_USAGE;
}

/* A NUL is a byte as any other. */
static void print_line(struct slice s) {
    (void)fwrite(s.ptr ? s.ptr : "", 1, s.len, stdout);
    (void)putchar('\n');
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

/* What a caller gets of a prelude and a body. */
static void print_response(const struct penstock_response *response) {
    (void)printf("HTTP/1.1 %d %s\r\n", response->status,
                 http_status_reason((unsigned)response->status));
    for (size_t i = 0; i < response->header_count; i++) {
        const struct penstock_header_field *h = &response->headers[i];
        (void)printf("%.*s: %.*s\r\n", (int)h->name.len, h->name.ptr, (int)h->value.len,
                     h->value.ptr);
    }
    (void)printf("\r\n");
    print_line(slice_of(response->body.ptr, response->body.len));
}

/* Whether it is what it says. */
static bool print_payload(const struct function_result *r) {
    struct arena arena;
    struct penstock_response response;
    const char *wrong = NULL;
    if (!r->streaming || !payload_has_prelude(r->content_type)) {
        print_line(r->payload);
        return true;
    }
    arena_init_needed(&arena);
    wrong = payload_read_streamed(r->content_type, r->payload, &arena, &response);
    if (wrong == NULL) {
        print_response(&response);
    } else {
        print_line(r->payload);
        (void)fprintf(stderr, "penstock: the streamed response is malformed: %s\n", wrong);
    }
    arena_reset(&arena);
    return wrong == NULL;
}

static void on_done(struct function_call *c, const struct function_result *r) {
    struct function_run *run = container_of(c, struct function_run, call);
    bool sound = print_payload(r);
    run->code = r->outcome == FUNCTION_OK && sound ? EXIT_GOOD : EXIT_FAILED;
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

/* 0; a region need not be known: a function may use none. */
static int find_region(const struct config *c, struct aws_endpoint *endpoint) {
    char reason[AWS_REASON_MAX];
    int error = aws_endpoint_resolve(&(struct aws_environment){0}, c->endpoint, c->region,
                                     endpoint, reason);
    if (error != 0 && error != ERR_NOT_FOUND) {
        (void)fprintf(stderr, "penstock: dynamodb: %s\n", reason);
        return error;
    }
    return 0;
}

static int run_function(const struct config *c, const struct config_function *f,
                        struct slice payload) {
    struct loop loop;
    struct stream_hub hub;
    struct rng rng;
    char id[37];
    char reason[160];
    struct aws_endpoint endpoint = {0};
    struct function_options options = f->options;
    struct function_run run = {.loop = &loop, .code = EXIT_FAILED};
    if (find_region(c, &endpoint) != 0) {
        return EXIT_FAILED;
    }
    options.region = endpoint.signing_region[0] ? endpoint.signing_region : NULL;
    int error = loop_init(&loop);
    NEED_MEMORY(error == 0);
    stream_hub_init(&hub, &loop);
    rng_seed_random(&rng);
    rng_uuid(&rng, id);
    options.processes = 1;
    options.warm = 0;
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
    struct net_address address; /* of the routes, or the Invoke API */
    struct net_address admin;
    struct buffer request;
    bool by_name;
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
    while (rest.len > 0 && (n = send(fd, rest.ptr, rest.len, MSG_NOSIGNAL)) > 0) {
        rest = slice_from(rest, (size_t)n);
    }
    /* Also when not all of it went: a refusal comes before the end of a large body. */
    while ((n = read(fd, chunk, sizeof chunk)) > 0) {
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

/* Of the Invoke API: the function's output alone. */
static bool print_output(struct slice answer, int status) {
    static const char error[] = "\r\nX-Amz-Function-Error: ";
    const char *end = memmem(answer.ptr, answer.len, "\r\n\r\n", 4);
    size_t head = end ? (size_t)(end - answer.ptr) : answer.len;
    print_line(slice_from(answer, head + 4));
    return status == 200 && memmem(answer.ptr, head, error, sizeof error - 1) == NULL;
}

static bool print_answer(const struct client *c, struct slice answer, int status) {
    if (status == 0) {
        (void)fprintf(stderr, "penstock: no answer\n");
        return false;
    }
    if (c->by_name) {
        return print_output(answer, status);
    }
    print_line(answer);
    return status < 500;
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
    uint64_t duration_ns = clock_monotonic_ns() - start_ns;
    c->code = print_answer(c, buffer_slice(&answer), status) ? EXIT_GOOD : EXIT_FAILED;
    print_duration(duration_ns);
    buffer_fini(&answer);
    (void)kill(getpid(), SIGTERM);
    return NULL;
}

/* That route alone. What is asked of callers elsewhere, a key or patience, is not asked here.
 */
static void narrow_routes(struct config *c, struct config_route *route) {
    char reason[160];
    gateway_routes_free(c->router);
    c->router = gateway_routes_new();
    int error =
        gateway_routes_add(c->router, slice_cstr(route->route_key), &route->handler, reason);
    NEED_MEMORY(error == 0);
    c->access.routes = NULL;
    c->access.route_count = 0;
}

/* One worker, and our sockets as the only doors. */
static void narrow(struct config *c, const char *text, struct client *client) {
    int error = net_address_parse(slice_cstr(text), &client->address);
    ASSERT(error == 0);
    c->listen[0] = (struct config_listen){.address = client->address, .text = text};
    c->listen_count = client->by_name ? 0 : 1;
    c->invoke = client->address;
    c->invoke_on = client->by_name;
    c->admin = client->admin;
    c->admin_on = 1;
    c->workers = 1;
    c->drain_wait_ms = 0;
    c->state_directory = ""; /* it is the running service's */
    for (size_t i = 0; i < c->function_count; i++) {
        c->functions[i].options.warm = 0;
    }
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("LISTEN_FDS");
}

/* Takes the configuration over, as service_run does. */
static int run_service(struct config *c, struct client *client) {
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
    narrow(c, text, client);
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

static struct config_route *find_route(const struct config *c, const char *route_key) {
    for (size_t i = 0; i < c->route_count; i++) {
        if (strcmp(c->routes[i].route_key, route_key) == 0) {
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

static int invoke_route(const struct arguments *args, struct config *c,
                        struct config_route *route, struct slice event) {
    struct client client = {.code = EXIT_FAILED};
    char reason[EVENT_REASON_MAX];
    int code;
    narrow_routes(c, route);
    if (event_to_http(event, c, &client.request, reason) != 0) {
        config_free(c);
        code = wrong(args->event, reason);
    } else {
        code = run_service(c, &client);
    }
    buffer_fini(&client.request);
    return code;
}

static int invoke_native_handler(struct config *c, const char *name, struct slice event) {
    struct client client = {.code = EXIT_FAILED, .by_name = true};
    int error = buffer_printf(&client.request,
                              "POST /2015-03-31/functions/%s/invocations HTTP/1.1\r\n"
                              "Host: localhost\r\nConnection: close\r\n"
                              "Content-Length: %zu\r\n\r\n",
                              name, event.len);
    error = error ? error : buffer_append_slice(&client.request, event);
    NEED_MEMORY(error == 0);
    int code = run_service(c, &client);
    buffer_fini(&client.request);
    return code;
}

static int invoke(const struct arguments *args, struct config *c, struct slice event) {
    const struct config_function *f = find_function(c, args->name);
    struct config_route *route = f ? NULL : find_route(c, args->name);
    if (f && f->native) {
        return invoke_native_handler(c, f->name, event);
    }
    f = route ? route->function : f;
    if (route && (!f || f->native)) {
        return invoke_route(args, c, route, event);
    }
    int code = f ? run_function(c, f, event)
                 : wrong(args->name, "no such function or route (see penstock routes)");
    config_free(c);
    return code;
}

/* NULL, or what is wrong with it. */
static const char *read_event(const char *path, struct buffer *out) {
    char chunk[65536];
    size_t n;
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (!file) {
        return strerror(errno);
    }
    while ((n = fread(chunk, 1, sizeof chunk, file)) > 0 && out->len + n <= EVENT_BYTES) {
        NEED_MEMORY(buffer_append(out, chunk, n) == 0);
    }
    bool failed = ferror(file) != 0;
    if (file != stdin) {
        (void)fclose(file);
    }
    return failed                                    ? "cannot be read"
           : n > 0                                   ? "is over 64 MiB"
           : json_tree_check(buffer_slice(out)) == 0 ? NULL
                                                     : "is not one JSON value, and no more";
}

int command_invoke(const struct arguments *args, struct config *config) {
    struct buffer event = {0};
    int code;
    const char *why = read_event(args->event, &event);
    if (why) {
        config_free(config);
        code = wrong(args->event, why);
    } else {
        code = invoke(args, config, buffer_slice(&event));
    }
    buffer_fini(&event);
    return code;
}
