/* ASSERT: invariants of our own state, kept in release builds. Peer input is never asserted. */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

#include "base/memory.h"

/* Prints the expression and its place to standard error, then aborts. */
_Noreturn void assert_failed(const char *expression, const char *file, int line);

#define ASSERT(expression)                                                                     \
    ((expression) ? (void)0 : assert_failed(#expression, __FILE__, __LINE__))

#define MUST_CHECK __attribute__((warn_unused_result))

#endif
