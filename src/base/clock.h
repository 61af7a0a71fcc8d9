/* Time. Durations and timeouts use the monotonic clock, in nanoseconds unless the name says
 * otherwise; dates use the wall clock. Sans-IO code takes time as an argument instead. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull

uint64_t clock_monotonic_ns(void);
/* Since 1970-01-01T00:00:00Z. */
uint64_t clock_wall_ms(void);

/* "20150830T123600Z" and "20150830" (SigV4); 17 and 9 bytes with the NUL. */
void clock_format_amz(uint64_t epoch_s, char date_time[17], char date[9]);
/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7); 30 bytes with the NUL. */
void clock_format_http(uint64_t epoch_s, char out[30]);
/* RFC 9110 IMF-fixdate to epoch seconds: 0, or ERR_INVALID. */
int clock_parse_http(const char *text, size_t len, uint64_t *epoch_s);
/* "2015-08-30T12:36:00Z", with or without a fraction: 0, or ERR_INVALID. */
int clock_parse_iso8601(const char *text, size_t len, uint64_t *epoch_s);
/* "04/Mar/2020:19:15:17 +0000" ($context.requestTime); 27 bytes with the NUL. */
void clock_format_clf(uint64_t epoch_s, char out[27]);
/* "2015-08-30T12:36:00.123Z"; 25 bytes with the NUL. */
void clock_format_iso8601_ms(uint64_t epoch_ms, char out[25]);

#endif
