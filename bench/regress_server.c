#include "regress.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/listener.h"

#include <errno.h>
#include <sys/socket.h>

#define GIVE_UP_NS (20 * NS_PER_S)

/* ---- a front, for any owner of requests ---- */

void regress_front_init(struct regress_front *f) {
    log_threshold = LOG_OFF;
    int error = loop_init(&f->loop);
    ASSERT(error == 0);
    stream_hub_init(&f->hub, &f->loop);
}

void regress_front_open(struct regress_front *f, const struct server_events *events,
                        void *owner) {
    struct net_address address;
    char reason[128];
    int fd;
    int error = net_address_parse(SLICE("127.0.0.1:0"), &address);
    ASSERT(error == 0 && listener_open_fd(&address, 16, 0, &fd, reason) == 0);
    address.len = sizeof address.sa;
    error = getsockname(fd, (struct sockaddr *)&address.sa, &address.len);
    ASSERT(error == 0);
    struct server *server =
        server_new(&f->loop, &f->hub, &server_options_default, events, owner);
    ASSERT(server && server_listen(server, fd, NULL) == 0);
    f->client = socket(AF_INET, SOCK_STREAM, 0);
    ASSERT(f->client >= 0);
    error = connect(f->client, (const struct sockaddr *)&address.sa, address.len);
    ASSERT(error == 0);
}

void regress_front_run(struct regress_front *f, struct slice post, unsigned n,
                       void (*upstream)(void)) {
    char in[1024];
    while (n-- > 0) {
        uint64_t begin_ns = clock_monotonic_ns();
        ssize_t got = send(f->client, post.ptr, post.len, 0);
        ASSERT(got == (ssize_t)post.len);
        do {
            loop_turn(&f->loop);
            if (upstream) {
                upstream();
            }
            got = recv(f->client, in, sizeof in, MSG_DONTWAIT);
            ASSERT(got > 0 || (got < 0 && errno == EAGAIN));
            ASSERT(clock_monotonic_ns() - begin_ns < GIVE_UP_NS);
        } while (got < 0);
        ASSERT(memcmp(in, "HTTP/1.1 201 ", 13) == 0);
    }
}

/* ---- serve ---- */

static struct regress_front front;

static void on_request(void *owner, struct server_request *r) {
    (void)owner;
    server_respond(r, &(struct server_answer){.status = 201,
                                              .content_type = SLICE("application/json"),
                                              .body = regress_answer});
}

static void on_abandon(void *owner, struct server_request *r, const char *reason) {
    (void)owner, (void)r, (void)reason;
}

static const struct server_events events = {.on_request = on_request, .on_abandon = on_abandon};

void serve_start(void) {
    regress_front_init(&front);
    regress_front_open(&front, &events, NULL);
}

void serve_run(unsigned n) {
    regress_front_run(&front, regress_post(), n, NULL);
}
