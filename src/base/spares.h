/* Memory of empty buffers, kept for the next ones that need some: no malloc in the steady
 * state.
 *
 * One shelf per size, doubling from SPARES_FIRST_BYTES, which are the sizes a buffer grows
 * through: who needs little takes from a low shelf and leaves the large ones to those who need
 * them. All shelves together keep at most `limit` bytes; what is over is freed. Owned by one
 * worker. */
#ifndef BASE_SPARES_H
#define BASE_SPARES_H

#include "base/buffer.h"

#define SPARES_FIRST_BYTES 256u
#define SPARES_SHELVES     8u /* up to 32768 bytes; a larger buffer is freed */

struct spares {
    void *shelves[SPARES_SHELVES];
    size_t bytes; /* on all shelves */
    size_t limit;
};

void spares_init(struct spares *s, size_t limit);
void spares_fini(struct spares *s);
/* A buffer without memory gets room for `need` bytes if there is a spare so large; else it
 * stays as it is, and grows by itself. */
void spares_borrow(struct spares *s, struct buffer *b, size_t need);
/* Forgets the contents and takes the memory. */
void spares_give_back(struct spares *s, struct buffer *b);

#endif
