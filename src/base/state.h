/* A state machine is a const table: names and the allowed next states. state_move asserts that
 * the move is legal and says both names when it is not. */
#ifndef BASE_STATE_H
#define BASE_STATE_H

#include <stdint.h>

struct state_def {
    const char *name;
    uint32_t next; /* bit set of STATE_BIT(...) */
};

#define STATE_BIT(state) (1u << (unsigned)(state))

struct state_machine {
    const char *name;
    const struct state_def *table;
    uint8_t state;
};

void state_init(struct state_machine *m, const char *name, const struct state_def *table,
                unsigned initial);
void state_move(struct state_machine *m, unsigned to);

static inline unsigned state_of(const struct state_machine *m) {
    return m->state;
}

#endif
