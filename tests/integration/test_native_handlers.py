"""The example handlers, built as a user's own project is, and served."""
import json
import os
import subprocess

import pytest

from conftest import ROOT, free_port
from test_command_line import GOOD, check
from test_functions import wait_for

CONFIG = """
tables:
  - name: Visits
    partition_key: {{name: Page, type: S}}
    create_if_missing: true
functions:
  - name: greet
    library: {0}/greet.so
    environment: {{GREETING: Good day}}
  - name: visit
    library: {0}/visit.so
routes:
  - route: GET /greet/{{name}}
    function: greet
  - route: POST /visits/{{page}}
    function: visit
"""


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    build = tmp_path_factory.mktemp("handlers")
    for step in (["-S", str(ROOT / "src/handlers/examples"), "-B", str(build),
                  f"-DPENSTOCK_INCLUDE={ROOT}/src"], ["--build", str(build)]):
        r = subprocess.run(["cmake", *step], capture_output=True, text=True,
                           env={**os.environ, "CFLAGS": "-Werror"})
        assert r.returncode == 0, r.stdout + r.stderr
    return build


def test_examples_are_served(penstock, dynoxide, libraries):
    p = penstock(dynoxide.url, CONFIG.format(libraries), workers=2)
    r = p.request("GET", "/greet/Ada%20L")
    assert (r.status, r.json()) == (200, {"message": "Good day, Ada L"})
    assert r.headers["content-type"] == "application/json"
    assert p.request("GET", "/greet/a%22b").status == 400
    counts = [p.request("POST", "/visits/front").json()["visits"] for _ in range(3)]
    assert counts == list(range(counts[0], counts[0] + 3))
    assert p.request("POST", "/visits/other").json() == {"visits": 1}
    assert p.request("POST", "/visits/a%20b").status == 400
    assert p.request("POST", f"/visits/{'x' * 201}").status == 400


@pytest.mark.parametrize("entry, words", [
    ("{name: greet, library: /no/such.so}", "/no/such.so"),
    ("{name: nobody, library: GREET}", "nobody"),
    ("{name: greet, library: /etc/hostname}", "/etc/hostname"),
])
def test_check_refuses_with_the_reason(libraries, entry, words):
    entry = entry.replace("GREET", str(libraries / "greet.so"))
    r = check(GOOD + f"functions:\n  - {entry}\n")
    assert r.returncode == 2 and "functions[].library: " in r.stderr and words in r.stderr


def test_init_that_fails_ends_the_start(tmp_path, libraries):
    from test_command_line import run
    file = tmp_path / "p.yaml"
    file.write_text(CONFIG.format(libraries).replace("Good day", "'a\\b'") +
                    "listen: [{address: '127.0.0.1:0'}]\nadmin: 'off'\n"
                    "dynamodb: {endpoint: 'http://127.0.0.1:1', region: x}\n")
    r = run("run", "-c", str(file))
    assert r.returncode == 1 and "GREETING must be plain text" in r.stderr, r.stderr


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    library = tmp_path_factory.mktemp("things") / "things.so"
    source = ROOT / "tests/integration/functions/native.c"
    subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fPIC",
                    "-shared", f"-I{ROOT}/src", "-o", library, source], check=True)
    return f"""
tables:
  - name: Things
    partition_key: {{name: Id, type: S}}
    create_if_missing: true
functions:
  - {{name: things, library: {library}, timeout_ms: 1000}}
routes:
  - route: GET /{{what}}
    function: things
  - route: GET /soon/{{what}}
    function: things
    timeout_ms: 100
"""


def test_every_call_of_the_header(penstock, dynoxide, things):
    p = penstock(dynoxide.url, things)

    def get(what):
        r = p.request("GET", "/" + what)
        assert r.status == 200, (what, r)
        return r.json()
    get("put")
    assert get("get")["Item"] == {"Id": {"S": "a"}, "N": {"N": "1"}}
    assert get("update")["Attributes"] == {"N": {"N": "2"}}
    assert [i["N"] for i in get("query")["Items"]] == [{"N": "2"}]
    get("delete")
    assert "Item" not in get("get")
    assert get("many") == {"stored": 40}
    assert get("work") == {"worked": 42, "left": True}
    r = p.request("GET", "/context")
    assert r.body == b"things"
    wait_for(lambda: any(r.headers["x-amzn-requestid"] in line
                         for line in p.log().splitlines() if "looked at the context" in line))


def without_ids(event):
    """Each invocation has a request id of its own."""
    for name in ("requestId", "extendedRequestId"):
        event["requestContext"].pop(name, None)
    return event


STAGE = "stage: {name: prod, variables: {mode: live}}\n"
REQUESTS = [("GET", "?b=2&a=1&b=3&empty=&sp=x+y%26z", None, {"Cookie": "sid=1; theme=dark"}),
            ("POST", "", '{"a":"\\u00e4"}', {"X-Tag": "one", "x-tag": "two"}),
            ("POST", "?a", b"\x00\xff", {"Content-Type": "image/png", "User-Agent": "x"})]


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_by_name_as_by_route(penstock, dynoxide, things, version):
    """What a handler sees of a request it sees of that request's event, too."""
    port = free_port()
    p = penstock(dynoxide.url, things + "  - route: POST /{what}\n    function: things\n",
                 head=f"invoke: 127.0.0.1:{port}\n{STAGE}")
    for method, query, body, headers in REQUESTS:
        by_route = p.request(method, f"/prod/event%2D{version}{query}", body, headers)
        assert by_route.status == 201
        r = p.request("POST", "/2015-03-31/functions/things/invocations", by_route.body, port=port)
        assert r.status == 200 and "x-amz-function-error" not in r.headers, r
        answer = r.json()
        assert answer["statusCode"] == 201 and answer["isBase64Encoded"] is False
        if version == "1.0":
            assert answer["multiValueHeaders"]["Set-Cookie"] == ["a=1", "b=2"]
        else:
            assert answer["cookies"] == ["a=1", "b=2"]
        by_name = json.loads(answer["body"])
        assert by_name["requestContext"]["requestId"] == r.headers["x-amzn-requestid"]
        assert without_ids(by_name) == without_ids(by_route.json())


def test_wrong_answers_harm_nobody(penstock, dynoxide, things):
    p = penstock(dynoxide.url, things)
    for what, reason in (("status", "status_out_of_range"), ("header", "bad_header_value")):
        r = p.request("GET", "/" + what)
        assert (r.status, r.json()) == (502, {"message": "Internal server error"}), what
        assert "x-forged" not in r.headers
        wait_for(lambda: any(e["reason"] == reason and e["request_id"]
                             == r.headers["x-amzn-requestid"]
                             for e in p.log_events("handler_bad_answer")))
        assert p.request("GET", "/good").status == 200
    assert p.request("GET", "/twice").json() == "first"
    wait_for(lambda: p.log_events("handler_completed_twice"))
    assert p.request("GET", "/good").status == 200
    r = p.request("GET", "/never")
    assert (r.status, r.json()) == (504, {"message": "Endpoint request timed out"})
    assert p.request("GET", "/good").status == 200  # which also answers the one before, too late
    wait_for(lambda: p.log_events("handler_completed_late"))
    assert p.request("GET", "/good").status == 200


def test_the_routes_time_where_it_is_the_shorter(penstock, dynoxide, things):
    p = penstock(dynoxide.url, things.replace("timeout_ms: 1000", "timeout_ms: 900000"))
    assert p.request("GET", "/soon/never").status == 504
    assert p.request("GET", "/soon/good").status == 200
