#include "http/reader.h"

#include "base/container.h"
#include "base/error.h"

#define STASH_KEEP_BYTES 16384
#define BODY_KEEP_BYTES  65536
#define CHUNKS_BASE      1024
#define CHUNK_BYTES_MIN  64 /* average chunk size a big body must keep: bounds the work */

static struct http_reader *reader_of(llhttp_t *ll) {
    return container_of(ll, struct http_reader, ll);
}

static int callback_fail(struct http_reader *r, unsigned status, const char *reason) {
    r->callback_status = status;
    r->callback_reason = reason;
    return -1;
}

/* --- the head's callbacks --- */

static int on_header_field(llhttp_t *ll, const char *at, size_t len) {
    struct http_reader *r = reader_of(ll);
    struct http_header *h = &r->items[r->header_count];
    if (h->name.len == 0) {
        h->name.ptr = at;
    }
    h->name.len += len;
    return 0;
}

static int on_header_field_complete(llhttp_t *ll) {
    struct http_reader *r = reader_of(ll);
    if (r->header_count >= r->headers_max) {
        return callback_fail(r, 431, "too_many_headers");
    }
    r->items[r->header_count++].value = SLICE_EMPTY;
    r->items[r->header_count].name = SLICE_EMPTY;
    return 0;
}

static int on_header_value(llhttp_t *ll, const char *at, size_t len) {
    struct http_reader *r = reader_of(ll);
    if (r->header_count == 0) {
        return callback_fail(r, 400, "bad_header");
    }
    struct http_header *h = &r->items[r->header_count - 1];
    if (h->value.len == 0) {
        h->value.ptr = at;
    }
    /* Spans break where the feed was cut, and then the next one goes on at the same place; over
     * a fold (obs-fold, CVE-2024-27982) it does not. */
    r->folded |= h->value.ptr + h->value.len != at;
    h->value.len += len;
    return 0;
}

static int on_pause(llhttp_t *ll) {
    (void)ll;
    return HPE_PAUSED;
}

static const llhttp_settings_t head_settings = {
    .on_header_field = on_header_field,
    .on_header_field_complete = on_header_field_complete,
    .on_header_value = on_header_value,
    .on_headers_complete = on_pause,
};

/* --- the chunked body's callbacks: trailers go nowhere, unless the body comes in parts --- */

static int on_extension(llhttp_t *ll, const char *at, size_t len) {
    (void)at;
    struct http_reader *r = reader_of(ll);
    r->extension_bytes += len;
    if (r->extension_bytes > r->extension_max) {
        return callback_fail(r, 400, "chunk_extension_too_large");
    }
    return 0;
}

/* Counts the separator, so that many empty extensions are bounded as well. */
static int on_extension_complete(llhttp_t *ll) {
    return on_extension(ll, NULL, 1);
}

static int on_chunk_header(llhttp_t *ll) {
    struct http_reader *r = reader_of(ll);
    if (ll->content_length == 0) {
        r->in_trailer = 1;
        return HPE_PAUSED;
    }
    size_t have = r->body.len + r->compact_len;
    if (ll->content_length > r->body_max - have) {
        return callback_fail(r, 413, "body_too_large");
    }
    if (++r->chunks > CHUNKS_BASE + r->body_max / CHUNK_BYTES_MIN) {
        return callback_fail(r, 413, "too_many_chunks");
    }
    return 0;
}

static int on_chunk_data(llhttp_t *ll, const char *at, size_t len) {
    struct http_reader *r = reader_of(ll);
    if (r->body.len > 0) {
        if (buffer_append(&r->body, at, len)) {
            return callback_fail(r, 503, "no_memory");
        }
    } else if (r->compact == NULL) {
        /* The feed is writable by contract, `at` lies in it. */
        r->compact = (char *)(uintptr_t)at;
        r->compact_len = len;
    } else {
        memmove(r->compact + r->compact_len, at, len);
        r->compact_len += len;
    }
    return 0;
}

static int on_message_complete(llhttp_t *ll) {
    reader_of(ll)->message_complete = 1;
    return HPE_PAUSED;
}

static int keep_trailer(llhttp_t *ll, const char *at, size_t len) {
    struct http_reader *r = reader_of(ll);
    return r->in_parts && buffer_append(&r->trailers, at, len)
               ? callback_fail(r, 503, "no_memory")
               : 0;
}

static int on_trailer_name_complete(llhttp_t *ll) {
    return keep_trailer(ll, ":", 1);
}

static int on_trailer_value_complete(llhttp_t *ll) {
    return keep_trailer(ll, "\n", 1);
}

static const llhttp_settings_t chunked_settings = {
    .on_chunk_extension_name = on_extension,
    .on_chunk_extension_value = on_extension,
    .on_chunk_extension_name_complete = on_extension_complete,
    .on_chunk_extension_value_complete = on_extension_complete,
    .on_chunk_header = on_chunk_header,
    .on_body = on_chunk_data,
    .on_message_complete = on_message_complete,
    .on_header_field = keep_trailer,
    .on_header_field_complete = on_trailer_name_complete,
    .on_header_value = keep_trailer,
    .on_header_value_complete = on_trailer_value_complete,
};

/* --- lifetime --- */

void http_reader_init(struct http_reader *r, llhttp_type_t type) {
    memset(r, 0, offsetof(struct http_reader, items));
    r->type = type;
    http_reader_reset(r);
}

void http_reader_fini(struct http_reader *r) {
    buffer_fini(&r->stash);
    buffer_fini(&r->body);
    buffer_fini(&r->trailers);
}

void http_reader_reset(struct http_reader *r) {
    llhttp_init(&r->ll, r->type, &head_settings);
    r->state = READER_START;
    r->framing = FRAMING_NONE;
    r->head = NULL;
    r->head_len = 0;
    r->header_count = 0;
    r->items[0].name = SLICE_EMPTY;
    r->content_length = 0;
    buffer_reset(&r->stash, STASH_KEEP_BYTES);
    buffer_reset(&r->body, BODY_KEEP_BYTES);
    buffer_reset(&r->trailers, 0);
    r->in_parts = 0;
    r->given = 0;
    r->compact = NULL;
    r->compact_len = 0;
    r->chunks = 0;
    r->extension_bytes = 0;
    r->trailer_bytes = 0;
    r->folded = 0;
    r->in_trailer = 0;
    r->message_complete = 0;
    r->callback_status = 0;
    r->callback_reason = NULL;
}

enum http_reader_result http_reader_fail(struct http_reader *r, unsigned status,
                                         const char *reason) {
    r->state = READER_FAILED;
    r->status = status;
    r->reason = reason;
    return READER_ERROR;
}

static enum http_reader_result fail_llhttp(struct http_reader *r, llhttp_errno_t error) {
    if (r->callback_status) {
        return http_reader_fail(r, r->callback_status, r->callback_reason);
    }
    switch (error) {
    case HPE_INVALID_METHOD:
        return http_reader_fail(r, 400, "bad_method");
    case HPE_INVALID_URL:
        return http_reader_fail(r, 400, "bad_target");
    case HPE_INVALID_VERSION:
    case HPE_INVALID_CONSTANT:
        return http_reader_fail(r, 400, "bad_version");
    case HPE_INVALID_HEADER_TOKEN:
    case HPE_UNEXPECTED_SPACE:
        return http_reader_fail(r, 400, "bad_header");
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_UNEXPECTED_CONTENT_LENGTH:
        return http_reader_fail(r, 400, "bad_content_length");
    case HPE_INVALID_TRANSFER_ENCODING:
        return http_reader_fail(r, 400, "bad_transfer_encoding");
    case HPE_INVALID_CHUNK_SIZE:
        return http_reader_fail(r, 400, "bad_chunk_size");
    case HPE_CR_EXPECTED:
    case HPE_LF_EXPECTED:
    case HPE_STRICT:
        return http_reader_fail(r, 400, "bad_line_end");
    default:
        return http_reader_fail(r, 400, "bad_syntax");
    }
}

/* --- the head --- */

struct slice http_reader_rebase(const struct http_reader *r, struct slice s, const char *from) {
    if (s.ptr) {
        s.ptr = r->head + ((uintptr_t)s.ptr - (uintptr_t)from);
    }
    return s;
}

static void move_head(struct http_reader *r, char *to) {
    const char *from = r->head;
    r->head = to;
    if (from == to || from == NULL) {
        return;
    }
    for (size_t i = 0; i < r->header_count; i++) {
        r->items[i].name = http_reader_rebase(r, r->items[i].name, from);
        r->items[i].value = http_reader_rebase(r, r->items[i].value, from);
    }
    if (r->state == READER_HEAD) {
        struct http_header *open = &r->items[r->header_count];
        open->name = http_reader_rebase(r, open->name, from);
    }
}

/* Keeps the head beyond this feed. */
static int hold_head(struct http_reader *r) {
    if (r->stash.len == 0) {
        if (buffer_append(&r->stash, r->head, r->head_len)) {
            return ERR_NOMEM;
        }
        move_head(r, buffer_begin(&r->stash));
    }
    return 0;
}

/* Where the `take` new bytes of the head lie: in the feed, or behind those already kept. */
static char *place_head(struct http_reader *r, char *bytes, size_t take) {
    if (r->stash.len == 0) {
        r->head = bytes;
        return bytes;
    }
    if (buffer_reserve(&r->stash, take)) {
        return NULL;
    }
    move_head(r, buffer_begin(&r->stash));
    return memcpy(buffer_tail(&r->stash), bytes, take);
}

enum http_reader_result http_reader_feed_head(struct http_reader *r, char *bytes, size_t len,
                                              size_t *used) {
    if (len == 0) {
        return READER_MORE;
    }
    r->state = READER_HEAD;
    size_t take = len < r->head_max - r->head_len ? len : r->head_max - r->head_len;
    char *at = place_head(r, bytes, take);
    if (at == NULL) {
        return http_reader_fail(r, 503, "no_memory");
    }
    llhttp_errno_t error = llhttp_execute(&r->ll, at, take);
    if (error != HPE_OK) {
        take = (size_t)(llhttp_get_error_pos(&r->ll) - at);
    }
    if (r->stash.len > 0) {
        buffer_grow(&r->stash, take);
    }
    r->head_len += take;
    *used = take;
    if (r->check_head && r->check_head(r) == READER_ERROR) {
        return READER_ERROR;
    }
    if (error == HPE_PAUSED) {
        r->state = READER_BODY;
        return READER_COMPLETE;
    }
    if (error != HPE_OK) {
        return fail_llhttp(r, error);
    }
    if (r->head_len == r->head_max) {
        return http_reader_fail(r, 431, "head_too_large");
    }
    return hold_head(r) ? http_reader_fail(r, 503, "no_memory") : READER_MORE;
}

/* --- the fields --- */

static const char *skip_blanks(const char *at) {
    while (*at == ' ' || *at == '\t') {
        at++;
    }
    return at;
}

/* Past the field line at `at`, which must be exactly name ":" blanks value blanks CRLF, with
 * nothing that the table does not show; else NULL. The head ends in LF, which stops every step.
 */
static const char *skip_field_line(const char *at, const struct http_header *h) {
    if (at != h->name.ptr) {
        return NULL;
    }
    at += h->name.len;
    if (*at != ':') {
        return NULL;
    }
    at = skip_blanks(at + 1);
    if (h->value.len > 0) {
        if (at != h->value.ptr) {
            return NULL;
        }
        at = skip_blanks(at + h->value.len);
    }
    return at[0] == '\r' && at[1] == '\n' ? at + 2 : NULL;
}

static void scan_connection(struct slice value, struct http_fields *f) {
    while (value.len > 0) {
        struct slice token = slice_trim(slice_split(value, ',', &value));
        if (slice_eq_nocase(token, SLICE("close"))) {
            f->close++;
        } else if (slice_eq_nocase(token, SLICE("keep-alive"))) {
            f->keep_alive++;
        }
    }
}

static void scan_field(const struct http_header *h, struct http_fields *f) {
    switch (h->name.len) {
    case 4:
        if (slice_eq_nocase(h->name, SLICE("host"))) {
            f->host = h->value;
            f->hosts++;
        }
        break;
    case 6:
        if (slice_eq_nocase(h->name, SLICE("expect"))) {
            f->expect = h->value;
            f->expects++;
        }
        break;
    case 7:
        f->upgrades += slice_eq_nocase(h->name, SLICE("upgrade"));
        break;
    case 10:
        if (slice_eq_nocase(h->name, SLICE("connection"))) {
            scan_connection(h->value, f);
        }
        break;
    case 14:
        if (slice_eq_nocase(h->name, SLICE("content-length"))) {
            f->content_length = h->value;
            f->content_lengths++;
        }
        break;
    case 17:
        if (slice_eq_nocase(h->name, SLICE("transfer-encoding"))) {
            f->transfer_encoding = h->value;
            f->transfer_encodings++;
        }
        break;
    default:
        break;
    }
}

enum http_reader_result http_reader_scan_fields(struct http_reader *r,
                                                struct http_fields *fields) {
    *fields = (struct http_fields){0};
    const char *start = memchr(r->head, '\n', r->head_len);
    const char *at = start + 1;
    for (size_t i = 0; i < r->header_count; i++) {
        struct http_header *h = &r->items[i];
        if (h->name.len == 0) {
            return http_reader_fail(r, 400, "empty_header_name");
        }
        at = skip_field_line(at, h);
        if (at == NULL || r->folded) {
            return http_reader_fail(r, 400, "obs_fold");
        }
        while (h->value.len > 0 && (h->value.ptr[h->value.len - 1] == ' ' ||
                                    h->value.ptr[h->value.len - 1] == '\t')) {
            h->value.len--;
        }
        scan_field(h, fields);
    }
    /* llhttp takes a bare LF for the last line. */
    if (r->head + r->head_len - at != 2 || at[0] != '\r') {
        return http_reader_fail(r, 400, "bad_line_end");
    }
    return READER_COMPLETE;
}

enum http_reader_result http_reader_set_length(struct http_reader *r, struct slice value) {
    int error = slice_to_u64(value, &r->content_length);
    if (error == ERR_INVALID) {
        return http_reader_fail(r, 400, "bad_content_length");
    }
    if (error || r->content_length > INT64_MAX) {
        return http_reader_fail(r, 413, "body_too_large");
    }
    r->framing = r->content_length > 0 ? FRAMING_LENGTH : FRAMING_NONE;
    return READER_COMPLETE;
}

/* --- the body --- */

static enum http_reader_result feed_length(struct http_reader *r, char *bytes, size_t len,
                                           size_t *used, struct slice *body) {
    uint64_t left = r->content_length - r->body.len - r->given;
    size_t take = len < left ? len : (size_t)left;
    *used = take;
    if (r->in_parts) {
        r->given += take;
        *body = slice_of(bytes, take);
        return take == left ? READER_COMPLETE : READER_MORE;
    }
    if (r->body.len == 0 && take == left) {
        *body = slice_of(bytes, take);
        return READER_COMPLETE;
    }
    /* Grows with what has come: a Content-Length alone buys no memory. */
    if ((take > 0 && buffer_append(&r->body, bytes, take)) || hold_head(r)) {
        return http_reader_fail(r, 503, "no_memory");
    }
    *body = buffer_slice(&r->body);
    return take == left ? READER_COMPLETE : READER_MORE;
}

/* Runs llhttp up to the end of the feed, of the message, or of what trailers may take. */
static enum http_reader_result run_chunked(struct http_reader *r, char *bytes, size_t len,
                                           size_t *used) {
    size_t done = 0;
    while (done < len) {
        size_t take = len - done;
        if (r->in_trailer && take > r->trailer_max - r->trailer_bytes) {
            take = r->trailer_max - r->trailer_bytes;
        }
        size_t was_trailer = r->in_trailer;
        llhttp_errno_t error = llhttp_execute(&r->ll, bytes + done, take);
        if (error != HPE_OK) {
            take = (size_t)(llhttp_get_error_pos(&r->ll) - (bytes + done));
        }
        done += take;
        *used = done;
        if (error == HPE_PAUSED) {
            if (r->message_complete) {
                return READER_COMPLETE;
            }
            llhttp_resume(&r->ll);
        } else if (error != HPE_OK) {
            return fail_llhttp(r, error);
        }
        r->trailer_bytes += was_trailer ? take : 0;
        if (r->trailer_bytes == r->trailer_max) {
            return http_reader_fail(r, 431, "trailers_too_large");
        }
    }
    return READER_MORE;
}

static enum http_reader_result feed_chunked(struct http_reader *r, char *bytes, size_t len,
                                            size_t *used, struct slice *body) {
    r->ll.settings = (void *)(uintptr_t)&chunked_settings;
    llhttp_resume(&r->ll); /* from the pause at the end of the head */
    enum http_reader_result result = run_chunked(r, bytes, len, used);
    if (result == READER_ERROR) {
        return READER_ERROR;
    }
    if (r->in_parts || (result == READER_COMPLETE && r->body.len == 0)) {
        *body = slice_of(r->compact, r->compact_len);
        r->compact = NULL;
        r->compact_len = 0;
        return result;
    }
    if ((r->compact_len > 0 && buffer_append(&r->body, r->compact, r->compact_len)) ||
        hold_head(r)) {
        return http_reader_fail(r, 503, "no_memory");
    }
    r->compact = NULL;
    r->compact_len = 0;
    *body = buffer_slice(&r->body);
    return result;
}

static enum http_reader_result feed_until_close(struct http_reader *r, const char *bytes,
                                                size_t len, size_t *used, struct slice *body) {
    if (len > r->body_max - r->body.len) {
        return http_reader_fail(r, 413, "body_too_large");
    }
    *used = len;
    if (r->in_parts) {
        *body = slice_of(bytes, len);
        return READER_MORE;
    }
    if ((len > 0 && buffer_append(&r->body, bytes, len)) || hold_head(r)) {
        return http_reader_fail(r, 503, "no_memory");
    }
    *body = buffer_slice(&r->body);
    return READER_MORE;
}

enum http_reader_result http_reader_feed_body(struct http_reader *r, char *bytes, size_t len,
                                              size_t *used, struct slice *body) {
    switch (r->framing) {
    case FRAMING_NONE:
        *body = SLICE_EMPTY;
        return READER_COMPLETE;
    case FRAMING_LENGTH:
        return feed_length(r, bytes, len, used, body);
    case FRAMING_CHUNKED:
        return feed_chunked(r, bytes, len, used, body);
    case FRAMING_UNTIL_CLOSE:
        return feed_until_close(r, bytes, len, used, body);
    }
    return READER_ERROR;
}
