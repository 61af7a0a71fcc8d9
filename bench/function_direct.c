/* What a function's process takes by itself: a Runtime API server with nothing around it.
 *   penstock-function-direct RATE COUNT EVENT_FILE COMMAND...
 * Starts the command, gives it the event RATE times a second, COUNT times, and prints p50 and
 * p99 of the microseconds from when the event was due to having the whole response.
 * For load tests: it speaks just enough of the protocol for a runtime that behaves. */
#include "base/clock.h"
#include "base/histogram.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENTS_MAX 8
#define REQUEST_MAX 65536
#define EVENT_MAX   65536
#define SILENCE_MS  20000 /* a runtime that says nothing for so long is broken */

struct client {
    size_t len;
    char bytes[REQUEST_MAX + 1];
};

static struct pollfd fds[CLIENTS_MAX + 1]; /* the first is the listener */
static struct client clients[CLIENTS_MAX + 1];
static nfds_t open_count = 1;
static char event[EVENT_MAX + 512]; /* the whole answer to `next` */
static size_t event_len;
static int parked_fd = -1; /* asked for work and waits */
static uint64_t given_ns;
static struct histogram latency;
static unsigned long answered;

static _Noreturn void give_up(const char *what) {
    perror(what);
    exit(1);
}

static void send_all(int fd, const char *bytes, size_t len) {
    if (send(fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len) {
        give_up("send");
    }
}

/* ---- setting up ---- */

static int start_listening(void) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) || listen(fd, CLIENTS_MAX) ||
        getsockname(fd, (struct sockaddr *)&address, &len)) {
        give_up("listen");
    }
    char api[32];
    (void)snprintf(api, sizeof api, "127.0.0.1:%d", ntohs(address.sin_port));
    (void)setenv("AWS_LAMBDA_RUNTIME_API", api, 1);
    (void)setenv("AWS_LAMBDA_FUNCTION_NAME", "direct", 1);
    return fd;
}

static void read_event(const char *path) {
    static char body[EVENT_MAX];
    FILE *file = fopen(path, "r");
    size_t len = file ? fread(body, 1, sizeof body, file) : 0;
    if (len == 0 || fclose(file)) {
        give_up(path);
    }
    int head =
        snprintf(event, sizeof event,
                 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                 "Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n"
                 "Lambda-Runtime-Deadline-Ms: 4102444800000\r\n"
                 "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:x\r\n"
                 "Content-Length: %zu\r\n\r\n",
                 len);
    memcpy(event + head, body, len);
    event_len = (size_t)head + len;
}

static pid_t start_command(char **command) {
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(STDERR_FILENO, STDOUT_FILENO);
        (void)execvp(command[0], command);
        give_up(command[0]);
    }
    return pid;
}

/* ---- requests ---- */

/* The length of the first whole request in it, 0: there is none yet. */
static size_t request_len(const struct client *c) {
    const char *end = strstr(c->bytes, "\r\n\r\n");
    const char *length = strcasestr(c->bytes, "\ncontent-length:");
    if (end == NULL) {
        return 0;
    }
    size_t len = (size_t)(end - c->bytes) + 4;
    if (length != NULL && length < end) {
        len += strtoul(length + 16, NULL, 10);
    }
    return len <= c->len ? len : 0;
}

static void serve(int fd, const char *request) {
    static const char accepted[] = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
    if (strncmp(request, "GET ", 4) == 0) {
        parked_fd = fd;
        return;
    }
    if (strstr(request, "/response") == NULL) {
        (void)fprintf(stderr, "the function failed: %s\n", request);
        exit(1);
    }
    histogram_record(&latency, clock_monotonic_ns() - given_ns);
    answered++;
    send_all(fd, accepted, sizeof accepted - 1);
}

static void on_readable(size_t k) {
    struct client *c = &clients[k];
    ssize_t got = recv(fds[k].fd, c->bytes + c->len, REQUEST_MAX - c->len, 0);
    if (got <= 0) {
        give_up("the runtime closed");
    }
    c->len += (size_t)got;
    c->bytes[c->len] = '\0';
    for (size_t len; (len = request_len(c)) > 0;) {
        serve(fds[k].fd, c->bytes);
        memmove(c->bytes, c->bytes + len, c->len - len + 1);
        c->len -= len;
    }
}

static void on_connection(void) {
    int on = 1;
    int fd = accept(fds[0].fd, NULL, NULL);
    if (fd < 0 || open_count > CLIENTS_MAX ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on)) {
        give_up("accept");
    }
    clients[open_count].len = 0;
    fds[open_count++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static void take_turn(struct timespec wait) {
    int ready = ppoll(fds, open_count, &wait, NULL);
    if (ready < 0) {
        give_up("poll");
    }
    for (size_t k = open_count; k-- > 1;) {
        if (fds[k].revents) {
            on_readable(k);
        }
    }
    if (fds[0].revents) {
        on_connection();
    }
}

static void run(unsigned long rate, unsigned long count) {
    const uint64_t gap_ns = NS_PER_S / rate;
    uint64_t heard_ns = clock_monotonic_ns();
    uint64_t due_ns = 0;
    for (unsigned long before = 0; answered < count; before = answered) {
        uint64_t now = clock_monotonic_ns();
        heard_ns = answered != before || parked_fd >= 0 ? now : heard_ns;
        if (now - heard_ns > SILENCE_MS * NS_PER_MS) {
            (void)fprintf(stderr, "the runtime says nothing\n");
            exit(1);
        }
        due_ns = due_ns == 0 && parked_fd >= 0 ? now : due_ns;
        if (parked_fd >= 0 && now >= due_ns) {
            int fd = parked_fd;
            parked_fd = -1;
            given_ns = due_ns; /* as penstock-bench: from the intended time */
            due_ns += gap_ns;
            send_all(fd, event, event_len);
        }
        uint64_t left = parked_fd >= 0 && due_ns > now ? due_ns - now : NS_PER_S / 10;
        take_turn((struct timespec){.tv_nsec = (long)(left < NS_PER_S ? left : NS_PER_S - 1)});
    }
}

int main(int argc, char **argv) {
    unsigned long rate = argc > 4 ? strtoul(argv[1], NULL, 10) : 0;
    unsigned long count = argc > 4 ? strtoul(argv[2], NULL, 10) : 0;
    if (rate == 0 || count == 0) {
        (void)fprintf(stderr,
                      "usage: penstock-function-direct RATE COUNT EVENT_FILE COMMAND...\n");
        return 2;
    }
    read_event(argv[3]);
    fds[0] = (struct pollfd){.fd = start_listening(), .events = POLLIN};
    pid_t pid = start_command(argv + 4);
    run(rate, count / 10 + 1); /* warm-up */
    histogram_reset(&latency);
    answered = 0;
    run(rate, count);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    (void)printf("%.0f %.0f\n", (double)histogram_quantile(&latency, 0.5) / 1e3,
                 (double)histogram_quantile(&latency, 0.99) / 1e3);
    return 0;
}
