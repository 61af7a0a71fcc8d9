/* The floor of every comparison: a server on plain libuv that answers 201 to each request and
 * does nothing else. What it costs is what the kernel and the loop cost.
 *   penstock-floor PORT         on 127.0.0.1
 * For load tests: it reads no more of a request than where it ends (Content-Length; no chunks).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uv.h>

#define HEAD_MAX 4096

struct client {
    uv_tcp_t tcp;
    size_t body_left;
    size_t head_len; /* of a head that came in pieces */
    char head[HEAD_MAX];
};

static const char answer[] = "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n"
                             "Content-Type: application/json\r\n\r\n{}";
static char read_buffer[65536];

static void on_close(uv_handle_t *handle) {
    free(handle->data);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
    (void)handle, (void)suggested;
    *buf = uv_buf_init(read_buffer, sizeof read_buffer);
}

static size_t content_length(const char *head, const char *end) {
    static const char name[] = "\nContent-Length:";
    const size_t len = sizeof name - 1;
    for (const char *at = head; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++) {
        if ((size_t)(end - at) > len && strncasecmp(at, name, len) == 0) {
            return strtoul(at + len, NULL, 10);
        }
    }
    return 0;
}

/* Requests that end in bytes[0..len); SIZE_MAX: a head that is too long. */
static size_t count_requests(struct client *c, const char *bytes, size_t len) {
    size_t requests = 0;
    while (len > 0) {
        if (c->body_left > 0) {
            size_t part = c->body_left < len ? c->body_left : len;
            c->body_left -= part;
            requests += c->body_left == 0;
            bytes += part;
            len -= part;
            continue;
        }
        const char *end = memmem(bytes, len, "\r\n\r\n", 4);
        if (c->head_len == 0 && end) { /* the usual case: a whole head */
            end += 4;
            c->body_left = content_length(bytes, end);
            len -= (size_t)(end - bytes);
            bytes = end;
            requests += c->body_left == 0;
            continue;
        }
        size_t before = c->head_len;
        size_t part = len < HEAD_MAX - before ? len : HEAD_MAX - before;
        memcpy(c->head + before, bytes, part);
        end = memmem(c->head, before + part, "\r\n\r\n", 4);
        if (!end) {
            c->head_len += part;
            return part == len ? requests : SIZE_MAX;
        }
        end += 4;
        size_t used = (size_t)(end - c->head) - before;
        c->head_len = 0;
        c->body_left = content_length(c->head, end);
        requests += c->body_left == 0;
        bytes += used;
        len -= used;
    }
    return requests;
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf) {
    struct client *c = stream->data;
    size_t requests = got > 0 ? count_requests(c, buf->base, (size_t)got) : 0;
    int error = got < 0 || requests == SIZE_MAX;
    while (!error && requests-- > 0) {
        uv_buf_t out = uv_buf_init((char *)(uintptr_t)answer, sizeof answer - 1);
        /* A client that does not read its answers is no client of a load test. */
        error = uv_try_write(stream, &out, 1) != (int)out.len;
    }
    if (error) {
        uv_close((uv_handle_t *)stream, on_close);
    }
}

static void on_connection(uv_stream_t *listener, int status) {
    struct client *c = status == 0 ? calloc(1, sizeof *c) : NULL;
    if (!c || uv_tcp_init(listener->loop, &c->tcp)) {
        free(c);
        return;
    }
    c->tcp.data = c;
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) || uv_tcp_nodelay(&c->tcp, 1) ||
        uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read)) {
        uv_close((uv_handle_t *)&c->tcp, on_close);
    }
}

int main(int argc, char **argv) {
    uv_loop_t *loop = uv_default_loop();
    struct sockaddr_in address;
    uv_tcp_t listener;
    int port = argc == 2 ? atoi(argv[1]) : 0;
    if (port <= 0 || port > 65535) {
        (void)fprintf(stderr, "usage: penstock-floor PORT\n");
        return 2;
    }
    int error = uv_ip4_addr("127.0.0.1", port, &address);
    error = error ? error : uv_tcp_init(loop, &listener);
    error = error ? error : uv_tcp_bind(&listener, (const struct sockaddr *)&address, 0);
    error = error ? error : uv_listen((uv_stream_t *)&listener, 1024, on_connection);
    if (error) {
        (void)fprintf(stderr, "penstock-floor: port %d: %s\n", port, uv_strerror(error));
        return 1;
    }
    return uv_run(loop, UV_RUN_DEFAULT);
}
