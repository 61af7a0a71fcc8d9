/* A line goes: log_write formats it -> the thread's ring (bytes, whole lines only) -> the
 * writer thread -> the descriptor.
 *
 * A ring has one producer, its thread, and one consumer at a time (consumer_lock): the writer
 * while it runs, else whoever finds something left. The producer wakes the writer only when it
 * sleeps; after it found something to write the writer naps a little before it looks again, so
 * that a busy program pays no system call per line, and an idle one no wake-up.
 *
 * Rings are freed by a consumer, after the last line of a thread that has gone; the writer
 * walks them without rings_lock, so that a stuck descriptor stops no thread from coming or
 * going. */
#include "base/log.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log_json.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define RING_BYTES ((size_t)1 << 20)
#define NAP_NS     2000000 /* at 30 MB/s of lines the ring is then a sixteenth full */

_Atomic enum log_level log_threshold = LOG_INFO;

struct ring {
    /* the producer's */
    _Alignas(64) _Atomic uint64_t head; /* bytes ever put in */
    uint64_t known_tail;                /* the tail as last read */
    uint64_t dropped;                   /* lines lost since the last that fitted */
    const char *thread;
    /* the consumer's */
    _Alignas(64) _Atomic uint64_t tail; /* bytes ever written out */
    struct ring *next;
    atomic_bool closed; /* its thread has gone */
    char bytes[RING_BYTES];
};

static pthread_mutex_t rings_lock = PTHREAD_MUTEX_INITIALIZER; /* the links of the list */
static pthread_mutex_t consumer_lock = PTHREAD_MUTEX_INITIALIZER;
static struct ring *rings; /* newest first */
static _Thread_local struct ring *own_ring;

static pthread_t writer;
static sem_t wake;
static atomic_bool wake_made; /* never destroyed: a late producer may still post */
static atomic_bool running;   /* the writer thread takes from the rings */
static atomic_bool stopping;  /* it is to end */
static atomic_bool sleeping;  /* it waits for `wake` */
static atomic_int log_fd = STDERR_FILENO;

/* ---- the descriptor ---- */

static void skip_written(struct iovec *v, size_t count, size_t wrote) {
    for (size_t i = 0; i < count; i++) {
        size_t part = wrote < v[i].iov_len ? wrote : v[i].iov_len;
        v[i].iov_base = (char *)v[i].iov_base + part;
        v[i].iov_len -= part;
        wrote -= part;
    }
}

/* What the descriptor refuses for good is lost; there is nowhere to say so. */
static void write_all(struct iovec *v, size_t count) {
    int fd = atomic_load(&log_fd);
    while (count) {
        if (v->iov_len == 0) {
            v++;
            count--;
            continue;
        }
        ssize_t wrote = writev(fd, v, (int)count);
        if (wrote >= 0) {
            skip_written(v, count, (size_t)wrote);
        } else if (errno == EAGAIN) {
            struct pollfd ready = {.fd = fd, .events = POLLOUT};
            poll(&ready, 1, -1);
        } else if (errno != EINTR) {
            return;
        }
    }
}

/* ---- consumers ---- */

static bool ring_drain(struct ring *r) {
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    uint64_t head = atomic_load(&r->head);
    if (head == tail) {
        return false;
    }
    size_t start = tail & (RING_BYTES - 1);
    size_t len = (size_t)(head - tail);
    size_t first = RING_BYTES - start < len ? RING_BYTES - start : len;
    struct iovec v[2] = {{r->bytes + start, first}, {r->bytes, len - first}};
    write_all(v, 2);
    atomic_store_explicit(&r->tail, head, memory_order_release);
    return true;
}

static struct ring *first_ring(void) {
    pthread_mutex_lock(&rings_lock);
    struct ring *first = rings;
    pthread_mutex_unlock(&rings_lock);
    return first;
}

static void unlink_and_free(struct ring *r) {
    pthread_mutex_lock(&rings_lock);
    struct ring **link = &rings;
    while (*link != r) {
        ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = r->next;
    pthread_mutex_unlock(&rings_lock);
    free(r);
}

/* A thread has gone, and its last lines found no room: said in its place. */
static void tell_dropped(const struct ring *r) {
    char line[LOG_LINE_MAX];
    const struct log_field fields[] = {{LOG_FIELD_END, 0, SLICE_EMPTY, 0}};
    struct log_head head = {clock_wall_ms(), LOG_WARN, "log_lines_dropped", r->thread,
                            r->dropped};
    struct iovec whole = {line, log_format(line, &head, fields)};
    write_all(&whole, 1);
}

/* Whether there was anything to write. */
static bool drain_all(void) {
    bool some = false;
    pthread_mutex_lock(&consumer_lock);
    for (struct ring *r = first_ring(), *next; r; r = next) {
        next = r->next; /* only a consumer changes it */
        bool closed = atomic_load(&r->closed);
        some |= ring_drain(r);
        if (closed) { /* read before the drain: no line came after that */
            if (r->dropped) {
                tell_dropped(r);
            }
            unlink_and_free(r);
        }
    }
    pthread_mutex_unlock(&consumer_lock);
    return some;
}

/* A producer that has set something the writer should see. */
static void wake_writer(void) {
    if (atomic_load(&sleeping) && atomic_exchange(&sleeping, false)) {
        sem_post(&wake);
    }
    /* The writer ended meanwhile, perhaps before it saw it. */
    if (!atomic_load(&running)) {
        drain_all();
    }
}

/* Stores to `sleeping` and to a ring's head are sequentially consistent: either we find the
 * line here, or its producer finds that we sleep. */
static void sleep_until_woken(void) {
    atomic_store(&sleeping, true);
    if (!drain_all() && !atomic_load(&stopping)) {
        while (sem_wait(&wake) && errno == EINTR) {
        }
    }
    atomic_store(&sleeping, false);
}

static void *write_lines(void *unused) {
    (void)unused;
    while (!atomic_load(&stopping)) {
        if (drain_all()) {
            nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
        } else {
            sleep_until_woken();
        }
    }
    return NULL;
}

/* Signals are for the other threads; a closed pipe is an error of writev here. */
static int start_writer(void) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&writer, NULL, write_lines, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed ? ERR_NOMEM : 0;
}

int log_start(int fd) {
    if (atomic_load(&running)) {
        return ERR_EXISTS;
    }
    if (!atomic_exchange(&wake_made, true)) {
        int failed = sem_init(&wake, 0, 0);
        ASSERT(!failed); /* the value is in range */
    }
    atomic_store(&stopping, false);
    int error = start_writer();
    if (!error) {
        atomic_store(&log_fd, fd);
        atomic_store(&running, true);
    }
    return error;
}

void log_stop(void) {
    if (!atomic_load(&running)) {
        return;
    }
    atomic_store(&stopping, true);
    sem_post(&wake);
    pthread_join(writer, NULL);
    atomic_store(&running, false);
    drain_all();
    atomic_store(&log_fd, STDERR_FILENO);
}

/* ---- producers ---- */

static void ring_copy_in(struct ring *r, uint64_t at, const char *bytes, size_t len) {
    size_t start = at & (RING_BYTES - 1);
    size_t first = RING_BYTES - start < len ? RING_BYTES - start : len;
    if (len) {
        memcpy(r->bytes + start, bytes, first);
        memcpy(r->bytes, bytes + first, len - first);
    }
}

static bool ring_fits(struct ring *r, uint64_t head, size_t len) {
    if (len > RING_BYTES) {
        return false;
    }
    if (head + len - r->known_tail > RING_BYTES) {
        r->known_tail = atomic_load_explicit(&r->tail, memory_order_acquire);
    }
    return head + len - r->known_tail <= RING_BYTES;
}

/* All pieces as one line, or none of them. */
static bool ring_put(struct ring *r, const struct iovec *pieces, size_t count) {
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        len += pieces[i].iov_len;
    }
    if (!ring_fits(r, head, len)) {
        r->dropped++;
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        ring_copy_in(r, head, pieces[i].iov_base, pieces[i].iov_len);
        head += pieces[i].iov_len;
    }
    atomic_store(&r->head, head);
    wake_writer();
    return true;
}

/* The calling thread's ring while there is a writer; else lines are written at once. */
static struct ring *ring_in_use(void) {
    return own_ring && atomic_load(&running) ? own_ring : NULL;
}

void log_write(enum log_level level, const char *event, const struct log_field *fields) {
    char line[LOG_LINE_MAX];
    struct ring *r = ring_in_use();
    struct log_head head = {.epoch_ms = clock_wall_ms(), .level = level, .event = event};
    if (own_ring) {
        head.thread = own_ring->thread;
        head.dropped = own_ring->dropped;
    }
    struct iovec whole = {line, log_format(line, &head, fields)};
    if (!r) {
        write_all(&whole, 1);
    } else if (!ring_put(r, &whole, 1)) {
        return;
    }
    if (own_ring) {
        own_ring->dropped = 0; /* the line says it */
    }
}

void log_line(struct slice line) {
    char dropped[40];
    struct ring *r = ring_in_use();
    struct iovec v[3] = {{(void *)(uintptr_t)line.ptr, line.len}, {dropped, 0}, {"\n", 1}};
    bool tells = own_ring && own_ring->dropped && line.len > 2 && line.ptr[line.len - 1] == '}';
    if (tells) {
        v[0].iov_len--;
        v[1].iov_len = (size_t)snprintf(dropped, sizeof dropped, ",\"dropped\":%llu}",
                                        (unsigned long long)own_ring->dropped);
    }
    if (!r) {
        write_all(v, 3);
    } else if (!ring_put(r, v, 3)) {
        return;
    }
    if (tells) {
        own_ring->dropped = 0;
    }
}

int log_parse_level(struct slice name, enum log_level *out) {
    static const struct {
        struct slice name;
        enum log_level level;
    } levels[] = {{SLICE("debug"), LOG_DEBUG},
                  {SLICE("info"), LOG_INFO},
                  {SLICE("warn"), LOG_WARN},
                  {SLICE("error"), LOG_ERROR},
                  {SLICE("off"), LOG_OFF}};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (slice_eq(name, levels[i].name)) {
            *out = levels[i].level;
            return 0;
        }
    }
    return ERR_INVALID;
}

int log_thread_attach(const char *name) {
    ASSERT(own_ring == NULL);
    struct ring *r = aligned_alloc(64, sizeof *r);
    if (!r) {
        return ERR_NOMEM;
    }
    memset(r, 0, offsetof(struct ring, bytes));
    r->thread = name;
    pthread_mutex_lock(&rings_lock);
    r->next = rings;
    rings = r;
    pthread_mutex_unlock(&rings_lock);
    own_ring = r;
    return 0;
}

void log_thread_detach(void) {
    struct ring *r = own_ring;
    if (!r) {
        return;
    }
    own_ring = NULL;
    atomic_store(&r->closed, true);
    wake_writer();
}
