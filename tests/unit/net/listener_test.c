#include "unit/net/peers.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* A listener that counts what it accepts and closes it at once, or keeps it. */
struct door {
    struct loop loop;
    struct listener l;
    struct net_address address;
    int accepted;
    int closed;
    int kept[256];
    int kept_count;
    int keep;
    void (*on_accept)(struct door *d);
};

static void on_accept(struct listener *l, int fd) {
    struct door *d = l->owner;
    d->accepted++;
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    if (d->keep) {
        assert_true(d->kept_count < 256);
        d->kept[d->kept_count++] = fd;
    } else {
        close(fd);
    }
    if (d->on_accept) {
        d->on_accept(d);
    }
}

static void on_close(struct listener *l) {
    struct door *d = l->owner;
    d->closed++;
}

static int open_address(struct net_address *a, int reuse_port) {
    int fd;
    char reason[128];
    int error = listener_open_fd(a, 256, reuse_port, &fd, reason);
    if (error) {
        fail_msg("%s", reason);
    }
    if (!net_address_is_unix(a)) {
        a->len = sizeof(a->sa);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&a->sa, &a->len), 0);
    }
    return fd;
}

static void door_init(struct door *d, const char *address) {
    memset(d, 0, sizeof(*d));
    assert_int_equal(loop_init(&d->loop), 0);
    assert_int_equal(net_address_parse(slice_cstr(address), &d->address), 0);
    int fd = open_address(&d->address, 1);
    assert_int_equal(listener_start(&d->l, &d->loop, fd, on_accept, d), 0);
}

static void door_fini(struct door *d) {
    if (!d->l.closing) {
        listener_close(&d->l, on_close);
    }
    for (int i = 0; i < 5; i++) {
        loop_turn(&d->loop);
    }
    assert_int_equal(d->closed, 1);
    while (d->kept_count > 0) {
        close(d->kept[--d->kept_count]);
    }
    loop_fini(&d->loop);
}

static int knock(const struct net_address *a) {
    int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&a->sa, a->len), 0);
    return fd;
}

static void knock_often(const struct net_address *a, int fds[], int n) {
    for (int i = 0; i < n; i++) {
        fds[i] = knock(a);
    }
}

static void close_all(int fds[], int n) {
    for (int i = 0; i < n; i++) {
        close(fds[i]);
    }
}

static void turns(struct door *d, int n) {
    for (int i = 0; i < n; i++) {
        loop_turn(&d->loop);
    }
}

static void test_bounded_per_turn(void **state) {
    struct door d;
    int fds[150];
    (void)state;
    door_init(&d, "127.0.0.1:0");
    knock_often(&d.address, fds, 150);
    loop_turn(&d.loop);
    assert_true(d.accepted > 0 && d.accepted <= LISTENER_ACCEPTS_PER_TURN);
    turns(&d, 10);
    assert_int_equal(d.accepted, 150);
    assert_int_equal(d.l.accepted, 150);
    close_all(fds, 150);
    door_fini(&d);
}

static void pause_at_three(struct door *d) {
    if (d->accepted == 3) {
        listener_pause(&d->l);
    }
}

static void test_pause(void **state) {
    struct door d;
    int fds[10];
    (void)state;
    door_init(&d, "127.0.0.1:0");
    d.on_accept = pause_at_three;
    knock_often(&d.address, fds, 10);
    turns(&d, 10);
    assert_int_equal(d.accepted, 3); /* not one more, the rest waits in the backlog */
    listener_resume(&d.l);
    turns(&d, 10);
    assert_int_equal(d.accepted, 10);
    close_all(fds, 10);
    door_fini(&d);
}

static void close_now(struct door *d) {
    if (!d->l.closing) {
        listener_close(&d->l, on_close);
    }
}

static void test_close_in_accept(void **state) {
    struct door d;
    int fds[5];
    (void)state;
    door_init(&d, "127.0.0.1:0");
    d.on_accept = close_now;
    knock_often(&d.address, fds, 5);
    turns(&d, 10);
    assert_int_equal(d.accepted, 1);
    listener_pause(&d.l); /* harmless afterwards */
    listener_resume(&d.l);
    close_all(fds, 5);
    door_fini(&d);
}

static void test_drain(void **state) {
    struct door d;
    int fds[100];
    (void)state;
    door_init(&d, "127.0.0.1:0");
    listener_pause(&d.l);
    knock_often(&d.address, fds, 100);
    turns(&d, 3);
    assert_int_equal(d.accepted, 0);
    listener_drain(&d.l);
    assert_int_equal(d.accepted, 100);
    close_all(fds, 100);
    door_fini(&d);
}

static void test_reuse_port(void **state) {
    struct door a, b;
    int fds[100];
    char reason[128];
    int fd;
    (void)state;
    door_init(&a, "127.0.0.1:0");
    memset(&b, 0, sizeof(b));
    assert_int_equal(loop_init(&b.loop), 0);
    b.address = a.address;
    assert_int_equal(listener_open_fd(&a.address, 10, 0, &fd, reason), ERR_EXISTS);
    assert_non_null(strstr(reason, "bind: "));
    fd = open_address(&b.address, 1);
    assert_int_equal(listener_start(&b.l, &b.loop, fd, on_accept, &b), 0);
    knock_often(&a.address, fds, 100);
    turns(&a, 10);
    turns(&b, 10);
    assert_int_equal(a.accepted + b.accepted, 100);
    assert_true(a.accepted > 0 && b.accepted > 0);
    close_all(fds, 100);
    door_fini(&a);
    door_fini(&b);
}

static void test_ipv6_only(void **state) {
    struct net_address six, four;
    char reason[128];
    int fd6, fd4;
    (void)state;
    assert_int_equal(net_address_parse(SLICE("[::]:0"), &six), 0);
    if (listener_open_fd(&six, 10, 0, &fd6, reason) != 0) {
        print_message("skipped: no IPv6 on this machine (%s)\n", reason);
        skip();
    }
    six.len = sizeof(six.sa);
    assert_int_equal(getsockname(fd6, (struct sockaddr *)&six.sa, &six.len), 0);
    /* The same port is free for 0.0.0.0: both may be listed side by side. */
    assert_int_equal(net_address_parse(SLICE("0.0.0.0:0"), &four), 0);
    net_address_set_port(&four, net_address_port(&six));
    assert_int_equal(listener_open_fd(&four, 10, 0, &fd4, reason), 0);
    close(fd6);
    close(fd4);
}

static void unix_address(struct net_address *a, char path[64]) {
    char text[80];
    snprintf(path, 64, "/tmp/penstock-door-%d.sock", (int)getpid());
    snprintf(text, sizeof(text), "unix:%s", path);
    assert_int_equal(net_address_parse(slice_cstr(text), a), 0);
}

static void test_unix_socket_file(void **state) {
    struct net_address a;
    char path[64], reason[128];
    int fd, other;
    (void)state;
    unix_address(&a, path);
    unlink(path);
    assert_int_equal(listener_open_fd(&a, 10, 0, &fd, reason), 0);
    assert_int_equal(listener_open_fd(&a, 10, 0, &other, reason), ERR_EXISTS); /* in use */
    close(fd); /* as after a crash: the file stays */
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(listener_open_fd(&a, 10, 0, &fd, reason), 0);
    close(knock(&a));
    close(fd);
    unlink(path);
    /* What is no socket is not ours to delete. */
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(listener_open_fd(&a, 10, 0, &fd, reason), ERR_EXISTS);
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
    assert_int_equal(net_address_parse(SLICE("unix:/no/such/dir/x.sock"), &a), 0);
    assert_int_equal(listener_open_fd(&a, 10, 0, &fd, reason), ERR_NOT_FOUND);
}

static void test_shared_unix_socket(void **state) {
    struct door a, b;
    int fds[20];
    char path[64], text[80];
    (void)state;
    struct net_address address;
    unix_address(&address, path);
    snprintf(text, sizeof(text), "unix:%s", path);
    door_init(&a, text);
    memset(&b, 0, sizeof(b));
    assert_int_equal(loop_init(&b.loop), 0);
    assert_int_equal(
        listener_start(&b.l, &b.loop, fcntl(a.l.fd, F_DUPFD_CLOEXEC, 0), on_accept, &b), 0);
    knock_often(&address, fds, 10);
    turns(&a, 3);
    knock_often(&address, fds + 10, 10);
    turns(&b, 3);
    assert_int_equal(a.accepted, 10);
    assert_int_equal(b.accepted, 10);
    close_all(fds, 20);
    door_fini(&a);
    door_fini(&b);
    unlink(path);
}

/* Out of descriptors: the listener rests instead of spinning, and comes back. */
static void test_out_of_descriptors(void **state) {
    struct door d;
    struct rlimit before, low;
    int fds[20];
    (void)state;
    door_init(&d, "127.0.0.1:0");
    d.keep = 1;
    knock_often(&d.address, fds, 20);
    int next = dup(0);
    assert_true(next >= 0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = before;
    low.rlim_cur = (rlim_t)next + 5; /* five more */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    uint64_t until = test_now_ms() + 350, rounds = 0;
    while (test_now_ms() < until) {
        uv_run(&d.loop.uv, UV_RUN_ONCE); /* waits, as the real loop does */
        rounds++;
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(d.accepted <= 5);
    assert_true(d.l.rests >= 2 && d.l.rests <= 5);
    assert_true(rounds < 50); /* no spin */
    until = test_now_ms() + 2000;
    while (d.accepted < 20 && test_now_ms() < until) {
        uv_run(&d.loop.uv, UV_RUN_ONCE);
    }
    assert_int_equal(d.accepted, 20);
    close_all(fds, 20);
    door_fini(&d);
}

/* One who has a reserve goes on accepting, as many at a time as that has. */
static void test_reserve(void **state) {
    struct door d;
    struct descriptor_reserve reserve = {0};
    struct rlimit before, low;
    int fds[12];
    (void)state;
    door_init(&d, "127.0.0.1:0");
    descriptor_reserve_fill(&reserve);
    assert_int_equal(reserve.count, DESCRIPTOR_RESERVE);
    listener_use_reserve(&d.l, &reserve);
    knock_often(&d.address, fds, 12);
    int next = dup(0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = before;
    low.rlim_cur = (rlim_t)next; /* none more */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    d.keep = 1;
    turns(&d, 3);
    assert_int_equal(d.accepted, DESCRIPTOR_RESERVE);
    assert_int_equal(reserve.count, 0);
    assert_int_equal(d.l.rests, 1);
    while (d.kept_count > 0) {
        close(d.kept[--d.kept_count]);
    }
    descriptor_reserve_fill(&reserve);
    assert_int_equal(reserve.count, DESCRIPTOR_RESERVE);
    d.keep = 0;
    uint64_t until = test_now_ms() + 5000;
    while (d.accepted < 12 && test_now_ms() < until) {
        uv_run(&d.loop.uv, UV_RUN_ONCE);
    }
    assert_int_equal(d.accepted, 12);
    assert_int_equal(reserve.count, DESCRIPTOR_RESERVE); /* opened again by itself */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    close_all(fds, 12);
    door_fini(&d);
    descriptor_reserve_fini(&reserve);
}

static void test_close_while_resting(void **state) {
    struct door d;
    struct rlimit before, low;
    (void)state;
    door_init(&d, "127.0.0.1:0");
    int fd = knock(&d.address);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = before;
    low.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    turns(&d, 3);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(d.l.rests, 1);
    close(fd);
    door_fini(&d);
}

static void test_bad_descriptor(void **state) {
    struct loop l;
    struct listener listener;
    (void)state;
    assert_int_equal(loop_init(&l), 0);
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC); /* cannot be polled */
    assert_true(listener_start(&listener, &l, fd, on_accept, NULL) != 0);
    assert_int_equal(fcntl(fd, F_GETFD), -1); /* closed */
    loop_fini(&l);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounded_per_turn),   cmocka_unit_test(test_pause),
        cmocka_unit_test(test_close_in_accept),    cmocka_unit_test(test_drain),
        cmocka_unit_test(test_reuse_port),         cmocka_unit_test(test_ipv6_only),
        cmocka_unit_test(test_unix_socket_file),   cmocka_unit_test(test_shared_unix_socket),
        cmocka_unit_test(test_out_of_descriptors), cmocka_unit_test(test_close_while_resting),
        cmocka_unit_test(test_bad_descriptor),     cmocka_unit_test(test_reserve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
