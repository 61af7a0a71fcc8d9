"""Who may call: API keys, usage plans, throttles, CORS. The real program, two workers."""
import hashlib
import http.client
import http.server
import json
import os
import re
import shutil
import signal
import socketserver
import subprocess
import threading
import time

import pytest

from conftest import BINARY, unique
from test_reload import hup, refused as refused_reload, reload

ALICE = "alice-0123456789-0123456789"
BOB = "bob-0123456789-0123456789-01"
CAROL = "carol-0123456789-0123456789"

TABLE = """
tables:
  - name: {table}
    partition_key: {{name: Artist, type: S}}
    sort_key: {{name: SongTitle, type: S}}
    create_if_missing: true
"""
ROUTES = """
routes:
  - route: POST /music
    api_key_required: true
    put_item: {{table: {table}}}
  - route: GET /music/{{Artist}}/{{SongTitle}}
    get_item: {{table: {table}}}
  - route: GET /slow/{{Artist}}/{{SongTitle}}
    throttle: {{rate: 1, burst: 2}}
    get_item: {{table: {table}}}
"""
ERRORS = {"Forbidden": (403, "ForbiddenException"),
          "Too Many Requests": (429, "TooManyRequestsException"),
          "Limit Exceeded": (429, "LimitExceededException")}


def digest(key):
    return hashlib.sha256(key.encode()).hexdigest()


@pytest.fixture
def serve(penstock, dynoxide):
    def make(text, workers=2, **kwargs):
        return penstock(dynoxide.url, config=text, workers=workers, **kwargs)
    return make


def plain(table, plan="throttle: {rate: 1000000}", more="", state=None):
    text = TABLE.format(table=table) + ROUTES.format(table=table)
    text += f"usage_plans:\n  - name: gold\n    {plan}\n"
    text += "api_keys:\n"
    text += f"  - name: alice\n    sha256: {digest(ALICE)}\n    usage_plan: gold\n"
    text += f"  - name: bob\n    sha256: {digest(BOB)}\n    enabled: false\n"
    if state:
        text += f"state_directory: {state}\n"
    return text + more


def post(p, key=None, n=0, **headers):
    h = dict(headers)
    if key is not None:
        h["x-api-key"] = key
    return p.request("POST", "/music", {"Artist": "a", "SongTitle": str(n)}, h)


def expect_refusal(answer, message, retry=None):
    status, kind = ERRORS[message]
    assert answer.status == status, answer
    assert answer.body == json.dumps({"message": message}, separators=(",", ":")).encode()
    assert answer.headers["x-amzn-errortype"] == kind
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.headers["x-amzn-requestid"]) == 36
    assert ("retry-after" in answer.headers) == (status == 429)
    if retry:
        assert int(answer.headers["retry-after"]) in retry


def counter(p, name):
    for line in p.request("GET", "/metrics", port=p.admin).body.decode().splitlines():
        if line.startswith(name + " "):
            return int(line.split()[-1])
    raise AssertionError(f"no {name}")


def refused(p, reason):
    return counter(p, f'penstock_access_refused_total{{reason="{reason}"}}')


def reasons(p):
    return [e.get("reason") for e in p.log_events("request")]


def test_keys(serve):
    p = serve(plain(unique("Keys")))
    assert post(p, ALICE).status == 201
    assert p.request("GET", "/music/a/0").status == 200  # asks for none
    for key in (None, "", "wrong-0123456789-0123456789", ALICE[:-1], ALICE + "x", BOB, "k" * 5000):
        expect_refusal(post(p, key), "Forbidden")
    # A body that is not waited for: refused at its head, the connection closes.
    c = http.client.HTTPConnection("127.0.0.1", p.port, timeout=30)
    c.putrequest("POST", "/music")
    c.putheader("x-api-key", BOB)
    c.putheader("Content-Length", "5000000")
    c.endheaders()
    r = c.getresponse()
    assert (r.status, r.getheader("connection")) == (403, "close")
    assert r.read() == b'{"message":"Forbidden"}'
    # A short one is, and the connection stays.
    c = http.client.HTTPConnection("127.0.0.1", p.port, timeout=30)
    for _ in range(3):
        c.request("POST", "/music", b"{}", {"x-api-key": BOB})
        r = c.getresponse()
        assert (r.status, r.read()) == (403, b'{"message":"Forbidden"}')
        assert r.getheader("connection") != "close"
    assert refused(p, "api_key_missing") == 2
    assert refused(p, "api_key_unknown") == 4
    assert refused(p, "api_key_disabled") == 5
    assert reasons(p).count("api_key_disabled") == 5
    log = p.log()
    for secret in (ALICE, BOB, "wrong-0123456789", digest(ALICE)):
        assert secret not in log


def test_keys_from_a_credential(serve, tmp_path):
    """As LoadCredential= gives it: a file in $CREDENTIALS_DIRECTORY, named without a folder. A
    reload reads it again (systemd itself makes its copy at the start only)."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "keys").write_text(
        "name,KEY,Description,enabled,UsagePlanIds\r\n"
        f'"carol",{CAROL},"says ""hello"", twice",true,gold\r\n'
        f"dave,{CAROL}-dave,,FALSE,\r\n\r\n")
    p = serve(plain(unique("Keys"), more="api_keys_file: keys\n"),
              env={"CREDENTIALS_DIRECTORY": str(folder)})
    assert post(p, ALICE).status == 201
    assert post(p, CAROL).status == 201
    expect_refusal(post(p, CAROL + "-dave"), "Forbidden")
    (folder / "keys").write_text(f"name,key\r\nerin,{CAROL}-erin\r\n")
    reload(p)
    assert post(p, CAROL + "-erin").status == 201
    expect_refusal(post(p, CAROL), "Forbidden")
    (folder / "keys").write_text(f"name,key\r\nerin,{CAROL}-erin\r\nfrank,short\r\n")
    assert "api_keys_file: " in hup(p, "reload_refused")["error"]
    assert post(p, CAROL + "-erin").status == 201
    assert CAROL not in p.log()


def test_plan_rate_over_two_workers(serve):
    """20 connections ask as fast as they can: no more than burst + rate x time goes through, but
    for what the workers did not know of each other at the start."""
    burst, rate = 20, 10
    p = serve(plain(unique("Rate"), f"throttle: {{rate: {rate}, burst: {burst}}}"))
    stored = [0] * 20
    start = time.monotonic()

    def hammer(k):
        c = http.client.HTTPConnection("127.0.0.1", p.port, timeout=30)
        while time.monotonic() < start + 3:
            c.request("POST", "/music", b'{"Artist":"a","SongTitle":"b"}', {"x-api-key": ALICE})
            r = c.getresponse()
            body = r.read()
            if r.status == 201:
                stored[k] += 1
            else:
                assert (r.status, body) == (429, b'{"message":"Too Many Requests"}')
                assert r.getheader("retry-after") in ("1", "2", "3", "4")
    threads = [threading.Thread(target=hammer, args=(k,)) for k in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    seconds = time.monotonic() - start
    # The one time that the burst was there on both workers is paid back within two seconds.
    assert burst <= sum(stored) <= burst + rate * seconds + burst
    assert refused(p, "usage_plan_throttled") > 0


def test_one_connection_gets_the_whole_rate(serve):
    """Not a half of it, on the worker it happens to be on."""
    p = serve(plain(unique("Whole"), "throttle: {rate: 1, burst: 30}"))
    c = http.client.HTTPConnection("127.0.0.1", p.port, timeout=30)
    codes = []
    for n in range(30):
        c.request("POST", "/music", b'{"Artist":"a","SongTitle":"b"}', {"x-api-key": ALICE})
        r = c.getresponse()
        r.read()
        codes.append(r.status)
    assert codes == [201] * 30


def test_route_and_stage_throttle(serve):
    p = serve(plain(unique("Stage"), more="stage: {throttle: {rate: 1, burst: 8}}\n"))
    codes = [p.request("GET", "/slow/a/b").status for _ in range(6)]
    assert codes.count(429) >= 1 and codes[0] == 404, codes
    assert refused(p, "route_throttled") == codes.count(429)
    codes = [p.request("GET", "/music/a/b").status for _ in range(30)]
    assert codes.count(429) >= 10, codes
    expect_refusal(p.request("GET", "/music/a/b"), "Too Many Requests", range(1, 20))
    assert refused(p, "stage_throttled") >= 11
    assert "stage_throttled" in reasons(p) and "route_throttled" in reasons(p)


def spend(p, count):
    """POSTs over fresh connections, so that both workers get some; how many were stored."""
    return sum(post(p, ALICE, n).status == 201 for n in range(count))


def seconds_to_midnight():
    return 86400 - time.time() % 86400


def test_quota_is_kept(serve, tmp_path):
    if seconds_to_midnight() < 60:
        time.sleep(61)
    state = tmp_path / "state"
    p = serve(plain(unique("Quota"), "quota: {limit: 40, period: DAY}", state=state))
    assert spend(p, 15) == 15
    assert p.stop() == 0
    p.start()
    assert spend(p, 15) == 15  # of the 25 that are left
    # A crash forgets what was used in the last two seconds at most.
    time.sleep(2.5)
    p.process.send_signal(signal.SIGKILL)
    p.process.wait()
    record = json.loads((state / "quotas.json").read_text())["quotas"][0]
    assert (record["plan"], record["key"], record["used"]) == ("gold", "alice", 30)
    p.start()
    assert 10 <= spend(p, 20) <= 15  # ten, and what the workers did not know of each other
    expect_refusal(post(p, ALICE), "Limit Exceeded",
                   range(1, 86401))
    assert abs(int(post(p, ALICE).headers["retry-after"]) - seconds_to_midnight()) < 5
    assert refused(p, "usage_plan_quota") >= 6
    lines = [e for e in p.log_events("request") if e.get("reason") == "usage_plan_quota"]
    assert {e["api_key"] for e in lines} == {"alice"}  # its name


@pytest.mark.parametrize("access", ["true", "false"])
def test_what_is_known_at_the_head(serve, access):
    """Of a request whose body is not waited for: the same as of any other."""
    p = serve(plain(unique("Head"), "quota: {limit: 1, period: DAY}"), workers=1,
              head=f"log: {{access: {access}}}\nlimits: {{body_bytes: 200000}}\n")
    assert post(p, ALICE).status == 201
    trace = "1-5e1b4151-5ac6c58dc39a6b6a1a2b3c4d"

    def refused_at_head(length, status):
        c = http.client.HTTPConnection("127.0.0.1", p.port, timeout=30)
        c.putrequest("POST", "/music")
        for name, value in (("x-api-key", ALICE), ("Content-Length", length),
                            ("X-Amzn-Trace-Id", f"Root={trace}")):
            c.putheader(name, value)
        c.endheaders()
        r = c.getresponse()
        assert r.status == status and r.getheader("connection") == "close"
        return r.getheader("x-amzn-requestid")
    ids = [refused_at_head("100000", 429)]
    p.file.write_text(p.file.read_text().replace("limit: 1,", "limit: 9,"))
    reload(p)
    ids.append(refused_at_head("300000", 413))
    page = p.request("GET", "/metrics", port=p.admin).body.decode()
    for status in 201, 413, 429:
        assert f'penstock_http_requests_total{{route="POST /music",status="{status}"}} 1\n' in page
    assert 'route=""' not in page
    end = time.monotonic() + 10
    while len(lines := [e for name in ("request", "request_refused") for e in p.log_events(name)
                        if e.get("reason")]) < 2:
        assert time.monotonic() < end
    assert [e["request_id"] for e in lines] == ids
    assert [e["reason"] for e in lines] == ["usage_plan_quota", "body_too_large"]
    assert {e["route_key"] for e in lines} == {"POST /music"}
    if access == "true":
        assert {(e["trace_id"], e["api_key"]) for e in lines} == {(trace, "alice")}


def test_error_variables(serve):
    """What API Gateway calls its refusals; what a handler says itself is none."""
    p = serve(plain(unique("Error"), "quota: {limit: 2, period: DAY}"), workers=1,
              head="log: {access_format: '#$context.error.responseType|$context.error.message|"
                   "$context.error.messageString'}\n")
    asked = [(lambda: post(p, ALICE), 201, "-|-|-"),
             (lambda: post(p, "wrong-0123456789-0123456789"), 403,
              'INVALID_API_KEY|Forbidden|"Forbidden"'),
             (lambda: p.request("POST", "/music", "[", {"x-api-key": ALICE}), 400, "-|-|-"),
             (lambda: post(p, ALICE), 429, 'QUOTA_EXCEEDED|Limit Exceeded|"Limit Exceeded"'),
             (lambda: p.request("GET", "/music/a/none"), 404, "-|-|-"),
             (lambda: p.request("GET", "/none"), 404, 'RESOURCE_NOT_FOUND|Not Found|"Not Found"'),
             (lambda: [p.request("GET", "/slow/a/none") for _ in range(5)][-1], 429,
              'THROTTLED|Too Many Requests|"Too Many Requests"')]
    for ask, status, line in asked:
        assert ask().status == status, line
    end = time.monotonic() + 10
    while len(lines := re.findall("^#(.*)$", p.log(), re.M)) < len(asked) + 4:
        assert time.monotonic() < end, lines
    assert lines[:6] + lines[-1:] == [line for _, _, line in asked]


def test_reload_keeps_what_was_used(serve, tmp_path):
    state = tmp_path / "state"
    p = serve(plain(unique("Quota"), "quota: {limit: 40, period: MONTH}", state=state))
    assert spend(p, 30) == 30
    text = p.file.read_text()
    p.file.write_text(text.replace("limit: 40", "limit: 35")
                      .replace("enabled: false", "enabled: true"))
    p.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + 10
    while post(p, BOB).status == 403:
        assert time.monotonic() < end, p.log()[-2000:]
        time.sleep(0.05)
    assert 5 <= spend(p, 12) <= 8
    expect_refusal(post(p, ALICE), "Limit Exceeded")
    p.stop()
    used = json.loads((state / "quotas.json").read_text())["quotas"]
    assert [u["key"] for u in used] == ["alice"] and 35 <= used[0]["used"] <= 38, used


def test_a_bad_state_file_stops_nothing(serve, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    (state / "quotas.json").write_text('{"quotas":[{"plan":"gold"')
    p = serve(plain(unique("Quota"), "quota: {limit: 5, period: MONTH}", state=state))
    assert len(p.log_events("quotas_file_bad")) == 1
    assert (state / "quotas.json.bad").read_text().startswith('{"quotas"')
    assert spend(p, 3) == 3
    p.stop()
    assert json.loads((state / "quotas.json").read_text())["quotas"][0]["used"] == 3


def test_state_that_cannot_be_written(serve, tmp_path):
    state = tmp_path / "file"
    state.write_text("no folder")
    p = serve(plain(unique("Quota"), "quota: {limit: 5, period: MONTH}", state=state))
    assert spend(p, 3) == 3
    end = time.monotonic() + 10
    while not p.log_events("quotas_not_saved") and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(1.5)
    assert len(p.log_events("quotas_not_saved")) == 1  # once, not every second


def test_two_processes_share_the_file(serve, tmp_path):
    """As the old and the new one of a hand-over do."""
    state = tmp_path / "state"
    text = plain(unique("Quota"), "quota: {limit: 1000, period: MONTH}", state=state)
    a = serve(text)
    b = serve(text)
    assert spend(a, 10) == 10
    assert spend(b, 7) == 7
    a.stop()
    b.stop()
    assert json.loads((state / "quotas.json").read_text())["quotas"][0]["used"] == 17


CORS = """
cors:
  allow_origins: [https://app.example, "http://localhost:3000"]
  allow_methods: [GET, POST]
  allow_headers: [content-type, x-api-key]
  expose_headers: [x-amzn-requestid]
  max_age: 300
  allow_credentials: true
"""


def cors_of(answer):
    return {k: v for k, v in answer.headers.items() if k.startswith("access-control") or k == "vary"}


def preflight(p, path, origin, method="POST"):
    return p.request("OPTIONS", path, headers={
        "Origin": origin, "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "content-type,x-api-key"})


def test_cors(serve):
    p = serve(plain(unique("Cors"), more=CORS + "stage: {throttle: {rate: 1, burst: 8}}\n"))
    for path in ("/music", "/nowhere"):  # no OPTIONS route, no route at all
        for _ in range(10):  # and no throttle
            answer = preflight(p, path, "https://app.example")
            assert (answer.status, answer.body) == (204, b"")
            assert cors_of(answer) == {
                "vary": "Origin",
                "access-control-allow-origin": "https://app.example",
                "access-control-allow-credentials": "true",
                "access-control-allow-methods": "GET,POST",
                "access-control-allow-headers": "content-type,x-api-key",
                "access-control-max-age": "300"}
    answer = preflight(p, "/music", "https://evil.example")
    assert (answer.status, cors_of(answer)) == (204, {"vary": "Origin"})
    shared = {"vary": "Origin", "access-control-allow-origin": "http://localhost:3000",
              "access-control-allow-credentials": "true",
              "access-control-expose-headers": "x-amzn-requestid"}
    origin = {"Origin": "http://localhost:3000"}
    assert cors_of(post(p, ALICE, **origin)) == shared
    answer = post(p, "wrong-0123456789-0123456789", **origin)  # scripts may read refusals, too
    assert (answer.status, cors_of(answer)) == (403, shared)
    assert cors_of(p.request("GET", "/nowhere", headers=origin)) == shared
    assert cors_of(p.request("GET", "/music/a/0")) == {"vary": "Origin"}
    assert p.request("OPTIONS", "/music").status == 405  # no preflight
    assert counter(p, "penstock_cors_preflights_total") == 21


@pytest.mark.parametrize("more, message", [
    ("cors: {allow_origins: ['*'], allow_credentials: true}\n",
     "cors.allow_origins: * is not possible with allow_credentials"),
    ("cors: {allow_origins: [https://a/]}\n", "cors.allow_origins: expected scheme://host[:port]"),
    ("cors: {allow_methods: [GET]}\n", "cors.allow_origins: 1 to 100 origins are needed"),
    ("cors: {allow_origins: ['*'], allow_headers: ['a b']}\n", "cors.allow_headers: expected a"),
    ("stage: {throttle: {burst: 5}}\n", "stage.throttle.rate is missing"),
    ("stage: {throttle: {rate: 0}}\n", "stage.throttle.rate: expected a whole number from 1"),
    ("api_keys_file: /nowhere/keys\n", "api_keys_file: /nowhere/keys: cannot be read"),
])
def test_bad_configuration(tmp_path, more, message):
    check(tmp_path, plain("Table", more=more), message)


def check(tmp_path, text, message):
    file = tmp_path / "bad.yaml"
    file.write_text("listen:\n  - address: 127.0.0.1:8080\n" + text)
    r = subprocess.run([str(BINARY), "check", "-c", str(file)], capture_output=True, text=True,
                       env={"PATH": os.environ["PATH"]})
    assert r.returncode == 2
    assert message in r.stderr, r.stderr
    assert r.stderr.startswith(f"{file}:")
    assert ALICE not in r.stderr and CAROL not in r.stderr
    return r.stderr


def test_bad_keys_and_plans(tmp_path):
    base = plain("Table")
    check(tmp_path, base.replace(digest(ALICE), "abc"), "api_keys[].sha256: expected 64 hex")
    bob = 3 + base[:base.index("name: bob")].count("\n")  # check() puts two lines before it
    for twice, what in ((base.replace(digest(BOB), digest(ALICE)), "alice and bob have the same key"),
                        (base.replace("name: bob", "name: alice"), "alice and alice have the same name")):
        assert f":{bob}:5: api_keys[]: API keys {what}" in check(tmp_path, twice, what)
    check(tmp_path, base.replace("usage_plan: gold", "usage_plan: silver"),
          "no such plan under usage_plans, for the key alice")
    check(tmp_path, plain("Table", "quota: {limit: 1, period: WEEK, offset: 7}"),
          "usage_plans[].quota.offset: at most 6 with a period of WEEK")
    check(tmp_path, base.replace("name: gold", r'name: "go\nld"'), "usage_plans[].name: expected 1 to 128 printable")
    check(tmp_path, base.replace("name: alice", r'name: "al\x85ice"'), "api_keys[].name: expected 1 to 128 printable")
    check(tmp_path, base[:base.index("api_keys:")], "POST /music: api_key_required, but there are")
    for rows, what in (("Name,Description\n", "the first line must name the columns"),
                       (f"Key,Name\n{CAROL},c\nshort,d\n", ":3: Key: expected 20 to 128"),
                       (f"Key,Name\n{CAROL},c,\"\n", ":2: a quoted field has no end"),
                       (f"Key,Name,Enabled\n{CAROL},c,maybe\n", ":2: Enabled: expected true"),
                       (f"Key,Name\n{CAROL},\n", ":2: .name: expected 1 to 128"),
                       # Not UTF-8: the file of quotas could not be read again.
                       (f"Key,Name\n{CAROL},\udcff\n", ":2: .name: expected 1 to 128"),
                       (f"Key,Name\n{CAROL}-1,b\n\n{CAROL},d\n{CAROL},c\n",
                        "keys.csv:5: API keys d and c have the same key"),
                       (f"Key,Name\n{CAROL},bob\n", "keys.csv:2: API keys bob and bob have the same name")):
        keys = tmp_path / "keys.csv"
        keys.write_text(rows, errors="surrogateescape")
        text = plain("Table", more=f"api_keys_file: {keys}\n")
        line = 3 + text[:text.index("api_keys_file")].count("\n")
        assert f":{line}:16: api_keys_file: " in check(tmp_path, text, what)


@pytest.mark.parametrize("kind, words", [
    ("pipe", "cannot be read: not a file"), ("folder", "cannot be read: not a file"),
    ("gone", "cannot be read: No such file or directory"), ("large", "over "), ("empty", ":1: the first line must")])
def test_key_files_that_a_reload_refuses(serve, tmp_path, kind, words):
    keys = tmp_path / "keys"
    keys.write_text(f"Name,Key\ncarol,{CAROL}\n")
    p = serve(plain(unique("Keys"), more=f"api_keys_file: {keys}\n"))
    keys.unlink()
    if kind == "pipe":
        os.mkfifo(keys)
    elif kind == "folder":
        keys.mkdir()
    elif kind in ("large", "empty"):
        keys.write_text("x" * (1 << 26) if kind == "large" else "")
    entry = refused_reload(p, rf"api_keys_file: {keys}.*{words}.*")
    line = p.file.read_text().split("api_keys_file")[0].count("\n") + 1
    assert entry["error"].startswith(f"{p.file}:{line}:16: ")
    assert post(p, CAROL).status == 201


def test_the_handler_knows_the_key(serve):
    more = """
  - route: PUT /music
    api_key_required: true
    put_item: {table: TABLE, set: {by: $context.identity.apiKeyId}}
"""
    table = unique("By")
    text = plain(table).replace("usage_plans:", more.replace("TABLE", table).lstrip("\n") +
                                "usage_plans:", 1)
    p = serve(text)
    answer = p.request("PUT", "/music", {"Artist": "a", "SongTitle": "b"}, {"x-api-key": ALICE})
    assert answer.status == 201, answer
    assert p.request("GET", "/music/a/b").json()["by"] == "alice"


CHROMIUM = shutil.which("chromium")
PAGE = """<!doctype html><title>wait</title><body><script>
async function ask(origin) {
  const r = await fetch(origin + '/music', {method: 'POST', headers:
      {'x-api-key': 'KEY', 'content-type': 'application/json'},
      body: JSON.stringify({Artist: 'browser', SongTitle: origin})});
  return r.status + ' ' + (r.headers.get('x-amzn-requestid') || 'hidden').length;
}
async function all() {
  const seen = [];
  for (const origin of ['http://127.0.0.1:GOOD', 'http://127.0.0.1:OTHER']) {
    seen.push(await ask(origin).catch((e) => e.name));
  }
  document.body.textContent = 'seen: ' + seen.join(', ');
}
all();
</script>"""


@pytest.mark.skipif(not CHROMIUM, reason="no chromium")
def test_cors_in_a_browser(serve, tmp_path):
    """Its preflight is answered and it may read the answer where its origin is allowed; where
    it is not, the request is never sent."""
    with socketserver.TCPServer(("127.0.0.1", 0), None) as web:
        origin = f"http://127.0.0.1:{web.server_address[1]}"
        table = unique("Browser")
        good = serve(plain(table, more=CORS.replace("https://app.example", origin)))
        other = serve(plain(table, more=CORS))
        page = PAGE.replace("KEY", ALICE).replace("GOOD", str(good.port)) \
            .replace("OTHER", str(other.port)).encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *args):
                pass
        web.RequestHandlerClass = Handler
        threading.Thread(target=web.serve_forever, daemon=True).start()
        r = subprocess.run(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--virtual-time-budget=20000", f"--user-data-dir={tmp_path / 'profile'}",
             "--dump-dom", origin + "/"], capture_output=True, text=True, timeout=120)
        web.shutdown()
    assert "seen: 201 36, TypeError" in r.stdout, r.stdout + r.stderr[-2000:]
    assert counter(good, "penstock_cors_preflights_total") == 1
    assert counter(other, "penstock_cors_preflights_total") == 1
    assert [e["method"] for e in other.log_events("request")] == ["OPTIONS"]
