/* The AWS credentials chain, in AWS's order: environment, profile (static keys, source_profile
 * and role, web identity, credential_process), container endpoint, IMDSv2 (facts: aws
 * section 3.4).
 *
 * Runs on the main thread's loop, never in a request's path. A new snapshot is handed to the
 * subscriber whenever credentials change; the last good ones are kept while the source is down.
 * Refreshed in the background from 15 minutes before expiry. Secrets are never logged. */
#ifndef AWS_CREDENTIALS_H
#define AWS_CREDENTIALS_H

#include "aws/endpoint.h"
#include "loop/loop.h"

struct stream_hub;
struct tls_context;

/* Immutable, reference counted with atomics: workers take a reference and drop it. */
struct credentials {
    _Atomic int refs;
    char *access_key_id;
    char *secret_access_key;
    char *session_token; /* "" = none */
    char *source;        /* "environment", "profile:dev", "imds" ... for logs */
    uint64_t expires_s;  /* epoch; 0 = never */
};

struct credentials *credentials_ref(struct credentials *c);
void credentials_unref(struct credentials *c); /* wipes the secret with the last reference */

struct credentials_chain;

struct credentials_options {
    struct aws_environment env;
    const char *region; /* for the STS endpoint; copied */
    /* A client context for sources over https (STS), asked for when one is needed; the callee
     * keeps it. NULL, or a NULL answer: those sources give nothing. */
    struct tls_context *(*tls)(void *arg);
    /* A new snapshot; the callee takes its own reference. */
    void (*on_change)(void *arg, struct credentials *c);
    /* A try that failed: which sources were tried and why each gave none. Logged by the chain
     * too. */
    void (*on_failure)(void *arg, const char *reason);
    void *arg;
};

/* Starts at once; environment and static profile keys answer in the next turn. Aborts when
 * memory is out. */
struct credentials_chain *credentials_chain_new(struct loop *l, struct stream_hub *hub,
                                                const struct credentials_options *options);
/* The service refused our credentials (expired, unrecognized): refresh now, at most once a
 * second. */
void credentials_chain_refresh(struct credentials_chain *c);
void credentials_chain_close(struct credentials_chain *c, void (*on_closed)(void *arg),
                             void *arg);
void credentials_chain_free(struct credentials_chain *c);

#endif
