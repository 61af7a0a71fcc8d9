/* One fetch of credentials: the plan is made, its source asked, its roles assumed.
 *
 *   cred_fetch_start -> (helper thread: cred_plan_make) -> cred_<source>_run -> cred_fetch_got
 *        -> while roles are left: cred_sts_assume -> cred_fetch_got -> ... -> on_done
 *
 * A source ends with cred_fetch_got, once, whatever happens. */
#ifndef AWS_CRED_FETCH_H
#define AWS_CRED_FETCH_H

#include "aws/cred_http.h"
#include "aws/cred_plan.h"
#include "aws/credentials.h"
#include "aws/helper.h"
#include "loop/timer.h"

#include <stdatomic.h>

#define CRED_REFRESH_BEFORE_S 900 /* fetched anew from so long before they expire */

/* For "%.*s": the beginning of what a service said. */
#define CRED_CLIP(s) (int)((s).len < 160 ? (s).len : 160), (s).ptr ? (s).ptr : ""

struct cred_fetch {
    struct loop *loop;
    struct mailbox *box;
    const struct credentials_options *options;
    struct cred_plan plan;
    struct cred_http http;
    struct helper_job job;
    struct timer pause;           /* between the tries of one source */
    struct credentials *base;     /* what the next role is assumed with */
    const struct cred_role *role; /* being assumed */
    size_t roles_left;
    unsigned tries;
    struct buffer text;       /* what the job read: a token file, a process's output */
    struct buffer imds_token; /* empty: IMDSv1 */
    struct buffer imds_role;
    char why[CRED_REASON_MAX]; /* why there are none */
    atomic_int canceled;       /* read by the helper thread */
    int job_error;
    /* c is the callee's; NULL: why says it. */
    void (*on_done)(struct cred_fetch *f, struct credentials *c);
};

void cred_fetch_init(struct cred_fetch *f, struct loop *l, struct stream_hub *hub,
                     struct mailbox *box, const struct credentials_options *options);
/* `here`: at the program's start, where files may be read on this thread. */
void cred_fetch_start(struct cred_fetch *f, int here,
                      void (*on_done)(struct cred_fetch *f, struct credentials *c));
/* on_done still follows, soon, with NULL. */
void cred_fetch_cancel(struct cred_fetch *f);
/* Nothing may be under way. on_close as timer_close; then the memory may go. */
void cred_fetch_close(struct cred_fetch *f, void (*on_close)(struct timer *pause));

/* --- for the sources --- */

/* c: owned by the fetch from now on; NULL when f->why says why not. */
void cred_fetch_got(struct cred_fetch *f, struct credentials *c);
void cred_fetch_fail(struct cred_fetch *f, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Reads the plan's token_file into f->text on the helper thread, then calls `done`;
 * f->job_error and f->why are set when it could not. */
void cred_fetch_read(struct cred_fetch *f, void (*done)(struct helper_job *job));
/* The context for that URL in *tls; 0, or ERR_TLS when there is none. */
MUST_CHECK int cred_fetch_tls(struct cred_fetch *f, const struct url_endpoint *url,
                              struct tls_context **tls);

void cred_process_run(struct cred_fetch *f);
void cred_container_run(struct cred_fetch *f);
void cred_imds_run(struct cred_fetch *f);
void cred_web_identity_run(struct cred_fetch *f);
void cred_sts_assume(struct cred_fetch *f, const struct cred_role *role);

/* A snapshot with one reference, or NULL with why: empty or not fit for a header. */
struct credentials *credentials_new(struct slice access_key_id, struct slice secret_access_key,
                                    struct slice session_token, const char *source,
                                    uint64_t expires_s, char why[CRED_REASON_MAX]);
/* From {"AccessKeyId":..,"SecretAccessKey":..,"Expiration":..} and the token under its name.
 * NULL with why. */
struct credentials *cred_from_json(struct slice text, const char *token_name,
                                   const char *source, char why[CRED_REASON_MAX]);

#endif
