/* Handlers in shared libraries, written on penstock/handler.h: found, checked, bound to one
 * state per worker.
 *
 * Happy path: native_open (also what `penstock check` does) -> native_init for each worker,
 * before it serves -> native_invoke with the native as a lambda_handler's state -> native_close
 * once no worker runs. */
#ifndef LAMBDA_NATIVE_H
#define LAMBDA_NATIVE_H

#include "base/assert.h"
#include "penstock/handler.h"

#define NATIVE_REASON_MAX  320
#define NATIVE_WORKERS_MAX 256

struct native;

/* Loads the library and finds the handler of that name. 0; else ERR_NOT_FOUND (no such file, or
 * it does not load), ERR_INVALID (no such handler in it, or not a handler), ERR_UNSUPPORTED
 * (built for another version of the header), with a reason fit to be printed. */
MUST_CHECK int native_open(const char *path, const char *name, struct native **out,
                           char reason[NATIVE_REASON_MAX]);
/* Calls the handler's init for that worker (0 .. NATIVE_WORKERS_MAX-1), once. settings_json:
 * the function's environment, "{}" when NULL. 0, or ERR_REFUSED with the handler's reason. */
MUST_CHECK int native_init(struct native *n, unsigned worker, const char *settings_json,
                           char reason[NATIVE_REASON_MAX]);
/* It has been initialised for the first worker. */
int native_ready(const struct native *n);
/* A penstock_invoke_fn: runs the handler with its worker's state (lambda_options.worker). */
void native_invoke(struct penstock_invocation *i, void *native);
/* One more owner. All owners are on one thread. */
struct native *native_ref(struct native *n);
/* Whether both were loaded from the same file as it was then. */
int native_same_file(const struct native *a, const struct native *b);
/* The last owner's: calls fini for every state, then unloads the library. */
void native_close(struct native *n);

#endif
