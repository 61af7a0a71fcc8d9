/* ASSERT: invariants of our own state, kept in release builds. Peer input is never asserted. */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

/* Prints the expression and its place to standard error, then aborts. */
_Noreturn void assert_failed(const char *expression, const char *file, int line);

#define ASSERT(expression)                                                                     \
    ((expression) ? (void)0 : assert_failed(#expression, __FILE__, __LINE__))

/* What Penstock cannot be without, got when it starts: memory, a descriptor. Prints what and
 * where, and ends the process with 1: that is a start refused, not a broken invariant. What
 * a request needs is asked for with an answer for "no"; mail between threads, scrapes, reloads
 * and a handler's first scratch memory are still needed in this way while it serves. */
_Noreturn void memory_is_out(const char *expression, const char *file, int line);

#define NEED_MEMORY(expression)                                                                \
    ((expression) ? (void)0 : memory_is_out(#expression, __FILE__, __LINE__))

#define MUST_CHECK __attribute__((warn_unused_result))

#endif
