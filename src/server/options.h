/* The limits of a server, each with its default: server_options_default. */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include "http/request_parser.h"
#include "server/forwarded.h"

struct descriptor_reserve;
struct server_parsers;

struct server_options {
    struct server_parsers *parsers; /* shared with the loop's other servers; NULL: its own */
    struct http_limits http;
    struct server_trust trust;
    size_t connections; /* at the limit accept pauses; peers wait in the backlog */
    /* Of one client address (IPv6: of a /64): 503 beyond, closed unheard at twice as many. Whom
     * `trust` names does not count. 0 = no limit. */
    size_t connections_per_address;
    size_t pipeline_depth; /* requests of one connection handed out at a time; 32 */
    size_t out_bytes;      /* unsent answer bytes of a connection: reading pauses; 262144 */
    /* Of requests and unsent answers, all connections: a request beyond is 503. Answers to what
     * was already taken in may pass out_bytes until half of this is used; then their connection
     * is closed ("answer_memory"). A request beyond also ends some of those whose answers have
     * waited longest ("slow_reader"). 268435456 */
    size_t request_bytes;
    uint64_t header_timeout_ms; /* from the first byte to the end of the head: 408; 10000 */
    uint64_t body_timeout_ms;   /* without enough progress: 408; 10000 */
    size_t body_min_rate;       /* bytes per second, averaged over a timeout window; 100 */
    uint64_t
        first_byte_timeout_ms; /* a new connection without a byte: closed silently; 10000 */
    uint64_t proxy_header_timeout_ms; /* for a whole PROXY header: closed; 5000 */
    uint64_t idle_timeout_ms;         /* between requests; 75000 */
    uint64_t write_timeout_ms;        /* an answer the client does not read; 30000 */
    uint64_t linger_ms;               /* after an error answer: drain at most this long; 2000 */
    size_t linger_bytes;              /* and this much; 65536 */
    struct descriptor_reserve *reserve; /* for when descriptors run out; NULL: none. Outlives
                                         * the server. */
};

extern const struct server_options server_options_default;

#endif
