/* The shared config and credentials files (docs.aws.amazon.com/sdkref, "Shared config and
 * credentials files"): sections of key = value, nested sections by indentation, comments.
 *
 *   config:       [default], [profile NAME], [services NAME], [sso-session NAME]
 *   credentials:  [NAME]
 *
 * Keys are compared in lower case, sections as written; a later value replaces an earlier one.
 * "[profile default]" wins over "[default]". */
#ifndef AWS_PROFILE_H
#define AWS_PROFILE_H

#include "aws/endpoint.h"
#include "base/slice.h"

enum aws_profile_file { AWS_FILE_CREDENTIALS, AWS_FILE_CONFIG };

struct aws_profiles;

/* Empty. Aborts when memory is out, as every function here. */
struct aws_profiles *aws_profiles_new(void);
/* Wipes the values: there are secrets among them. */
void aws_profiles_free(struct aws_profiles *p);
/* Adds the text of one file. 0, or ERR_INVALID with a reason that names the line; what stood
 * before the line was added. */
MUST_CHECK int aws_profiles_parse(struct aws_profiles *p, enum aws_profile_file file,
                                  struct slice text, char reason[AWS_REASON_MAX]);
/* Reads both files: AWS_CONFIG_FILE or ~/.aws/config, AWS_SHARED_CREDENTIALS_FILE or
 * ~/.aws/credentials. A file that does not exist is empty. Blocks: not for a loop. */
MUST_CHECK int aws_profiles_load(const struct aws_environment *env, struct aws_profiles **out,
                                 char reason[AWS_REASON_MAX]);

/* AWS_PROFILE, AWS_DEFAULT_PROFILE, or "default". */
const char *aws_profile_name(const struct aws_environment *env);
int aws_profile_exists(const struct aws_profiles *p, const char *profile);
/* From the credentials file, else from the config file; NULL when neither has it. */
const char *aws_profile_get(const struct aws_profiles *p, const char *profile, const char *key);
const char *aws_profile_get_from(const struct aws_profiles *p, enum aws_profile_file file,
                                 const char *profile, const char *key);
/* [services NAME], then `service =`, then an indented `key = value`. */
const char *aws_profile_service(const struct aws_profiles *p, const char *name,
                                const char *service, const char *key);

#endif
