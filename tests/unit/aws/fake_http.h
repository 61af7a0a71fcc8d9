/* A credentials endpoint for tests: one thread that answers one request per connection as the
 * test says. */
#ifndef UNIT_AWS_FAKE_HTTP_H
#define UNIT_AWS_FAKE_HTTP_H

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FAKE_MAX 16384

struct fake {
    int fd;
    unsigned port;
    pthread_t thread;
    atomic_int requests;
    atomic_int mode; /* the answer's own */
    /* Writes the body (NUL-terminated) and returns the status; 0 closes without an answer. */
    int (*answer)(struct fake *f, const char *request, char body[FAKE_MAX]);
    pthread_mutex_t lock;
    char last[FAKE_MAX]; /* under lock */
};

static inline int fake_complete(const char *text) {
    const char *end = strstr(text, "\r\n\r\n");
    const char *length = strstr(text, "Content-Length: ");
    if (!end) {
        return 0;
    }
    size_t body = length && length < end ? strtoul(length + 16, NULL, 10) : 0;
    return strlen(end + 4) >= body;
}

static inline void fake_serve(struct fake *f, int fd) {
    static char request[FAKE_MAX], body[FAKE_MAX], head[256];
    size_t len = 0;
    request[0] = '\0';
    while (!fake_complete(request)) {
        ssize_t n = recv(fd, request + len, sizeof(request) - 1 - len, 0);
        if (n <= 0) {
            return;
        }
        len += (size_t)n;
        request[len] = '\0';
    }
    pthread_mutex_lock(&f->lock);
    memcpy(f->last, request, len + 1);
    pthread_mutex_unlock(&f->lock);
    body[0] = '\0';
    int status = f->answer(f, request, body);
    atomic_fetch_add(&f->requests, 1);
    if (status > 0) {
        int head_len =
            snprintf(head, sizeof(head), "HTTP/1.1 %d Status\r\nContent-Length: %zu\r\n\r\n",
                     status, strlen(body));
        send(fd, head, (size_t)head_len, MSG_NOSIGNAL);
        send(fd, body, strlen(body), MSG_NOSIGNAL);
    }
}

static inline void *fake_run(void *arg) {
    struct fake *f = arg;
    int fd;
    while ((fd = accept(f->fd, NULL, NULL)) >= 0) {
        fake_serve(f, fd);
        close(fd);
    }
    return NULL;
}

static inline void fake_start(struct fake *f, int (*answer)(struct fake *f, const char *request,
                                                            char body[FAKE_MAX])) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    memset(f, 0, sizeof(*f));
    f->answer = answer;
    pthread_mutex_init(&f->lock, NULL);
    f->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(f->fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(f->fd, 16) != 0 ||
        getsockname(f->fd, (struct sockaddr *)&a, &len) != 0) {
        abort();
    }
    f->port = ntohs(a.sin_port);
    pthread_create(&f->thread, NULL, fake_run, f);
}

static inline void fake_stop(struct fake *f) {
    shutdown(f->fd, SHUT_RDWR);
    pthread_join(f->thread, NULL);
    close(f->fd);
    pthread_mutex_destroy(&f->lock);
}

static inline int fake_last_has(struct fake *f, const char *text) {
    pthread_mutex_lock(&f->lock);
    int has = strstr(f->last, text) != NULL;
    pthread_mutex_unlock(&f->lock);
    return has;
}

#endif
