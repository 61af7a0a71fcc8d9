/* Memory that cannot be done without: what a start, a reload and the threads' mail are made of.
 * A reserve of MEMORY_RESERVE_BYTES is kept aside for it, address space that nobody touches.
 * What a request needs is asked for with an answer for "no", and never takes the reserve. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#define MEMORY_RESERVE_BYTES ((size_t)4 << 20)

/* Sees that the reserve is there. False: it was spent, and there is no memory for another. From
 * any thread, as all here. */
bool memory_keep_reserve(void);
/* Lets the reserve go, so that what was refused can be asked for again. */
void memory_spend_reserve(void);

/* The expression asks for memory, or for what takes it, and tells whether it got it. When it
 * says no it is asked a second time, without the reserve; when it still says no, memory_is_out:
 * prints what and where, and ends the process with 1. */
#define NEED_MEMORY(expression)                                                                \
    ((expression) || (memory_spend_reserve(), (expression))                                    \
         ? (void)0                                                                             \
         : memory_is_out(#expression, __FILE__, __LINE__))

_Noreturn void memory_is_out(const char *expression, const char *file, int line);

/* realloc that is needed. */
void *memory_grow(void *old, size_t len);

#endif
