"""Behind haproxy: with PROXY headers of both versions, before TLS, and with forwarded headers, the real client
is in the event and in the access log; nobody else's word counts. Trace ids go all the way through."""
import http.client
import json
import pathlib
import re
import socket
import ssl
import time

import pytest

from conftest import ROOT, Haproxy, free_port
from test_command_line import GOOD, check

CLIENT = "127.0.0.2"  # what haproxy sees; haproxy itself comes from 127.0.0.1
STRANGER = "127.0.0.3"
ROOT_ID = "1-5e1b4151-5ac6c58dc39a6b6a1a2b3c4d"
PARENT = "00-5e1b41515ac6c58dc39a6b6a1a2b3c4d-53995c3f42cd8ad8-01"
HERE = pathlib.Path(__file__).parent / "functions"
SHOW = f"""
functions:
  - name: show
    command: [/usr/bin/python3, {ROOT}/src/lambda/runtimes/runtime.py, show.show]
    directory: {HERE}
routes:
  - route: ANY /two
    function: show
  - route: ANY /one
    function: show
    payload_format: "1.0"
"""


class Balancer(Haproxy):
    """One server, with what its line and its frontend need."""

    def __init__(self, folder, backend, server, mode="http", frontend=""):
        self.port = free_port()
        self.config = pathlib.Path(folder) / f"balancer-{self.port}.cfg"
        self.config.write_text(
            f"global\n  maxconn 1000\ndefaults\n  mode {mode}\n  timeout connect 5s\n  timeout client 60s\n"
            f"  timeout server 60s\nfrontend f\n  bind 127.0.0.1:{self.port}\n{frontend}  default_backend b\n"
            f"backend b\n  server s 127.0.0.1:{backend} {server}\n")
        self.start()


@pytest.fixture
def balancer(tmp_path):
    made = []

    def make(*args, **kwargs):
        made.append(Balancer(tmp_path, *args, **kwargs))
        return made[-1]
    yield make
    for b in made:
        b.stop()


def door(port, tls=""):
    return f"  - address: 127.0.0.1:{port}\n{tls}    proxy_protocol: {{trusted: [127.0.0.1]}}\n"


def ask(port, path="/two", headers=None, source=CLIENT, context=None):
    if context:
        c = http.client.HTTPSConnection("localhost", port, timeout=30, context=context,
                                        source_address=(source, 0))
    else:
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=30, source_address=(source, 0))
    try:
        c.request("GET", path, headers=headers or {})
        r = c.getresponse()
        body = r.read()
        assert r.status == 200, body
        return json.loads(body)
    finally:
        c.close()


def source_ip(answer):
    context = answer["event"]["requestContext"]
    return context["http"]["sourceIp"] if "http" in context else context["identity"]["sourceIp"]


def wait_log(p, event, **fields):
    """The line may come after what it tells of."""
    end = time.monotonic() + 20
    while True:
        found = [e for e in p.log_events(event) if all(e.get(k) == v for k, v in fields.items())]
        if found:
            return found[-1]
        assert time.monotonic() < end, (event, fields, p.log()[-2000:])
        time.sleep(0.05)


@pytest.mark.parametrize("version", ["send-proxy", "send-proxy-v2"])
def test_proxy_protocol(penstock, dynoxide, balancer, version):
    inside = free_port()
    p = penstock(dynoxide.url, config=SHOW, tls=door(inside))
    # With checks that speak for haproxy itself, and one connection for many requests.
    b = balancer(inside, f"{version} check check-send-proxy inter 100ms")
    for path in ["/two", "/one"]:
        answer = ask(b.port, path, {"X-Forwarded-For": "198.51.100.1"})
        assert source_ip(answer) == CLIENT
        headers = {k.lower(): v for k, v in answer["event"]["headers"].items()}
        assert headers["x-forwarded-for"] == CLIENT and headers["x-forwarded-proto"] == "http"
        assert headers["x-forwarded-port"] == str(b.port)
    assert wait_log(p, "request", route_key="ANY /two")["ip"] == CLIENT
    assert not [e for e in p.log_events("connection_closed") if e["reason"].startswith("proxy_")]


def test_proxy_protocol_before_tls(penstock, dynoxide, balancer, authority):
    inside = free_port()
    pem = authority.issue("behind")
    p = penstock(dynoxide.url, config=SHOW,
                 tls=door(inside, f"    tls: {{certificate: {pem}, key: {pem}}}\n"))
    context = ssl.create_default_context(cafile=str(authority.file))
    for version in ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"]:
        b = balancer(inside, version, mode="tcp")
        answer = ask(b.port, context=context)
        assert source_ip(answer) == CLIENT
        assert answer["event"]["headers"]["x-forwarded-proto"] == "https"
    assert wait_log(p, "request", ip=CLIENT)["status"] == 200


def test_who_is_no_proxy(penstock, dynoxide):
    inside = free_port()
    p = penstock(dynoxide.url, config=SHOW, tls=door(inside), head="limits: {proxy_header_timeout_ms: 300}\n")
    get = b"GET /two HTTP/1.1\r\nHost: x\r\n\r\n"
    line = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"
    for source, text, reason in [("127.0.0.1", get, "proxy_missing"),
                                 ("127.0.0.1", b"PROXY TCP4 192.0.2.1\r\n" + get, "proxy_malformed"),
                                 ("127.0.0.1", b"PROXY UNKNOWN " + b"x" * 200, "proxy_too_long"),
                                 ("127.0.0.1", line[:20], "proxy_timeout"),
                                 (STRANGER, line + get, "proxy_untrusted")]:
        with socket.create_connection(("127.0.0.1", inside), 20, source_address=(source, 0)) as s:
            s.sendall(text)
            try:
                assert s.recv(100) == b"", reason
            except ConnectionResetError:
                pass
        assert wait_log(p, "connection_closed", reason=reason)["ip"] == source
    # and where no header is due, one is no request
    with socket.create_connection(("127.0.0.1", p.port), 20) as s:
        s.sendall(line + get)
        assert s.recv(100).startswith(b"HTTP/1.1 400 ")


def test_forwarded_headers(penstock, dynoxide, balancer):
    p = penstock(dynoxide.url, config=SHOW, head="trusted_proxies: {addresses: [127.0.0.1], hops: 1}\n")
    b = balancer(p.port, "", frontend="  option forwardfor\n  http-request set-header X-Forwarded-Proto https\n"
                                      "  http-request set-header X-Forwarded-Port 8443\n")
    answer = ask(b.port, headers={"X-Forwarded-For": "198.51.100.1", "Forwarded": "for=198.51.100.2"})
    headers = answer["event"]["headers"]
    assert source_ip(answer) == CLIENT and headers["x-forwarded-for"] == CLIENT
    assert headers["x-forwarded-proto"] == "https" and headers["x-forwarded-port"] == "8443"
    assert "forwarded" not in headers
    assert wait_log(p, "request", ip=CLIENT)["status"] == 200
    # the same from one who is not trusted is ignored
    answer = ask(p.port, headers={"X-Forwarded-For": "198.51.100.1", "X-Forwarded-Proto": "https"}, source=STRANGER)
    headers = answer["event"]["headers"]
    assert source_ip(answer) == STRANGER and headers["x-forwarded-for"] == STRANGER
    assert headers["x-forwarded-proto"] == "http" and headers["x-forwarded-port"] == str(p.port)


def test_rfc_7239(penstock, dynoxide):
    p = penstock(dynoxide.url, config=SHOW,
                 head="trusted_proxies: {addresses: [127.0.0.0/30], hops: 2, header: forwarded}\n")
    answer = ask(p.port, headers={"Forwarded": 'for=192.0.2.6, for="[2001:db8::7]:1";proto=https, for=127.0.0.1',
                                  "X-Forwarded-For": "198.51.100.1"})
    assert source_ip(answer) == "2001:db8::7"
    assert answer["event"]["headers"]["x-forwarded-proto"] == "https"


def test_trace_ids(penstock, dynoxide):
    p = penstock(dynoxide.url, config=SHOW)
    given = f"Root={ROOT_ID};Sampled=1"
    answer = ask(p.port, headers={"X-Amzn-Trace-Id": given, "traceparent": PARENT, "tracestate": "a=b"})
    headers = answer["event"]["headers"]
    assert headers["x-amzn-trace-id"] == given and headers["traceparent"] == PARENT
    assert headers["tracestate"] == "a=b"
    assert re.fullmatch(re.escape(given) + ";Parent=[0-9a-f]{16}", answer["trace"])
    assert wait_log(p, "request", trace_id=ROOT_ID)["status"] == 200
    answer = ask(p.port, headers={"traceparent": PARENT})
    assert answer["event"]["headers"]["x-amzn-trace-id"] == f"Root={ROOT_ID};Parent=53995c3f42cd8ad8;Sampled=1"
    seen = set()
    for bad in [{}, {"X-Amzn-Trace-Id": "Root=1-2-3"}, {"X-Amzn-Trace-Id": "x", "traceparent": "00-0-0-0",
                                                        "tracestate": "a=b"}]:
        answer = ask(p.port, headers=bad)
        headers = answer["event"]["headers"]
        made = re.fullmatch("Root=1-([0-9a-f]{8})-([0-9a-f]{24})", headers["x-amzn-trace-id"])
        assert abs(int(made[1], 16) - time.time()) < 60
        assert re.fullmatch(f"00-{made[1]}{made[2]}-[0-9a-f]{{16}}-00", headers["traceparent"])
        assert "tracestate" not in headers
        assert answer["trace"].startswith(headers["x-amzn-trace-id"] + ";Parent=")
        wait_log(p, "request", trace_id=f"1-{made[1]}-{made[2]}")
        seen.add(made[2])
    assert len(seen) == 3


def test_connections_per_address(penstock, dynoxide):
    p = penstock(dynoxide.url, config=SHOW, head="limits: {connections_per_address: 2}\n")
    held = [socket.create_connection(("127.0.0.1", p.port), 20, source_address=(CLIENT, 0)) for _ in range(2)]
    try:
        with socket.create_connection(("127.0.0.1", p.port), 20, source_address=(CLIENT, 0)) as s:
            answer = s.recv(1000)
            assert answer.startswith(b"HTTP/1.1 503 ") and b"\r\nRetry-After: 1\r\n" in answer
        assert wait_log(p, "request_refused", reason="connections_per_address")["ip"] == CLIENT
        assert source_ip(ask(p.port, source=STRANGER)) == STRANGER
    finally:
        for s in held:
            s.close()


@pytest.mark.parametrize("lines,words", [
    ("trusted_proxies: {addresses: [10.0.0.1/8]}", "trusted_proxies.addresses: expected a network"),
    ("trusted_proxies: {hops: 2}", "trusted_proxies.addresses: at least one network"),
    ("trusted_proxies: {addresses: ['::1'], header: both}", "expected one of x-forwarded|forwarded"),
])
def test_check(lines, words):
    r = check(GOOD + "\n" + lines + "\n")
    assert r.returncode == 2 and words in r.stderr, r.stderr
