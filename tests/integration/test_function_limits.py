"""Bounds of functions: waiting for a process, many calls in one process, recycling, crash loops,
answers that are not what they say."""
import concurrent.futures
import json

import pytest

from test_functions import COMMANDS, config, wait_for

PYTHON, NODE = COMMANDS["python"], COMMANDS["node"]
LONG = "    timeout_ms: 20000\n"


def echo_pid(p):
    r = p.request("POST", "/echo", "x", {"Content-Type": "text/plain"})
    assert r.status == 201, r
    return int(r.body.split()[-1])


def test_waiting_longer_than_its_deadline_is_429(penstock, dynoxide):
    p = penstock(dynoxide.url, config(("hang", NODE + ["app.hang"], "    timeout_ms: 1500\n"
                                       "    warm: 1\n")))
    wait_for(lambda: p.log_events("function_ready"))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: p.request("GET", "/hang"), range(4)))
    # One runs until it is killed, one may get the next process just in time; the others wait.
    statuses = [r.status for r in answers]
    assert set(statuses) == {429, 504} and statuses.count(429) >= 2
    refused = next(r for r in answers if r.status == 429)
    assert refused.json() == {"message": "Too Many Requests"} and "retry-after" in refused.headers


def test_the_routes_time_is_its_own(penstock, dynoxide, tmp_path):
    """As API Gateway's integration time-out beside Lambda's: the caller gets 504, the function
    goes on in its process, and its answer is dropped, whole or in parts."""
    p = penstock(dynoxide.url, config(
        ("meet", PYTHON + ["app.meet"], LONG + "    warm: 1\n"),
        ("stream", NODE + ["app.stream"], LONG + "    warm: 1\n    invoke_mode: RESPONSE_STREAM\n"),
        routes="  - route: GET /soon\n    function: meet\n    timeout_ms: 300\n"
               "  - route: GET /streamed\n    function: stream\n    timeout_ms: 300\n"),
        head="drain: {deadline_ms: 300}\n")
    wait_for(lambda: len(p.log_events("function_ready")) == 2)
    for n, (route, rest, go) in enumerate((
            ("soon", f"dir={tmp_path}&me=1&all=2", "meet-2"), ("streamed", f"before={tmp_path}/go", "go"))):
        r = p.request("GET", f"/{route}?{rest}")
        assert (r.status, r.json()) == (504, {"message": "Endpoint request timed out"})
        assert len(p.log_events("handler_completed_late")) == n
        (tmp_path / go).touch()
        wait_for(lambda: len(p.log_events("handler_completed_late")) == n + 1)
        assert p.log_events("handler_completed_late")[n]["request_id"] == r.headers["x-amzn-requestid"]
    assert p.request("GET", f"/meet?dir={tmp_path}&me=3&all=2").json()["me"] == "3"
    assert p.request("GET", "/stream").body == b"xxxxx"
    assert len(p.log_events("function_start")) == 2  # the processes of the beginning
    assert p.request("GET", f"/soon?dir={tmp_path}&me=4&all=9").status == 504
    assert p.stop() == 0  # with a function that goes on still


@pytest.mark.parametrize("runtime", ["node", "python"])
def test_many_calls_in_one_process(penstock, dynoxide, tmp_path, runtime):
    """All of them run before any may end, in the one process there is."""
    p = penstock(dynoxide.url, config(("meet", COMMANDS[runtime] + ["app.meet"],
                                       LONG + "    per_process: 4\n")))

    def one(n):
        return p.request("GET", f"/meet?dir={tmp_path}&me={n}&all=4").json()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(one, range(4)))
    assert [a["me"] for a in answers] == ["0", "1", "2", "3"]
    assert len({a["pid"] for a in answers}) == 1


@pytest.mark.parametrize("given, processes", [((3, 3), 3), ((3, 2), 2), ((5, 3), 3), ((1, 1), 2)])
def test_processes_are_shared_out(penstock, dynoxide, given, processes):
    """Among two workers: what cannot be divided is the first one's, none has nothing."""
    p = penstock(dynoxide.url, config(
        ("echo", PYTHON + ["app.echo"], f"    concurrency: {given[0]}\n    warm: {given[1]}\n")),
        workers=2)
    wait_for(lambda: len(p.log_events("function_ready")) == processes)
    assert len(p.log_events("function_start")) == processes


def test_as_many_run_as_concurrency_says(penstock, dynoxide):
    p = penstock(dynoxide.url, config(("hang", NODE + ["app.hang"], "    concurrency: 3\n"
                                       "    timeout_ms: 60000\n")),
                 head="drain: {deadline_ms: 300}\n", workers=2)
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        for _ in range(24):  # enough that each worker has more than it can run
            pool.submit(p.request, "GET", "/hang")
        wait_for(lambda: p.log().count('"START"') == 3)
        assert p.stop() == 0
    assert len(p.log_events("function_start")) == 3


@pytest.mark.parametrize("limit", ["recycle_calls: 2", "recycle_bytes: 1048576"])
def test_recycled(penstock, dynoxide, limit):
    p = penstock(dynoxide.url, config(("echo", PYTHON + ["app.echo"], f"{LONG}    {limit}\n")))
    pids = [echo_pid(p) for _ in range(4)]
    assert len(set(pids)) == (2 if "calls" in limit else 4)


def test_crash_loop_is_backed_off(penstock, dynoxide):
    p = penstock(dynoxide.url, config(("exits", ["false"], "    warm: 1\n"),
                                      ("echo", PYTHON + ["app.echo"], LONG)))
    for _ in range(50):
        assert p.request("GET", "/exits").status == 502
    echo_pid(p)
    starts = [e for e in p.log_events("function_start") if e["function"] == "exits"]
    assert len(starts) < 25  # of 51 who wanted one


@pytest.mark.parametrize("answer", [
    {"statusCode": 99}, {"statusCode": 600}, {"statusCode": "x"},
    {"statusCode": 200, "headers": {"X-A": "a\r\nX-Forged: b"}},
    {"statusCode": 200, "headers": {"X A": "b"}},
    {"statusCode": 200, "body": "no base64!", "isBase64Encoded": True},
    {"statusCode": 200, "body": {"not": "text"}},
    {"statusCode": 200, "cookies": "a=1"},
])
def test_answers_that_are_not_what_they_say(penstock, dynoxide, answer):
    p = penstock(dynoxide.url, config(("same", PYTHON + ["app.same"], LONG)))
    good = json.dumps({"statusCode": 201, "body": "aGk=", "isBase64Encoded": True})
    r = p.request("POST", "/same", json.dumps(answer), {"Content-Type": "application/json"})
    assert (r.status, r.json()) == (502, {"message": "Internal server error"})
    assert "x-forged" not in r.headers
    wait_for(lambda: any(r.headers["x-amzn-requestid"] in line for line in p.log().splitlines()
                         if "bad_" in line))
    r = p.request("POST", "/same", good, {"Content-Type": "application/json"})
    assert (r.status, r.body) == (201, b"hi")


@pytest.mark.parametrize("runtime", ["node", "python"])
def test_answers_that_are_too_large(penstock, dynoxide, runtime):
    """A response or an error, of whatever size: the caller knows at once, the process lives on."""
    p = penstock(dynoxide.url, config(("big", COMMANDS[runtime] + ["app.big"],
                                       "    timeout_ms: 120000\n")))
    pid = p.request("GET", "/big?bytes=6000000").headers["x-pid"]
    for query in ("bytes=7000000", "bytes=30000000", "bytes=7000000&raise", "bytes=30000000&raise"):
        r = p.request("GET", "/big?" + query, timeout=60)
        assert (r.status, r.json()) == (502, {"message": "Internal server error"}), query
        wait_for(lambda: any(r.headers["x-amzn-requestid"] in line
                             and '"reason":"function_response_too_large"' in line
                             for line in p.log().splitlines()))
    assert p.request("GET", "/big?bytes=1").headers["x-pid"] == pid


@pytest.mark.parametrize("runtime", ["node", "python", "ric"])
def test_long_errors_are_told(penstock, dynoxide, runtime):
    """AWS's runtime has an error's words in a header field, too, of up to 1 MiB."""
    p = penstock(dynoxide.url, config(("big", COMMANDS[runtime] + ["app.big"], LONG)))
    pid = p.request("GET", "/big?bytes=1").headers["x-pid"]
    for n, size in enumerate((20000, 300000)):
        assert p.request("GET", f"/big?raise=1&bytes={size}").status == 502
        wait_for(lambda: len(p.log_events("function_error")) > n)
        assert "x" * 1000 in p.log_events("function_error")[n]["error"]
    assert p.request("GET", "/big?bytes=1").headers["x-pid"] == pid
