/* What every unit test starts with: cmocka, and a check that something aborts. */
#ifndef SUPPORT_UNIT_H
#define SUPPORT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Under the sanitizers, too, malloc of an impossible size returns NULL. */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);
const char *__asan_default_options(void) {
    return "allocator_may_return_null=1";
}
const char *__tsan_default_options(void) {
    return "allocator_may_return_null=1";
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Runs `statement` in a child whose standard error is closed; it must die of SIGABRT. */
#define assert_aborts(statement)                                                               \
    do {                                                                                       \
        pid_t child_ = fork();                                                                 \
        assert_true(child_ >= 0);                                                              \
        if (child_ == 0) {                                                                     \
            close(STDERR_FILENO);                                                              \
            statement;                                                                         \
            _exit(0);                                                                          \
        }                                                                                      \
        int status_ = 0;                                                                       \
        assert_int_equal(waitpid(child_, &status_, 0), child_);                                \
        assert_true(WIFSIGNALED(status_) && WTERMSIG(status_) == SIGABRT);                     \
    } while (0)

#endif
