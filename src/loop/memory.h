/* libuv's memory. It aborts where its table of descriptors cannot grow, and says UV_ENOMEM
 * elsewhere: so what it asks for may take the reserve of base/memory.h. */
#ifndef LOOP_MEMORY_H
#define LOOP_MEMORY_H

/* Before anything else of libuv; once is enough, from any thread. */
void loop_memory_init(void);

#endif
