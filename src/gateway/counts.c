#include "gateway/counts.h"

#include "base/assert.h"

#include <string.h>

/* Looked through from the first on: the frequent ones stand in front. */
static const struct {
    unsigned status;
    const char *text;
} known[] = {
    {201, "201"}, {200, "200"}, {204, "204"}, {404, "404"}, {400, "400"}, {409, "409"},
    {429, "429"}, {503, "503"}, {202, "202"}, {206, "206"}, {301, "301"}, {302, "302"},
    {303, "303"}, {304, "304"}, {307, "307"}, {308, "308"}, {401, "401"}, {403, "403"},
    {405, "405"}, {408, "408"}, {410, "410"}, {413, "413"}, {414, "414"}, {415, "415"},
    {417, "417"}, {422, "422"}, {431, "431"}, {500, "500"}, {501, "501"}, {502, "502"},
    {504, "504"},
};
#define KNOWN (sizeof known / sizeof known[0])

/* Of what is not among them: answers are 200 to 599. */
static const char *const classes[] = {"other", "2xx", "3xx", "4xx", "5xx"};
#define CLASSES (sizeof classes / sizeof classes[0])

_Static_assert(KNOWN + CLASSES == GATEWAY_STATUSES, "one place for each");

size_t gateway_status_slot(unsigned status) {
    for (size_t i = 0; i < KNOWN; i++) {
        if (known[i].status == status) {
            return i;
        }
    }
    return KNOWN + (status >= 200 && status < 600 ? status / 100 - 1 : 0);
}

const char *gateway_status_text(size_t slot) {
    ASSERT(slot < GATEWAY_STATUSES);
    return slot < KNOWN ? known[slot].text : classes[slot - KNOWN];
}

static int is_reason(const struct gateway_reason *r, const char *reason, size_t len) {
    return strncmp(r->name, reason, len) == 0 && r->name[len] == '\0';
}

static void count_reason(struct gateway_reasons *r, const char *reason, uint64_t number) {
    size_t len = strnlen(reason, GATEWAY_REASON_TEXT_MAX - 1);
    struct gateway_reason *other = &r->items[GATEWAY_REASONS_MAX];
    for (size_t i = 0; i < r->count; i++) {
        if (is_reason(&r->items[i], reason, len)) {
            r->items[i].count += number;
            return;
        }
    }
    if (r->count < GATEWAY_REASONS_MAX) {
        struct gateway_reason *added = &r->items[r->count++];
        memcpy(added->name, reason, len);
        added->count = number;
        return;
    }
    *other = (struct gateway_reason){.name = "other", .count = other->count + number};
}

void gateway_count_reason(struct gateway_reasons *r, const char *reason) {
    count_reason(r, reason, 1);
}

size_t gateway_reasons_length(const struct gateway_reasons *r) {
    return r->items[GATEWAY_REASONS_MAX].count ? GATEWAY_REASONS_MAX + 1 : r->count;
}

static void move_reasons(struct gateway_reasons *to, const struct gateway_reasons *from) {
    for (size_t i = 0; i < gateway_reasons_length(from); i++) {
        count_reason(to, from->items[i].name, from->items[i].count);
    }
}

void gateway_counts_move(struct gateway_counts *to, struct gateway_counts *from) {
    to->refused_early += from->refused_early;
    to->client_left += from->client_left;
    to->preflights += from->preflights;
    for (size_t i = 0; i < ACCESS_REFUSALS; i++) {
        to->refusals[i] += from->refusals[i];
    }
    buckets_merge(&to->total_ns, &from->total_ns);
    move_reasons(&to->answers, &from->answers);
    move_reasons(&to->cut_off, &from->cut_off);
    memset(from, 0, sizeof *from);
}
