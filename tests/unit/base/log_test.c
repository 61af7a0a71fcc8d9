#include "base/log.h"

#include "base/error.h"
#include "support/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define THREADS 4
#define LINES   20000

static FILE *open_log(void) {
    FILE *file = tmpfile();
    assert_non_null(file);
    return file;
}

static size_t count_lines(FILE *file) {
    size_t lines = 0;
    int c;
    rewind(file);
    while ((c = getc(file)) != EOF) {
        lines += c == '\n';
    }
    return lines;
}

static void nap_ms(long ms) {
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

static void levels(void **state) {
    (void)state;
    enum log_level level = LOG_OFF;
    assert_int_equal(log_parse_level(SLICE("debug"), &level), 0);
    assert_int_equal(level, LOG_DEBUG);
    assert_int_equal(log_parse_level(SLICE("off"), &level), 0);
    assert_int_equal(level, LOG_OFF);
    assert_int_equal(log_parse_level(SLICE("warn"), &level), 0);
    assert_int_equal(level, LOG_WARN);
    assert_int_equal(log_parse_level(SLICE("WARN"), &level), ERR_INVALID);
    assert_int_equal(log_parse_level(SLICE_EMPTY, &level), ERR_INVALID);
}

static int evaluated;
static int count_evaluation(void) {
    return ++evaluated;
}

static void threshold_comes_before_the_arguments(void **state) {
    (void)state;
    FILE *file = open_log();
    assert_int_equal(log_start(fileno(file)), 0);
    log_threshold = LOG_WARN;
    log_event(LOG_INFO, "quiet", log_u64("n", count_evaluation()));
    assert_int_equal(evaluated, 0);
    log_event(LOG_WARN, "loud", log_u64("n", count_evaluation()));
    assert_int_equal(evaluated, 1);
    log_threshold = LOG_INFO;
    log_stop();
    assert_int_equal(count_lines(file), 1);
    fclose(file);
}

static void threads_without_a_ring_write_directly(void **state) {
    (void)state;
    FILE *file = open_log();
    assert_int_equal(log_start(fileno(file)), 0);
    assert_int_equal(log_start(fileno(file)), ERR_EXISTS);
    log_event(LOG_INFO, "direct", log_str("s", "x"));
    log_line(SLICE("{\"a\":1}"));
    log_line(SLICE_EMPTY);
    char text[512] = {0};
    rewind(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0); /* there before log_stop */
    assert_non_null(strstr(text, "\"event\":\"direct\",\"s\":\"x\"}\n{\"a\":1}\n\n"));
    assert_null(strstr(text, "thread"));
    log_stop();
    log_stop();
    fclose(file);
}

/* Each line: its thread and number. Long enough to wrap the ring several times. */
static void *write_many(void *name) {
    assert_int_equal(log_thread_attach(name), 0);
    for (int i = 0; i < LINES; i++) {
        if (i % 2) {
            log_event(LOG_INFO, "n", log_u64("i", i));
        } else {
            char line[64];
            int len = snprintf(line, sizeof line, "{\"thread\":\"%s\",\"i\":%d}",
                               (const char *)name, i);
            log_line(slice_of(line, (size_t)len));
        }
        if (i % 1000 == 0) {
            nap_ms(3); /* lets the writer fall asleep */
        }
    }
    log_thread_detach();
    return NULL;
}

/* All lines arrive whole and in order per thread; what was dropped was said. */
static void check_lines(FILE *file, const char *name, long expected) {
    char text[1024], wanted[64];
    long next = 0, dropped = 0, seen = 0;
    snprintf(wanted, sizeof wanted, "\"thread\":\"%s\"", name);
    rewind(file);
    while (fgets(text, sizeof text, file)) {
        size_t len = strlen(text);
        assert_true(len > 3 && text[0] == '{' && text[len - 2] == '}' && text[len - 1] == '\n');
        const char *i = strstr(text, "\"i\":");
        const char *lost = strstr(text, "\"dropped\":");
        if (!strstr(text, wanted)) {
            continue;
        }
        if (i) {
            long number = strtol(i + 4, NULL, 10);
            assert_true(number >= next);
            next = number + 1;
            seen++;
        }
        dropped += lost ? strtol(lost + 10, NULL, 10) : 0;
    }
    assert_int_equal(seen + dropped, expected);
}

static void many_threads(void **state) {
    (void)state;
    static char names[THREADS][32];
    FILE *file = open_log();
    pthread_t threads[THREADS];
    assert_int_equal(log_start(fileno(file)), 0);
    for (int i = 0; i < THREADS; i++) {
        snprintf(names[i], sizeof names[i], "worker-%d", i);
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, names[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    log_stop();
    for (int i = 0; i < THREADS; i++) {
        check_lines(file, names[i], LINES);
    }
    fclose(file);
}

struct pipe_reader {
    int fd;
    FILE *copy;
};

static void *read_to_end(void *arg) {
    struct pipe_reader *reader = arg;
    char text[4096];
    ssize_t got;
    while ((got = read(reader->fd, text, sizeof text)) > 0) {
        fwrite(text, 1, (size_t)got, reader->copy);
    }
    return NULL;
}

/* The pipe is full and nobody reads: the thread goes on, lines are dropped and counted. */
static void stuck_descriptor(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0); /* as a terminal may be */
    assert_int_equal(log_start(ends[1]), 0);
    assert_int_equal(log_thread_attach("stuck"), 0);
    long lines = 0;
    for (; lines < 30000; lines++) { /* three rings full */
        log_event(LOG_INFO, "filling", log_u64("i", lines));
    }
    struct pipe_reader reader = {ends[0], open_log()};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_to_end, &reader), 0);
    for (; lines < 30010; lines++) { /* one of them finds room, likely */
        nap_ms(2);
        log_event(LOG_INFO, "after", log_u64("i", lines));
    }
    log_thread_detach();
    log_stop();
    close(ends[1]);
    pthread_join(thread, NULL);
    check_lines(reader.copy, "stuck", lines);
    assert_in_range(count_lines(reader.copy), 5000, 29000);
    close(ends[0]);
    fclose(reader.copy);
}

/* The same, and the thread goes while its ring is still full: the writer says what was lost. */
static void dropped_by_a_thread_that_has_gone(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(log_start(ends[1]), 0);
    assert_int_equal(log_thread_attach("gone"), 0);
    for (long i = 0; i < 30000; i++) {
        log_event(LOG_INFO, "filling", log_u64("i", i));
    }
    log_thread_detach();
    struct pipe_reader reader = {ends[0], open_log()};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_to_end, &reader), 0);
    log_stop();
    close(ends[1]);
    pthread_join(thread, NULL);
    check_lines(reader.copy, "gone", 30000);
    assert_in_range(count_lines(reader.copy), 5000, 29000);
    close(ends[0]);
    fclose(reader.copy);
}

static atomic_bool over;

static void *write_until_over(void *name) {
    long *count = calloc(1, sizeof *count);
    assert_int_equal(log_thread_attach(name), 0);
    while (!atomic_load(&over)) {
        log_event(LOG_INFO, "n", log_u64("i", *count));
        ++*count;
        if (*count % 64 == 0) {
            nap_ms(1);
        }
    }
    log_thread_detach();
    return count;
}

/* Threads log while the writer is started and stopped: nothing is lost between ring and
 * descriptor. Standard error is the descriptor while the log is stopped. */
static void start_and_stop_under_load(void **state) {
    (void)state;
    FILE *file = open_log();
    int saved = dup(STDERR_FILENO);
    assert_int_equal(dup2(fileno(file), STDERR_FILENO), STDERR_FILENO);
    pthread_t threads[2];
    static const char *const names[2] = {"one", "two"};
    void *counts[2];
    atomic_store(&over, false);
    for (int i = 0; i < 2; i++) {
        pthread_create(&threads[i], NULL, write_until_over, (void *)(uintptr_t)names[i]);
    }
    for (int i = 0; i < 50; i++) {
        assert_int_equal(log_start(STDERR_FILENO), 0);
        nap_ms(i % 5);
        log_stop();
        nap_ms(i % 3);
    }
    atomic_store(&over, true);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], &counts[i]);
    }
    dup2(saved, STDERR_FILENO);
    close(saved);
    size_t expected = 0;
    for (int i = 0; i < 2; i++) {
        expected += (size_t) * (long *)counts[i];
        free(counts[i]);
    }
    assert_int_equal(count_lines(file), expected);
    fclose(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels),
        cmocka_unit_test(threshold_comes_before_the_arguments),
        cmocka_unit_test(threads_without_a_ring_write_directly),
        cmocka_unit_test(many_threads),
        cmocka_unit_test(stuck_descriptor),
        cmocka_unit_test(dropped_by_a_thread_that_has_gone),
        cmocka_unit_test(start_and_stop_under_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
