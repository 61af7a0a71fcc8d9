"""The verdict on a soak can be bad: on samples and counts made up here."""
import pytest

from judge import due, judge, tenths

WINDOWS = [(100.0, 104.0)]
COUNTS = {"put": 900, "get": 90, "missing": 0, "ghosts": 0}
EVENTS = {"outage": 3}


def samples(rss=lambda t: 12000, fds=lambda t: 60, children=lambda t: 2, seconds=600):
    return [{"t": float(t), "rss_kb": rss(t), "fds": fds(t), "children": children(t)}
            for t in range(seconds)]


def verdict(of=None, failures=(), counts=None, events=None, idle=(40, 42)):
    return judge(of or samples(), 60, WINDOWS, {**COUNTS, **(counts or {})}, list(failures),
                 {**EVENTS, **(events or {})}, idle)


def failure(begin, end, refusal=True):
    return {"begin": begin, "end": end, "what": "put: 503", "refusal": refusal}


def test_good():
    assert verdict() == []
    noise = samples(rss=lambda t: 12000 + t * 7919 % 500, fds=lambda t: 60 + t % 9)
    assert verdict(noise) == []
    assert verdict(samples(rss=lambda t: 8000 if t < 60 else 12000)) == []  # the warm-up


@pytest.mark.parametrize("field,wrong", [
    ("rss", lambda t: 12000 + t * 1.5), ("rss", lambda t: 12000 - t * 1.5),
    ("rss", lambda t: 12000 if t < 500 else 13000), ("fds", lambda t: 60 + t // 40),
    ("children", lambda t: 2 + t // 300)])
def test_not_flat(field, wrong):
    told = verdict(samples(**{field: wrong}))
    assert len(told) == 1 and f"{field}" in told[0] and "not flat" in told[0]


def test_descriptors_left_over():
    assert verdict(idle=(40, 44)) == ["40 descriptors before the load, 44 after it"]


def test_tenths_are_medians():
    spike = samples(rss=lambda t: 90000 if t in (61, 599) else 12000)
    assert tenths(spike, 60, "rss_kb") == (12000, 12000)


def test_failed_requests():
    assert verdict(failures=[failure(101, 102), failure(99, 100), failure(104, 110)]) == []
    assert "1 requests failed" in verdict(failures=[failure(101, 102), failure(105, 106)])[0]
    assert "1 requests failed" in verdict(failures=[failure(101, 102, refusal=False)])[0]
    assert not due(failure(1, 2), [])


@pytest.mark.parametrize("name", ["missing", "ghosts"])
def test_what_the_store_has_decides(name):
    assert verdict(counts={name: 1}) == [f"1 {name}"]


def test_a_soak_without_load_or_trouble_shows_nothing():
    assert verdict(counts={"get": 0}) == ["no get was answered"]
    assert verdict(events={"outage": 0}) == ["outage never happened"]
    assert "samples" in verdict(samples(seconds=70))[0]
