/* How far two words are apart: for "did you mean". */
#ifndef BASE_DISTANCE_H
#define BASE_DISTANCE_H

#include <stddef.h>

#define DISTANCE_NEAR 3 /* edits a suggestion may be away */

/* Levenshtein's; SIZE_MAX for words over 64 bytes. */
size_t word_distance(const char *a, const char *b);

#endif
