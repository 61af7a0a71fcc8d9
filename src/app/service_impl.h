/* What service.c, service_doors.c, service_state.c and service_stop.c share; nobody else
 * includes it. */
#ifndef APP_SERVICE_IMPL_H
#define APP_SERVICE_IMPL_H

#include "app/admin.h"
#include "app/edition.h"
#include "app/inherited.h"
#include "app/metrics.h"
#include "app/notify.h"
#include "app/scrape.h"
#include "app/service.h"
#include "app/tables.h"
#include "app/worker.h"
#include "net/reserve.h"

enum service_stage { SERVICE_RUNNING, SERVICE_WAITING, SERVICE_DRAINING, SERVICE_CLOSING };

enum reload_step { RELOAD_NONE, RELOAD_TABLES, RELOAD_PREPARING, RELOAD_SWAPPING };

/* A configuration and what the main thread has of it. Freed once it is neither the one that
 * serves nor the next, no worker has an edition of it, and its tables are closed. */
struct generation {
    struct list_node node; /* in service->generations */
    struct service *service;
    struct config *config;
    unsigned number;
    size_t workers;        /* that have an edition of it */
    struct tables *tables; /* NULL: closed */
    int tables_closing;
    int has_schemas;
};

struct service {
    struct config *config; /* now->config */
    struct list generations;
    struct generation *now;
    struct generation *next; /* while a reload prepares it */
    unsigned last_number;
    enum reload_step reloading;
    int reload_again;
    struct edition_plan **plans; /* of the next, one a worker */
    size_t waiting;              /* for so many workers */
    size_t unprepared;           /* so many could not */
    struct timer reload_timer;
    uv_signal_t sighup;
    uv_signal_t sigusr2;
    struct aws_endpoint endpoint;
    struct loop loop;
    struct loop_duty memory; /* of memory: see base/memory.h */
    struct stream_hub hub;
    struct mailbox box;
    struct inherited inherited;
    struct descriptor_reserve reserve; /* the admin listener's */
    struct notify notify;
    struct worker **workers;
    uint64_t *turns; /* of each worker, when the watchdog last looked */
    size_t worker_count;
    size_t started;
    size_t stopped; /* of those started; they still take mail */
    struct tls_context *tls;
    struct credentials_chain *chain;
    struct credentials *credentials; /* the last good ones */
    struct tables *tables;           /* now->tables */
    struct admin *admin;
    struct scrape *scrape;
    struct usage *usage;
    uint64_t start_s;
    struct timer drain_timer;
    uv_signal_t sigterm;
    uv_signal_t sigint;
    enum service_stage stage;
    size_t closing; /* parts of the main thread that have not closed yet */
    int exit_code;
};

/* service.c */
/* Says on standard error why the start ends. ERR_INVALID. */
int service_fail(const char *what, const char *why);

/* Every schema is known. */
void service_start_workers(struct service *s);

/* service_reload.c */
struct generation *generation_new(struct service *s, struct config *c);
void generation_open_tables(struct generation *g);
void generation_close_tables(struct generation *g);
void generation_free(struct generation *g);
/* Calls init of the handlers in C that have not been, for every worker. */
MUST_CHECK int service_init_natives(const struct service *s, const struct config *c,
                                    struct config_errors *errors);
void service_reload(struct service *s);
void service_on_reload_timer(struct timer *t);
void service_on_edition(struct service *s, enum worker_notice notice);
void service_on_released(struct service *s, unsigned number);

/* service_doors.c */
#define SERVICE_BACKLOG 4096
/* Fits the connection limit into the descriptor limit, opens every listener, makes the workers.
 * 0, or ERR_INVALID: said on standard error. */
MUST_CHECK int service_open_doors(struct service *s);

/* service_state.c: callbacks of the admin pages, the metrics and the service manager */
int service_not_ready(void *arg, struct buffer *reasons);
void service_describe(void *arg, struct metrics_process *out);
/* For the watchdog: an idle loop gets mail, so that it has turned when next looked at. */
int service_all_moved(void *arg);

/* service_stop.c */
/* A worker's on_notice: from its thread to our mailbox, then to service_on_mail. */
void service_notice(void *arg, struct notice_mail *m);
void service_on_mail(struct mailbox *box, struct mail *mail);
void service_on_signal(uv_signal_t *handle, int number);
void service_on_drain_timer(struct timer *t);
/* A part of the main thread has closed: after the last one its loop stops. */
void service_part_closed(void *arg);

#endif
