/* The program's error codes: negative ints, one table, so code and text cannot drift apart.
 * Functions that can fail return 0 or one of these; the caller adds its own context. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#define ERROR_MAP(X)                                                                           \
    X(NOMEM, 1, "out of memory")                                                               \
    X(INVALID, 2, "invalid argument or syntax")                                                \
    X(LIMIT, 3, "a size limit was exceeded")                                                   \
    X(BUSY, 4, "a queue is full")                                                              \
    X(AGAIN, 5, "needs more input or output")                                                  \
    X(CLOSED, 6, "closed by the peer")                                                         \
    X(RESET, 7, "connection reset")                                                            \
    X(TIMEOUT, 8, "deadline passed")                                                           \
    X(CANCELED, 9, "canceled by a shutdown")                                                   \
    X(REFUSED, 10, "connection refused or unreachable")                                        \
    X(RESOLVE, 11, "name could not be resolved")                                               \
    X(TLS, 12, "TLS failure")                                                                  \
    X(TLS_VERIFY, 13, "certificate verification failed")                                       \
    X(PROTOCOL, 14, "malformed message from the peer")                                         \
    X(NOT_FOUND, 15, "not found")                                                              \
    X(EXISTS, 16, "already exists")                                                            \
    X(PERMISSION, 17, "permission denied")                                                     \
    X(IO, 18, "input/output error")                                                            \
    X(CREDENTIALS, 19, "no credentials")                                                       \
    X(UNSUPPORTED, 20, "not supported")

enum error_code {
#define X(name, value, text) ERR_##name = -(value),
    ERROR_MAP(X)
#undef X
};

/* The text of a code; never NULL. */
const char *error_text(int error);
/* The lower-case name ("tls_verify"), for logs and metrics; never NULL. */
const char *error_name(int error);

#endif
