/* A handler that does what no handler may: test_blocking.py sees that it is caught. The query
 * parameter "how" says what it does. */
#include <fcntl.h>
#include <netdb.h>
#include <penstock/handler.h>
#include <poll.h>
#include <semaphore.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void wait_for_nobody(void) {
    struct timespec end;
    sem_t never;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 1;
    sem_init(&never, 0, 0);
    sem_timedwait(&never, &end);
    sem_destroy(&never);
}

static void read_file(void) {
    char byte;
    int fd = open("/etc/hostname", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!read(fd, &byte, 1);
        close(fd);
    }
}

static void look_up(void) {
    struct addrinfo *found = NULL;
    if (getaddrinfo("localhost", "80", NULL, &found) == 0) {
        freeaddrinfo(found);
    }
}

static void rude_invoke(struct penstock_invocation *i, void *state) {
    struct penstock_slice how = penstock_query_parameter(i, "how");
    (void)state;
    if (how.len == 4 && memcmp(how.ptr, "file", 4) == 0) {
        read_file();
    } else if (how.len == 4 && memcmp(how.ptr, "name", 4) == 0) {
        look_up();
    } else if (how.len == 4 && memcmp(how.ptr, "lock", 4) == 0) {
        wait_for_nobody();
    } else if (how.len == 4 && memcmp(how.ptr, "poll", 4) == 0) {
        (void)poll(NULL, 0, 1);
    } else {
        nanosleep(&(struct timespec){.tv_nsec = 1000}, NULL);
    }
    penstock_respond(i, &(struct penstock_response){.status = 200, .body = {"{}", 2}});
}

PENSTOCK_HANDLER(rude, NULL, rude_invoke, NULL);
