/* What the streams of one loop share: the flush once per turn, events put off to the next turn,
 * spare buffers. Owned by the worker; see stream.h for the rules. */
#ifndef NET_STREAM_HUB_H
#define NET_STREAM_HUB_H

#include "base/list.h"
#include "base/spares.h"
#include "loop/loop.h"

/* Memory of empty buffers that a hub keeps for its streams. */
#define STREAM_SPARES_BYTES_MAX 1048576u
#define STREAM_PLAINTEXT_MAX    16384u /* one TLS record */

/* Per loop: the flush list and what the streams of the loop share. Owned by the worker. A
 * stream with nothing queued holds no buffer memory: it borrows a spare one at the first write
 * and gives it back when the queue is out. */
struct stream_hub {
    struct loop *loop;
    struct loop_duty flush;
    struct list dirty;   /* streams with bytes to send this turn */
    struct list pending; /* streams with an event to deliver next turn */
    struct list open;    /* every stream between init and on_close */
    uv_idle_t *wake;     /* runs while something is pending: the poll then does not wait */
    struct spares spares;
    char plaintext[STREAM_PLAINTEXT_MAX]; /* what TLS streams show in on_data */
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t write_calls;
};

void stream_hub_init(struct stream_hub *hub, struct loop *l);
/* Every stream must have closed. Before loop_fini. */
void stream_hub_fini(struct stream_hub *hub);

#endif
