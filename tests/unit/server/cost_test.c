/* What one request costs: no malloc once the connection is warm, one read and one write, and
 * the time, which is printed. */
#include "front.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

#define ROUNDS 2000

static unsigned long allocations;

#if !defined(SANITIZED) && defined(__GLIBC__)
/* The C library's own allocator, counted. */
void *__libc_malloc(size_t len);
void *__libc_calloc(size_t n, size_t len);
void *__libc_realloc(void *old, size_t len);
void *malloc(size_t len) {
    allocations++;
    return __libc_malloc(len);
}
void *calloc(size_t n, size_t len) {
    allocations++;
    return __libc_calloc(n, len);
}
void *realloc(void *old, size_t len) {
    allocations++;
    return __libc_realloc(old, len);
}
#endif

static const char request[] =
    "POST /music HTTP/1.1\r\nHost: localhost:8080\r\nContent-Type: application/json\r\n"
    "User-Agent: penstock-test\r\nAccept: */*\r\nContent-Length: 80\r\n\r\n"
    "{\"Artist\":\"No One You Know\",\"SongTitle\":\"Call Me "
    "Today\",\"Year\":2015,\"Genre\":\"C\"}";

/* The answer to one request; the client's buffers are on the stack. */
static void round_trip(struct front *f, int fd) {
    char in[1024];
    ssize_t n = -1;
    assert_int_equal(send(fd, request, sizeof(request) - 1, 0), sizeof(request) - 1);
    while (n < 0) {
        loop_turn(&f->loop);
        n = recv(fd, in, sizeof(in), MSG_DONTWAIT);
        assert_true(n > 0 || (n < 0 && errno == EAGAIN));
    }
    assert_memory_equal(in, "HTTP/1.1 200 OK\r\n", 17);
}

static void steady_state(void **state) {
    (void)state;
    struct front *f = front_start(&server_options_default, "127.0.0.1:0");
    struct client *c = client_connect(f);
    for (int i = 0; i < 10; i++) {
        round_trip(f, c->fd);
    }
    unsigned long allocated = allocations;
    uint64_t writes = f->hub.write_calls;
    uint64_t begin = clock_monotonic_ns();
    for (int i = 0; i < ROUNDS; i++) {
        round_trip(f, c->fd);
    }
    print_message("%.2f us a round trip, client and kernel included\n",
                  (double)(clock_monotonic_ns() - begin) / ROUNDS / 1000);
    assert_int_equal(allocations - allocated, 0);
    assert_int_equal(f->hub.write_calls - writes, ROUNDS);
    client_close(c);
    front_stop(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(steady_state)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
