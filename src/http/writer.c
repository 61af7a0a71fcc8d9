#include "http/writer.h"

#include "base/error.h"

#include <string.h>

#define DATE_LEN    29  /* Sun, 06 Nov 1994 08:49:37 GMT */
#define LINES_BOUND 256 /* every line of the head but the fields given: 214 bytes at most */
#define FIELD_EXTRA 4   /* ": " and CRLF */

static const char token_chars[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1,
    ['-'] = 1, ['.'] = 1, ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1,  ['~'] = 1, ['0'] = 1,
    ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1,  ['7'] = 1, ['8'] = 1,
    ['9'] = 1, ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1,  ['F'] = 1, ['G'] = 1,
    ['H'] = 1, ['I'] = 1, ['J'] = 1, ['K'] = 1, ['L'] = 1, ['M'] = 1,  ['N'] = 1, ['O'] = 1,
    ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1, ['U'] = 1,  ['V'] = 1, ['W'] = 1,
    ['X'] = 1, ['Y'] = 1, ['Z'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1,  ['d'] = 1, ['e'] = 1,
    ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1, ['j'] = 1, ['k'] = 1,  ['l'] = 1, ['m'] = 1,
    ['n'] = 1, ['o'] = 1, ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1,  ['t'] = 1, ['u'] = 1,
    ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1,
};

int http_field_name_valid(struct slice name) {
    for (size_t i = 0; i < name.len; i++) {
        if (!token_chars[(unsigned char)name.ptr[i]]) {
            return 0;
        }
    }
    return name.len > 0;
}

int http_field_value_valid(struct slice value) {
    unsigned bad = 0;
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        bad |= (c < 0x20 && c != '\t') || c == 0x7f;
    }
    return !bad;
}

/* Fields the writer decides about alone; a handler's own would frame the message anew. */
static int is_ours(const struct http_response_head *head, struct slice name) {
    switch (name.len) {
    case 2:
        return slice_eq_nocase(name, SLICE("te"));
    case 4:
        return slice_eq_nocase(name, SLICE("date"));
    case 7:
        return slice_eq_nocase(name, SLICE("upgrade")) ||
               slice_eq_nocase(name, SLICE("trailer"));
    case 10:
        return slice_eq_nocase(name, SLICE("connection")) ||
               slice_eq_nocase(name, SLICE("keep-alive"));
    case 12:
        return head->content_type.len > 0 && slice_eq_nocase(name, SLICE("content-type"));
    case 14:
        return slice_eq_nocase(name, SLICE("content-length"));
    case 16:
        return slice_eq_nocase(name, SLICE("proxy-connection")) ||
               (head->request_id.len > 0 && slice_eq_nocase(name, SLICE("x-amzn-requestid")));
    case 17:
        return slice_eq_nocase(name, SLICE("transfer-encoding"));
    default:
        return 0;
    }
}

static int may_be_sent(const struct http_response_head *head) {
    if (head->status < 100 || head->status > 599 ||
        !http_field_value_valid(head->content_type) ||
        !http_field_value_valid(head->request_id)) {
        return 0;
    }
    for (size_t i = 0; i < head->header_count; i++) {
        if (!http_field_name_valid(head->headers[i].name) ||
            !http_field_value_valid(head->headers[i].value)) {
            return 0;
        }
    }
    return 1;
}

size_t http_response_bound(const struct http_response_head *head, struct slice body) {
    size_t bound = LINES_BOUND + head->content_type.len + head->request_id.len + body.len;
    for (size_t i = 0; i < head->header_count; i++) {
        bound += head->headers[i].name.len + head->headers[i].value.len + FIELD_EXTRA;
    }
    return bound;
}

static char *put(char *out, const char *bytes, size_t len) {
    if (len > 0) {
        memcpy(out, bytes, len);
    }
    return out + len;
}

#define PUT(out, literal) put((out), (literal), sizeof(literal) - 1)

static char *put_slice(char *out, struct slice s) {
    return put(out, s.ptr, s.len);
}

static char *put_number(char *out, uint64_t n) {
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    return put(out, digits + at, sizeof(digits) - at);
}

static char *put_connection(char *out, const struct http_response_head *head) {
    if (!head->keep_alive) {
        return PUT(out, "Connection: close\r\n");
    }
    return head->minor == 0 ? PUT(out, "Connection: keep-alive\r\n") : out;
}

static char *put_framing(char *out, const struct http_response_head *head, size_t len) {
    switch ((enum http_body_framing)head->framing) {
    case HTTP_BODY_LENGTH:
        out = PUT(out, "Content-Length: ");
        out = put_number(out, len);
        return PUT(out, "\r\n");
    case HTTP_BODY_CHUNKED:
        return PUT(out, "Transfer-Encoding: chunked\r\n");
    case HTTP_BODY_UNTIL_CLOSE:
        return out;
    }
    return out;
}

static char *put_headers(char *out, const struct http_response_head *head) {
    for (size_t i = 0; i < head->header_count; i++) {
        const struct http_header *h = &head->headers[i];
        if (is_ours(head, h->name)) {
            continue;
        }
        out = put_slice(out, h->name);
        out = PUT(out, ": ");
        out = put_slice(out, h->value);
        out = PUT(out, "\r\n");
    }
    return out;
}

size_t http_format_response(char *out, const struct http_response_head *head,
                            struct slice body) {
    if (!may_be_sent(head)) {
        return 0;
    }
    int bodyless = head->status < 200 || head->status == 204 || head->status == 304;
    const char *start = out;
    out = PUT(out, "HTTP/1.1 ");
    out = put_number(out, head->status);
    out = PUT(out, " ");
    out = put_slice(out, slice_cstr(http_status_reason(head->status)));
    out = PUT(out, "\r\n");
    if (head->date) {
        out = PUT(out, "Date: ");
        out = put(out, head->date, DATE_LEN);
        out = PUT(out, "\r\n");
    }
    if (head->content_type.len > 0) {
        out = PUT(out, "Content-Type: ");
        out = put_slice(out, head->content_type);
        out = PUT(out, "\r\n");
    }
    if (!bodyless) {
        out = put_framing(out, head, body.len);
    }
    if (head->request_id.len > 0) {
        out = PUT(out, "x-amzn-requestid: ");
        out = put_slice(out, head->request_id);
        out = PUT(out, "\r\n");
    }
    out = put_connection(out, head);
    out = put_headers(out, head);
    out = PUT(out, "\r\n");
    if (!bodyless && !head->head_only) {
        out = put_slice(out, body);
    }
    return (size_t)(out - start);
}

size_t http_format_chunk(char *out, struct slice bytes) {
    static const char digits[] = "0123456789abcdef";
    char size[16];
    size_t at = sizeof(size);
    if (bytes.len == 0) {
        return 0;
    }
    for (size_t n = bytes.len; n > 0; n >>= 4) {
        size[--at] = digits[n & 15];
    }
    char *start = out;
    out = put(out, size + at, sizeof(size) - at);
    out = PUT(out, "\r\n");
    out = put_slice(out, bytes);
    out = PUT(out, "\r\n");
    return (size_t)(out - start);
}

int http_write_response(struct buffer *out, const struct http_response_head *head,
                        struct slice body) {
    if (buffer_reserve(out, http_response_bound(head, body))) {
        return ERR_NOMEM;
    }
    size_t len = http_format_response(buffer_tail(out), head, body);
    if (len == 0) {
        return ERR_INVALID;
    }
    buffer_grow(out, len);
    return 0;
}
