/* Messages of application/vnd.amazon.eventstream: length, headers, payload and two checksums
 * (AWS, "Event stream encoding"). */
#ifndef LAMBDA_EVENT_STREAM_H
#define LAMBDA_EVENT_STREAM_H

#include "base/buffer.h"

/* CRC-32 as zlib has it. */
typedef uint32_t (*event_stream_crc_fn)(struct slice bytes);

/* One message of :message-type event, appended. 0 or ERR_NOMEM. */
MUST_CHECK int event_stream_append(struct buffer *out, event_stream_crc_fn crc,
                                   struct slice event_type, struct slice content_type,
                                   struct slice payload);

#endif
