#include "base/state.h"

#include "base/assert.h"

#include <stdio.h>

#define STATES_MAX 32u

void state_init(struct state_machine *m, const char *name, const struct state_def *table,
                unsigned initial) {
    ASSERT(initial < STATES_MAX);
    *m = (struct state_machine){.name = name, .table = table, .state = (uint8_t)initial};
}

void state_move(struct state_machine *m, unsigned to) {
    ASSERT(to < STATES_MAX);
    if (!(m->table[m->state].next & STATE_BIT(to))) {
        char text[160];
        snprintf(text, sizeof text, "%s: illegal move %s -> %s", m->name,
                 m->table[m->state].name, m->table[to].name);
        assert_failed(text, __FILE__, __LINE__);
    }
    m->state = (uint8_t)to;
}
