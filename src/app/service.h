/* `penstock run`: the main thread. Opens the doors, starts the workers, keeps credentials
 * fresh, answers the admin pages, and on SIGTERM or SIGINT drains. */
#ifndef APP_SERVICE_H
#define APP_SERVICE_H

#include "app/config.h"

/* Takes the configuration over. SIGHUP reads its file again. Returns the exit code: 0 after a
 * drain, 1 when it could not start (said on standard error). */
int service_run(struct config *config);

#endif
