/* Whole files. */
#ifndef BENCH_LOAD_FILE_H
#define BENCH_LOAD_FILE_H

#include "base/buffer.h"

/* Reads it into an empty buffer: 0; or an error, with one line on standard error. */
MUST_CHECK int load_file_read(const char *name, struct buffer *out);

#endif
