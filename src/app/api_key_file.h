/* API keys from a file in API Gateway's format of API key files: CSV (RFC 4180) with a first
 * line of column names, in any order and any case: Key (the secret) or Sha256 (ours: its
 * SHA-256 in hex), Name, Enabled, UsagePlanIds; others are ignored. The file is a secret: it is
 * read once, its memory is wiped, and no message quotes a key. */
#ifndef APP_API_KEY_FILE_H
#define APP_API_KEY_FILE_H

#include "base/slice.h"

#define API_KEY_FILE_MAX    16777216 /* bytes */
#define API_KEY_PROBLEM_MAX 256

struct api_key_row { /* empty where the column is missing; valid during the call */
    struct slice key;
    struct slice sha256;
    struct slice name;
    struct slice enabled;
    struct slice plans;
    unsigned line;
};

/* Calls `each` for every row of bytes[0..len), in which quoted fields are unquoted; `path` is
 * for the message. 0, or an error with `problem` filled in ("FILE:LINE: what"). */
int api_key_file_parse(const char *path, char *bytes, size_t len,
                       void (*each)(void *arg, const struct api_key_row *row), void *arg,
                       char problem[API_KEY_PROBLEM_MAX]);
/* The same for the file of that name. */
int api_key_file_read(const char *path, void (*each)(void *arg, const struct api_key_row *row),
                      void *arg, char problem[API_KEY_PROBLEM_MAX]);

#endif
