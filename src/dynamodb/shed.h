/* Says no early when a queue stands: what waits longer than it need only makes all that follows
 * wait, too (Nichols and Jacobson, "Controlling Queue Delay", 2012).
 *
 * A queue that empties now and then is a burst, and is let be. One from which for
 * SHED_WINDOW_MS nothing left within SHED_TARGET_MS stands; from then on no more ops may be
 * ready than can leave at once, and as many again as are in flight, and a batch: a new one
 * waits about one round trip and is answered after another. Or as many as leave in
 * SHED_TARGET_MS at the pace of the last window, where that is more: else a crowd of clients
 * that come again at once, cut when the machine was short of CPU, would be cut for ever. It is
 * over when in a whole window nobody was refused and somebody left in time. One of these for
 * each lane of a table.
 *
 * The target is far above a round trip because a refusal costs, too, and clients in a closed
 * loop come again at once: a crowd of them that waits a little is served better than one that
 * is turned away. */
#ifndef DYNAMODB_SHED_H
#define DYNAMODB_SHED_H

#include <stddef.h>
#include <stdint.h>

#define SHED_TARGET_MS 50u
#define SHED_WINDOW_MS 100u
#define SHED_READY_MIN 25u

struct shed {
    uint64_t window_ns; /* when this window ends */
    uint64_t least_ns;  /* the shortest wait of those that left in it */
    uint64_t left;      /* how many did */
    uint64_t pace;      /* how many did in SHED_WINDOW_MS of the one before */
    unsigned refused : 1;
    unsigned overloaded : 1;
};

/* {0} to begin with. An op leaves after waiting so long. */
void shed_left(struct shed *s, uint64_t waited_ns, uint64_t now_ns);
int shed_overloaded(struct shed *s, uint64_t now_ns);
/* In an overload, may one more join the `ready`? at_once: how many can leave this turn. */
int shed_admits(struct shed *s, size_t ready, size_t at_once, size_t flying);

#endif
