/* From one configuration to the next without a restart: SIGHUP. */
#ifndef APP_CONFIG_SUCCEED_H
#define APP_CONFIG_SUCCEED_H

#include "app/config.h"

/* Is `next` a configuration that a service running on `now` can go over to? Errors, when not.
 * Then `next` takes over what goes on as it is: learned schemas, tables known to be ready,
 * handlers in C that have not changed, the connection limit and the shares of workers. */
void config_succeed(const struct config *now, struct config *next,
                    struct config_errors *errors);
/* Whether one process may serve for both. */
int config_same_function(const struct config_function *a, const struct config_function *b);

#endif
