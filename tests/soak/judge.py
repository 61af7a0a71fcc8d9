"""The verdict on a soak, from its samples and counts alone: test_judge.py shows that it can fail."""
import statistics

FLAT = 0.05  # first and last tenth after the warm-up
FEW = 20  # samples without which nothing can be said
COMING = 10  # clients that a tenth may happen to have more than another
ABOUT = 3  # descriptors of an idle instance that come and go


def tenths(samples, warm_up, field):
    """The medians of the first and the last tenth of what was sampled after the warm-up."""
    values = [s[field] for s in samples if s["t"] >= warm_up]
    n = max(1, len(values) // 10)
    return statistics.median(values[:n]), statistics.median(values[-n:])


def not_flat(samples, warm_up, field, slack):
    first, last = tenths(samples, warm_up, field)
    if abs(last - first) <= max(FLAT * first, slack):
        return []
    return [f"{field} not flat: {first:g} in the first tenth, {last:g} in the last"]


def due(failure, windows):
    """Whether the request overlapped with an outage: then a refusal is what is due."""
    return any(failure["begin"] <= end and failure["end"] >= begin for begin, end in windows)


def judge(samples, warm_up, windows, counts, failures, events, idle):
    """What is wrong, as lines; none is good.
    samples: {t, rss_kb, fds, children} of the instance that is never restarted.
    windows: (begin, end) of the outages. failures: {begin, end, what, refusal}; only a refusal
    (429, 502, 503, 504, a lost connection) is ever due. idle: its descriptors before the first
    and after the last client, when a leak of the smallest kind shows. counts: operations by kind that were
    answered as they should be, and `missing` (told stored, not there), `ghosts` (told that it did
    not happen, there). events: how often each disturbance was made."""
    wrong = []
    if len([s for s in samples if s["t"] >= warm_up]) < FEW:
        wrong.append(f"fewer than {FEW} samples after the warm-up")
    else:
        wrong += not_flat(samples, warm_up, "rss_kb", 0)
        wrong += not_flat(samples, warm_up, "fds", COMING)
        wrong += not_flat(samples, warm_up, "children", 0)
    if abs(idle[1] - idle[0]) > ABOUT:
        wrong.append(f"{idle[0]} descriptors before the load, {idle[1]} after it")
    undue = [f for f in failures if not (f["refusal"] and due(f, windows))]
    if undue:
        wrong.append(f"{len(undue)} requests failed that should not have: "
                     + "; ".join(f"{f['what']} at {f['begin']:.1f} s" for f in undue[:5]))
    for name in "missing", "ghosts":
        if counts[name]:
            wrong.append(f"{counts[name]} {name}")
    wrong += [f"no {kind} was answered" for kind, n in counts.items()
              if n == 0 and kind not in ("missing", "ghosts")]
    wrong += [f"{event} never happened" for event, n in events.items() if n == 0]
    return wrong
