#include "tls/pem.h"

#include "base/buffer.h"
#include "base/error.h"
#include "tls/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define BEGIN_CERTIFICATE "-----BEGIN CERTIFICATE-----"

static void forget(struct buffer *bytes) {
    if (bytes->data) {
        explicit_bzero(bytes->data, bytes->cap);
    }
    buffer_fini(bytes);
}

/* The bytes with a NUL behind, which is not counted. NULL, or what is wrong. */
static const char *read_bytes(int fd, struct buffer *out) {
    struct stat info;
    ssize_t got = 0;
    if (fstat(fd, &info) != 0) {
        return strerror(errno);
    }
    if (!S_ISREG(info.st_mode)) { /* a pipe might keep us waiting */
        return "not a file";
    }
    if (info.st_size > PEM_FILE_MAX) {
        return "over 1048576 bytes";
    }
    size_t len = (size_t)info.st_size;
    if (buffer_reserve(out, len + 1) != 0) {
        return "no memory";
    }
    while (out->len < len && (got = read(fd, buffer_tail(out), len - out->len)) > 0) {
        buffer_grow(out, (size_t)got);
    }
    *buffer_tail(out) = '\0';
    return got < 0 ? strerror(errno) : NULL;
}

static int read_file(const char *what, const char *file, struct buffer *out,
                     char reason[TLS_REASON_MAX]) {
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const char *wrong = fd < 0 ? strerror(errno) : read_bytes(fd, out);
    if (wrong != NULL) {
        (void)snprintf(reason, TLS_REASON_MAX, "%s: %.128s: %s", what, file, wrong);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return wrong != NULL ? ERR_TLS : 0;
}

/* mbedTLS wants the NUL counted in PEM, and not in DER. */
static size_t parser_len(const struct buffer *b) {
    return strstr(buffer_begin(b), "-----BEGIN ") ? b->len + 1 : b->len;
}

static const unsigned char *bytes_of(const struct buffer *b) {
    return (const unsigned char *)buffer_begin(b);
}

static size_t count_begun(const struct buffer *b) {
    size_t count = 0;
    for (const char *at = buffer_begin(b); (at = strstr(at, BEGIN_CERTIFICATE)) != NULL; at++) {
        count++;
    }
    return count;
}

static size_t count_parsed(const mbedtls_x509_crt *chain) {
    size_t count = 0;
    for (; chain != NULL && chain->version != 0; chain = chain->next) {
        count++;
    }
    return count;
}

int pem_read_chain(mbedtls_x509_crt *out, const char *file, char reason[TLS_REASON_MAX]) {
    struct buffer bytes = {0};
    int error = read_file("certificate", file, &bytes, reason);
    int rc = 0;
    if (error == 0) {
        rc = mbedtls_x509_crt_parse(out, bytes_of(&bytes), parser_len(&bytes));
    }
    if (rc < 0) {
        tls_reason_file(reason, "certificate", file, rc);
        error = ERR_TLS;
    } else if (error == 0 && (rc > 0 || count_begun(&bytes) > count_parsed(out))) {
        (void)snprintf(reason, TLS_REASON_MAX,
                       "certificate: %.128s: one of the chain is cut off or damaged", file);
        error = ERR_TLS;
    }
    buffer_fini(&bytes);
    return error;
}

int pem_read_key(mbedtls_pk_context *out, const char *file, mbedtls_ctr_drbg_context *drbg,
                 char reason[TLS_REASON_MAX]) {
    struct buffer bytes = {0};
    int error = read_file("private key", file, &bytes, reason);
    if (error == 0) {
        int rc = compat_parse_key(out, bytes_of(&bytes), parser_len(&bytes), drbg);
        if (rc != 0) {
            tls_reason_file(reason, "private key", file, rc);
            error = ERR_TLS;
        }
    }
    forget(&bytes);
    return error;
}
