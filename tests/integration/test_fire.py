"""Truth under fire, a few seeds of it; what must hold is in fire.py, many seeds in tests/fire.sh."""
import os

import pytest

import fire

OPS = int(os.environ.get("PENSTOCK_FIRE_OPS", 8000))


@pytest.mark.parametrize("seed", [2, 5, 6, 9])
def test_truth_under_fire(seed, tmp_path, authority):
    wrong, figures, told = fire.run(tmp_path, seed, OPS, authority)
    print(figures, told)
    assert not wrong, "\n".join([figures, told, *wrong[:10]])


def op(number, kind, status, unknown=False, seen=0):
    return fire.Op(number, kind, "k", status, unknown, seen)


@pytest.mark.parametrize("ops, applied, word", [
    ([op(1, "P", 201)], [1], None),
    ([op(1, "P", 201)], [1, 1], None),
    ([op(1, "P", 201)], [], "not applied"),
    ([op(1, "P", 503)], [1], "refused, applied"),
    ([op(1, "P", 502, True)], [1], None),
    ([op(1, "P", 429, True)], [1], "unknown, with"),
    ([op(1, "C", 201)], [1, 1], "conditional, applied 2"),
    ([op(1, "C", 409)], [], "nobody wrote"),
    ([op(1, "P", 201), op(2, "P", 201)], [1, 2, 1], "applied after"),
    ([op(1, "P", 201), op(2, "D", 204), op(3, "P", 201)], [1, 3, None], "applied after"),
    ([op(1, "P", 201), op(2, "D", 204), op(3, "P", 201)], [1, None, None, 3], None),
    ([op(1, "P", 201)], [1, 9], "never asked"),
    ([op(1, "P", fire.DROPPED)], [], "dropped"),
    ([op(1, "P", 201), op(2, "P", 201), op(3, "G", 200, seen=1)], [1, 2], "read 1"),
    ([op(1, "P", 201), op(2, "P", 502, True), op(3, "G", 200, seen=1)], [1], None),
    ([op(1, "P", 201), op(2, "G", 404)], [1], "read 0"),
])
def test_the_checker_sees(ops, applied, word):
    wrong = fire.check(ops, {"k": applied})
    assert (word is None and not wrong) or (word and word in wrong[0]), wrong
