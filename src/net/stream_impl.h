/* What the files of the stream share; nobody else includes this.
 *
 *   stream.c        life: init, connect, accept, close; the hub and its deferred events
 *   stream_proxy.c  the PROXY header that may come before everything else
 *   stream_read.c   socket -> [engine] -> on_data, on_end
 *   stream_write.c  stream_write -> queue -> flush once per turn: [engine] -> socket
 */
#ifndef NET_STREAM_IMPL_H
#define NET_STREAM_IMPL_H

#include "net/stream.h"

/*               accept             no TLS
 *   NEW ----> CONNECTING ---------------------> OPEN
 *    |          | |   |                         ^  |
 *    |          | `-> PROXY --+-----------------+  |
 *    |          |     |       v                 |  |
 *    |          |     +---> HANDSHAKE ----------+  |
 *    |          |              |                   |
 *    |          +-----> FAILED <-------------------+    (an error was met or reported)
 *    |                    |
 *    +--------------> CLOSING (from every state) ----> CLOSED */
enum stream_state {
    STREAM_NEW,
    STREAM_CONNECTING, /* TCP connect, or accepted and on_open not yet delivered */
    STREAM_PROXY,      /* the PROXY header is not complete */
    STREAM_HANDSHAKE,
    STREAM_OPEN,
    STREAM_FAILED,
    STREAM_CLOSING,
    STREAM_CLOSED,
};

/* Schedules what stream_deliver will do in the next turn. */
void stream_pend(struct stream *s);
/* Notes the error, to be reported in the next turn. */
void stream_fail_later(struct stream *s, int error);
/* Reports it now: only from events of the loop. The stream may be closed afterwards. */
void stream_fail_now(struct stream *s, int error);

void stream_opened(struct stream *s);
/* Nothing stands before TLS or the owner's bytes any more: the handshake, or on_open. */
void stream_transport_ready(struct stream *s);
/* Bytes of the PROXY header; *used of them. True when it is complete and the stream goes on. */
int stream_take_proxy(struct stream *s, const char *bytes, size_t len, size_t *used);
void stream_drop_proxy(struct stream *s);

/* Makes libuv read if the owner wants data and the state allows. */
void stream_update_polling(struct stream *s);
/* Plaintext the engine already holds, after reading was resumed. */
void stream_read_engine(struct stream *s);
/* Goes on with the handshake; opens or fails the stream when that is over. */
void stream_step_handshake(struct stream *s);

/* Links into the hub's list of the streams to flush. */
void stream_mark_dirty(struct stream *s);
void stream_flush_duty(struct loop_duty *duty);
void stream_send_alert(struct stream *s);
/* Frees or returns every buffer. */
void stream_drop_queue(struct stream *s);
void stream_wake(struct stream_hub *hub);

#endif
