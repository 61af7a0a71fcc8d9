#include "tls/shared.h"

#include "base/error.h"
#include "base/list.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define TICKET_LIFETIME_S 7200

/* Which file it was: a replaced or rewritten one is another. */
struct file_id {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec mtime;
};

struct tls_ca {
    struct list_node node;
    unsigned references;
    struct file_id id;
    mbedtls_x509_crt chain;
};

struct tls_tickets {
    struct list_node node;
    unsigned references;
    char *certificate_file;
    struct tls_drbg random;
    mbedtls_ssl_ticket_context context;
};

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;
static struct list cas;     /* under registry */
static struct list tickets; /* under registry */

void tls_reason_file(char reason[TLS_REASON_MAX], const char *what, const char *file, int rc) {
    char text[96];
    mbedtls_strerror(rc, text, sizeof(text));
    snprintf(reason, TLS_REASON_MAX, "%s: %s: %s", what, file, text);
}

int tls_drbg_init(struct tls_drbg *d, char reason[TLS_REASON_MAX]) {
    mbedtls_entropy_init(&d->entropy);
    mbedtls_ctr_drbg_init(&d->drbg);
    int rc = mbedtls_ctr_drbg_seed(&d->drbg, mbedtls_entropy_func, &d->entropy,
                                   (const unsigned char *)"penstock", 8);
    if (rc != 0) {
        snprintf(reason, TLS_REASON_MAX, "seeding the random generator failed: -0x%04x",
                 (unsigned)-rc);
        tls_drbg_fini(d);
        return ERR_TLS;
    }
    return 0;
}

void tls_drbg_fini(struct tls_drbg *d) {
    mbedtls_ctr_drbg_free(&d->drbg);
    mbedtls_entropy_free(&d->entropy);
}

/* ---- the CA bundle ---- */

static int identify(const char *file, struct file_id *id) {
    struct stat st;
    if (stat(file, &st) != 0 || !S_ISREG(st.st_mode)) {
        return ERR_NOT_FOUND;
    }
    memset(id, 0, sizeof(*id));
    id->dev = st.st_dev;
    id->ino = st.st_ino;
    id->size = st.st_size;
    id->mtime = st.st_mtim;
    return 0;
}

static int same_file(const struct file_id *a, const struct file_id *b) {
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
           a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec;
}

static struct tls_ca *find_ca(const struct file_id *id) {
    if (COMPAT_MAY_SHARE) {
        LIST_FOR_EACH (node, &cas) {
            struct tls_ca *ca = container_of(node, struct tls_ca, node);
            if (same_file(&ca->id, id)) {
                return ca;
            }
        }
    }
    return NULL;
}

static int parse_ca(struct tls_ca **out, const char *file, const struct file_id *id,
                    char reason[TLS_REASON_MAX]) {
    struct tls_ca *ca = calloc(1, sizeof(*ca));
    if (ca == NULL) {
        return ERR_NOMEM;
    }
    ca->id = *id;
    mbedtls_x509_crt_init(&ca->chain);
    /* > 0 counts certificates it could not read: the others serve. */
    int rc = mbedtls_x509_crt_parse_file(&ca->chain, file);
    if (rc < 0 || ca->chain.version == 0) {
        tls_reason_file(reason, "no CA certificate could be read", file, rc < 0 ? rc : 0);
        mbedtls_x509_crt_free(&ca->chain);
        free(ca);
        return ERR_TLS;
    }
    *out = ca;
    return 0;
}

int tls_ca_acquire(struct tls_ca **out, const char *file, char reason[TLS_REASON_MAX]) {
    struct file_id id;
    if (identify(file, &id) != 0) {
        snprintf(reason, TLS_REASON_MAX, "no CA file: %s", file);
        return ERR_NOT_FOUND;
    }
    int error = 0;
    pthread_mutex_lock(&registry);
    struct tls_ca *ca = find_ca(&id);
    if (ca == NULL) {
        error = parse_ca(&ca, file, &id, reason);
        if (error == 0) {
            list_push_back(&cas, &ca->node);
        }
    }
    if (error == 0) {
        ca->references++;
        *out = ca;
    }
    pthread_mutex_unlock(&registry);
    return error;
}

void tls_ca_release(struct tls_ca *ca) {
    if (ca == NULL) {
        return;
    }
    pthread_mutex_lock(&registry);
    int last = --ca->references == 0;
    if (last) {
        list_remove(&ca->node);
    }
    pthread_mutex_unlock(&registry);
    if (last) {
        mbedtls_x509_crt_free(&ca->chain);
        free(ca);
    }
}

mbedtls_x509_crt *tls_ca_chain(struct tls_ca *ca) {
    return &ca->chain;
}

/* ---- the ticket keys ---- */

static struct tls_tickets *find_tickets(const char *certificate_file) {
    if (COMPAT_MAY_SHARE) {
        LIST_FOR_EACH (node, &tickets) {
            struct tls_tickets *t = container_of(node, struct tls_tickets, node);
            if (strcmp(t->certificate_file, certificate_file) == 0) {
                return t;
            }
        }
    }
    return NULL;
}

static int make_tickets(struct tls_tickets **out, const char *certificate_file,
                        char reason[TLS_REASON_MAX]) {
    struct tls_tickets *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return ERR_NOMEM;
    }
    int error = tls_drbg_init(&t->random, reason);
    if (error != 0) {
        free(t);
        return error;
    }
    mbedtls_ssl_ticket_init(&t->context);
    int rc = mbedtls_ssl_ticket_setup(&t->context, mbedtls_ctr_drbg_random, &t->random.drbg,
                                      MBEDTLS_CIPHER_AES_256_GCM, TICKET_LIFETIME_S);
    if (rc != 0) {
        tls_reason_file(reason, "session tickets", certificate_file, rc);
        mbedtls_ssl_ticket_free(&t->context);
        tls_drbg_fini(&t->random);
        free(t);
        return ERR_TLS;
    }
    t->certificate_file = slice_dup(slice_cstr(certificate_file));
    *out = t;
    return 0;
}

int tls_tickets_acquire(struct tls_tickets **out, const char *certificate_file,
                        char reason[TLS_REASON_MAX]) {
    int error = 0;
    pthread_mutex_lock(&registry);
    struct tls_tickets *t = find_tickets(certificate_file);
    if (t == NULL) {
        error = make_tickets(&t, certificate_file, reason);
        if (error == 0) {
            list_push_back(&tickets, &t->node);
        }
    }
    if (error == 0) {
        t->references++;
        *out = t;
    }
    pthread_mutex_unlock(&registry);
    return error;
}

void tls_tickets_release(struct tls_tickets *t) {
    if (t == NULL) {
        return;
    }
    pthread_mutex_lock(&registry);
    int last = --t->references == 0;
    if (last) {
        list_remove(&t->node);
    }
    pthread_mutex_unlock(&registry);
    if (last) {
        mbedtls_ssl_ticket_free(&t->context);
        tls_drbg_fini(&t->random);
        free(t->certificate_file);
        free(t);
    }
}

mbedtls_ssl_ticket_context *tls_tickets_context(struct tls_tickets *t) {
    return &t->context;
}
