/* Environment variables and small files, as AWS's configuration reads them. */
#ifndef AWS_ENVIRONMENT_H
#define AWS_ENVIRONMENT_H

#include "aws/endpoint.h"
#include "base/buffer.h"

#define AWS_FILE_MAX (1u << 20)

/* The value, or NULL when unset or empty. */
const char *aws_env(const struct aws_environment *env, const char *name);
/* "true" or "false" in any case; 0 when unset. ERR_INVALID with a reason for anything else. */
MUST_CHECK int aws_env_flag(const struct aws_environment *env, const char *name, int *out,
                            char reason[AWS_REASON_MAX]);
/* The same rule for a value from elsewhere; NULL is false. */
MUST_CHECK int aws_parse_flag(const char *name, const char *value, int *out,
                              char reason[AWS_REASON_MAX]);
/* Appends a whole file of at most AWS_FILE_MAX bytes. 0; ERR_NOT_FOUND, ERR_PERMISSION,
 * ERR_LIMIT, ERR_IO or ERR_NOMEM with a reason that names the file. Blocks: not for a loop. */
MUST_CHECK int aws_read_file(const char *path, struct buffer *out, char reason[AWS_REASON_MAX]);
/* Frees a buffer that held a secret. */
void aws_wipe_buffer(struct buffer *b);
/* Frees a string that may be a secret; NULL is fine. */
void aws_wipe_string(char *text);

#endif
