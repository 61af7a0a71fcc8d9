"""What operators see of a request: access log templates, Server-Timing, a reason for every
refusal; and what nobody may see: secrets and bodies."""
import hashlib
import http.client
import json
import re
import socket
import subprocess
import sys
import time

import pytest

from conftest import BINARY, MUSIC, ROOT, free_port, unique

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def wait_for(p, pattern, count=1):
    """Log lines are written by a thread of their own: a moment after the answer."""
    end = time.monotonic() + 10
    while len(found := re.findall(pattern, p.log(), re.M)) < count:
        assert time.monotonic() < end, f"{pattern} is not in\n{p.log()[-3000:]}"
        time.sleep(0.02)
    return found


CLF = ("log: {access_format: '$context.identity.sourceIp $context.identity.caller "
       "$context.identity.user [$context.requestTime] \"$context.httpMethod "
       "$context.resourcePath $context.protocol\" $context.status $context.responseLength "
       "$context.requestId'}\n")


def test_clf(penstock, dynoxide):
    p = penstock(dynoxide.url, table=unique("T"), head=CLF)
    body = {"Artist": "A", "SongTitle": "S"}
    r = p.request("POST", "/music", body)
    assert r.status == 201
    lines = wait_for(p, r'^127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\] '
                        rf'"POST /music HTTP/1\.1" 201 {len(r.body)} ({UUID})$')
    assert lines == [r.headers["x-amzn-requestid"]]
    assert not p.log_events("request")


def test_json_template(penstock, dynoxide):
    names = {"id": "requestId", "route": "routeKey", "status": "status", "ua": "identity.userAgent",
             "ms": "responseLatency", "integration": "integrationLatency", "path": "path",
             "none": "identity.caller", "host": "domainName", "why": "error.responseType"}
    template = json.dumps({k: f"$context.{v}" for k, v in names.items()})
    p = penstock(dynoxide.url, table=unique("T"), head=f"log:\n  access_format: '{template}'\n")
    r = p.request("POST", "/music?secret=1", {"Artist": "A", "SongTitle": "S"},
                  headers={"User-Agent": 'quote" back\\slash'})
    assert r.status == 201
    assert p.request("GET", "/no\\where").status == 404
    end = time.monotonic() + 10
    while len(lines := [json.loads(x) for x in p.log().splitlines() if x.startswith('{"id"')]) < 2:
        assert time.monotonic() < end, p.log()[-2000:]
    first, second = lines
    assert first["id"] == r.headers["x-amzn-requestid"] and first["route"] == "POST /music"
    assert first["status"] == "201" and first["ua"] == 'quote" back\\slash'
    assert first["path"] == "/music" and first["none"] == "-" and first["why"] == "-"
    assert 0 <= int(first["integration"]) <= int(first["ms"]) < 60000
    assert second["route"] == second["integration"] == "-"
    assert second["why"] == "RESOURCE_NOT_FOUND" and second["status"] == "404"
    refused = p.log_events("request_refused")
    assert [(x["reason"], x["request_id"]) for x in refused] == [("no_route", second["id"])]


def test_an_unknown_variable(tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text("listen: [{address: 127.0.0.1:8080}]\nroutes: []\nlog:\n"
                    "  access_format: '$context.requestId $context.statuss'\n")
    r = subprocess.run([str(BINARY), "check", "-c", str(file)], capture_output=True, text=True)
    assert r.returncode == 2
    assert r.stderr.startswith(f"{file}:4:18: log.access_format: at character 20: unknown "
                               "variable $context.statuss; did you mean $context.status?")


def test_server_timing(penstock, dynoxide, tmp_path):
    """Only the routes that ask for it, in the W3C's syntax; phases are within the total."""
    (tmp_path / "h.py").write_text("import time\ndef handler(event, context):\n"
                                   "    time.sleep(0.02)\n    return {'statusCode': 200}\n")
    table = unique("T")
    config = MUSIC.format(table=table).replace(
        f"put_item: {{table: {table}}}",
        f"put_item: {{table: {table}}}\n    server_timing: true")
    config = (f"functions:\n  - name: slow\n    directory: {tmp_path}\n    timeout_ms: 10000\n"
              f"    command: [{sys.executable}, {ROOT}/src/lambda/runtimes/runtime.py, h.handler]\n"
              + config + "  - route: GET /slow\n    function: slow\n    server_timing: true\n")
    p = penstock(dynoxide.url, table=table, config=config)

    def timings(r):
        field = r.headers["server-timing"]
        assert re.fullmatch(r"\w+;dur=\d+\.\d{3}(, \w+;dur=\d+\.\d{3})*", field), field
        return {k: float(v) for k, v in re.findall(r"(\w+);dur=([\d.]+)", field)}
    r = p.request("POST", "/music", {"Artist": "A", "SongTitle": "S"})
    t = timings(r)
    assert r.status == 201 and {"total", "sign", "wait"} <= set(t) <= {
        "total", "queue", "sign", "wait"}
    assert 0 < t["wait"] <= t["total"] + 1
    assert "wait" not in timings(p.request("POST", "/music", "{"))  # refused before it left
    t = timings(p.request("GET", "/slow"))
    assert 20 <= t["wait"] <= t["total"] + 1
    assert 0 < t["queue"] <= t["total"] + 1  # a process had to start
    for method, path in ("GET", "/music/A/S"), ("GET", "/none"), ("POST", "/slow"):
        r = p.request(method, path, headers={"Server-Timing": "x"})
        assert "server-timing" not in r.headers, path


def raw(p, data):
    with socket.create_connection(("127.0.0.1", p.port), 10) as s:
        s.sendall(data)
        return s.recv(65536)


def send_and_leave(p, data):
    with socket.create_connection(("127.0.0.1", p.port), 10) as s:
        s.sendall(data)


REFUSALS = [
    ("no_route", lambda p: p.request("GET", "/none"), 404),
    ("method_not_allowed", lambda p: p.request("PUT", "/music", "{}"), 405),
    ("bad_path", lambda p: p.request("GET", "/music/%zz"), 400),
    ("no_such_item", lambda p: p.request("GET", "/music/none/none"), 404),
    ("invalid_request", lambda p: p.request("POST", "/music", "{"), 400),
    ("body_too_large", lambda p: p.request("POST", "/music", "x" * 3000), 413),
    (None, lambda p: raw(p, b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"), 400),
    (None, lambda p: raw(p, b"BAD\r\n\r\n"), 400),
    (None, lambda p: raw(p, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"), 414),
]


@pytest.mark.parametrize("access", ["true", "false"])
def test_every_refusal_has_a_reason(penstock, dynoxide, access):
    p = penstock(dynoxide.url, table=unique("T"),
                 head=f"log: {{access: {access}}}\nlimits: {{body_bytes: 2000}}\n")
    for n, (reason, ask, status) in enumerate(REFUSALS):
        answer = ask(p)
        got = int(answer.split()[1]) if isinstance(answer, bytes) else answer.status
        assert got == status, reason
        end = time.monotonic() + 10
        while True:
            lines = [x for e in ("request", "request_refused") for x in p.log_events(e)
                     if x.get("reason") and x["status"] >= 400]
            mine = [x for x in lines if x["status"] == status and
                    (reason is None or x["reason"] == reason)]
            if mine:
                break
            assert time.monotonic() < end, (reason, status, p.log()[-2000:])
        if access == "false" and reason and not isinstance(answer, bytes):
            assert len(mine) == 1


def test_the_invoke_api_says_why_too(penstock, dynoxide):
    port = free_port()
    p = penstock(dynoxide.url, table=unique("T"), head=f"invoke: 127.0.0.1:{port}\n")
    paths = {"/2015-03-31/functions/none/invocations": "ResourceNotFoundException",
             "/nowhere": "UnknownOperationException"}
    for path, reason in paths.items():
        r = p.request("POST", path, "body-secret", port=port)
        assert r.status == 404
        request_id = r.headers["x-amzn-requestid"]
        wait_for(p, f'"reason":"{reason}","status":404,"request_id":"{request_id}"')
    assert "body-secret" not in p.log()


SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIASECRETSECRET1234",
    "AWS_SECRET_ACCESS_KEY": "aws-secret-aws-secret-aws-secret-1234567",
    "AWS_SESSION_TOKEN": "session-token-session-token-session",
}
HEADERS = {
    "Authorization": "Bearer authorization-secret", "Cookie": "session=cookie-secret",
    "X-Api-Key": "api-key-secret-0123456789", "X-Custom": "custom-header-secret",
    "Proxy-Authorization": "Basic proxy-secret",
}
MARKS = ["authorization-secret", "cookie-secret", "api-key-secret", "custom-header-secret",
         "proxy-secret", "body-secret", "query-secret", *SECRETS.values()]


ERRORS = "log: {level: debug, access_format: '$context.error.message $context.error.messageString'}\n"


@pytest.mark.parametrize("head", ["log: {level: debug}\n", CLF.replace("{", "{level: debug, ", 1),
                                  ERRORS])
def test_no_secret_and_no_body_in_any_log(penstock, dynoxide, tmp_path, head):
    """Every way to be served, refused and to fail, at the level that tells most."""
    (tmp_path / "h.py").write_text("def handler(event, context):\n"
                                   "    if 'die' in event['rawPath']:\n        raise SystemExit(3)\n"
                                   "    if 'bad' in event['rawPath']:\n        return object()\n"
                                   "    return {'statusCode': 200, 'body': 'body-secret'}\n")
    table = unique("T")
    config = MUSIC.format(table=table)
    digest = hashlib.sha256(HEADERS["X-Api-Key"].encode()).hexdigest()
    config = (f"api_keys:\n  - {{name: partner, sha256: {digest}}}\n"
              f"functions:\n  - name: f\n    directory: {tmp_path}\n    timeout_ms: 10000\n"
              f"    command: [{sys.executable}, {ROOT}/src/lambda/runtimes/runtime.py, h.handler]\n"
              + config + "  - route: POST /f/{proxy+}\n    function: f\n"
              "  - route: POST /keyed\n    api_key_required: true\n"
              f"    put_item: {{table: {table}}}\n")
    p = penstock(dynoxide.url, table=table, config=config, env=SECRETS, head=head)
    item = {"Artist": "body-secret", "SongTitle": "body-secret", "x": "body-secret"}
    asked = [("POST", "/music", item, 201), ("POST", "/music", [item, item], 200),
             ("POST", "/music", '{"Artist":"body-secret"', 400),
             ("POST", "/music", {"Artist": 5, "SongTitle": "body-secret"}, 400),
             ("POST", "/music", '{"body-secret":1e9999,"Artist":"a","SongTitle":"b"}', 400),
             ("PATCH", "/music/a/b", {"x": "body-secret"}, 200),
             ("PATCH", "/music/a/b", "body-secret", 400), ("GET", "/music/a/b", None, 200),
             ("DELETE", "/music/a/b", None, 204), ("POST", "/none", item, 404),
             ("POST", "/keyed", item, 201), ("PUT", "/music", item, 405), ("POST", "/f/ok", item, 200),
             ("POST", "/f/bad", item, 502), ("POST", "/f/die", item, 502)]
    for method, path, body, status in asked:
        r = p.request(method, path + "?q=query-secret", body, headers=HEADERS)
        assert r.status == status, (method, path, body, r)
    r = p.request("POST", "/keyed", item, {"X-Api-Key": "another-api-key-secret-0123"})
    assert r.status == 403
    for name in "Authorization", "Bad Name", "":
        raw(p, f"POST /music?query-secret HTTP/1.1\r\nHost: x\r\n{name}: Bearer "
               f"authorization-secret\x01\r\nContent-Length: 11\r\n\r\nbody-secret".encode())
    left = http.client.HTTPConnection("127.0.0.1", p.port)
    left.request("POST", "/music", json.dumps(item), HEADERS)
    left.sock.close()
    send_and_leave(p, b"POST /music HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nbody-secret")
    p.process.terminate()
    assert p.process.wait(60) == 0
    text = p.log()
    assert len(text.splitlines()) > len(asked)
    for mark in MARKS:
        assert mark not in text, [x for x in text.splitlines() if mark in x][:3]
