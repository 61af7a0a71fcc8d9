#include "base/error.h"

const char *error_text(int error) {
    switch (error) {
    case 0:
        return "success";
#define X(name, value, text)                                                                   \
    case ERR_##name:                                                                           \
        return text;
        ERROR_MAP(X)
#undef X
    default:
        return "unknown error";
    }
}

/* No default for the codes: the compiler finds the name that is missing. */
static const char *code_name(enum error_code code) {
    switch (code) {
    case ERR_NOMEM:
        return "nomem";
    case ERR_INVALID:
        return "invalid";
    case ERR_LIMIT:
        return "limit";
    case ERR_BUSY:
        return "busy";
    case ERR_AGAIN:
        return "again";
    case ERR_CLOSED:
        return "closed";
    case ERR_RESET:
        return "reset";
    case ERR_TIMEOUT:
        return "timeout";
    case ERR_CANCELED:
        return "canceled";
    case ERR_REFUSED:
        return "refused";
    case ERR_RESOLVE:
        return "resolve";
    case ERR_TLS:
        return "tls";
    case ERR_TLS_VERIFY:
        return "tls_verify";
    case ERR_PROTOCOL:
        return "protocol";
    case ERR_NOT_FOUND:
        return "not_found";
    case ERR_EXISTS:
        return "exists";
    case ERR_PERMISSION:
        return "permission";
    case ERR_IO:
        return "io";
    case ERR_CREDENTIALS:
        return "credentials";
    case ERR_UNSUPPORTED:
        return "unsupported";
    }
    return "unknown";
}

const char *error_name(int error) {
    return error == 0 ? "ok" : code_name((enum error_code)error);
}
