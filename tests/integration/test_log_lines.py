"""One line with a reason for every refusal and every closed connection. Each case comes from an
address of its own, by which its lines are found; at level debug a connection that ended well has
its line, too."""
import http.client
import os
import socket
import ssl
import struct
import sys
import time

import pytest

from conftest import MUSIC, ROOT, free_port, read_to_end, unique

HEAD = """limits: {{header_timeout_ms: 1000, body_timeout_ms: 1000, first_byte_timeout_ms: 1000,
  idle_timeout_ms: 1000, proxy_header_timeout_ms: 1000, linger_ms: 200, body_bytes: 2000,
  connections_per_address: 2}}
log: {{level: debug, access: {access}}}
invoke: 127.0.0.1:{invoke}
"""
SONG = b'{"Artist":"A","SongTitle":"S"}'
GET = b"GET /music/A/S HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /music HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
KEYED = b"POST /keyed HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
PROXY = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"


def sends(text, status=None):
    """Sends, and reads to the end."""
    def act(s):
        s.sendall(text)
        got = read_to_end(s)
        assert got[9:12] == (b"%d" % status if status else b""), got
    return act


def answered(text):
    """Sends, reads an answer, and leaves."""
    def act(s):
        s.sendall(text)
        assert s.recv(65536)
    return act


def half(s):
    s.sendall(GET[:20])
    s.shutdown(socket.SHUT_WR)
    assert read_to_end(s) == b""


def reset(s):
    s.sendall(GET[:20])
    time.sleep(0.1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def broken_record(s):
    context = ssl._create_unverified_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with context.wrap_socket(s, server_hostname="localhost", do_handshake_on_connect=True) as t:
        os.write(t.fileno(), b"\x17\x03\x03\x00\x20" + b"x" * 32)
        try:
            while t.recv(100):
                pass
        except OSError:
            pass


# What is done, to which door, the event and the reason (None: nothing was wrong).
CASES = {
    "two hosts": (sends(b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400), "http",
                  "request_refused", "repeated_host"),
    "no HTTP": (sends(b"BAD\r\n\r\n", 400), "http", "request_refused", "any"),
    "target": (sends(b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414), "http",
               "request_refused", "any"),
    "headers": (sends(b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 20000 + b"\r\n\r\n", 431), "http",
                "request_refused", "any"),
    "header_timeout": (sends(GET[:20], 408), "http", "request_refused", "header_timeout"),
    "body_timeout": (sends(POST % 100, 408), "http", "access", "body_timeout"),
    "body": (sends(POST % 3000, 413), "http", "access", "body_too_large"),
    "no key": (answered(KEYED), "http", "access", "api_key_missing"),
    "no route": (answered(b"GET /none HTTP/1.1\r\nHost: x\r\n\r\n"), "http", "access", "no_route"),
    "method": (answered(b"PUT /music HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), "http", "access",
               "method_not_allowed"),
    "item": (answered(POST % 1 + b"{"), "http", "access", "invalid_request"),
    "first_byte_timeout": (sends(b""), "http", "connection_closed", "first_byte_timeout"),
    "idle_timeout": (sends(POST % len(SONG) + SONG, 201), "http", "connection_closed", "idle_timeout"),
    "half a request": (half, "http", "connection_closed", "incomplete_request"),
    "reset": (reset, "http", "connection_closed", "reset"),
    "nothing": (lambda s: None, "http", None, "client_closed"),
    "good": (answered(POST % len(SONG) + SONG), "http", None, "client_closed"),
    "proxy_untrusted": (sends(PROXY), "proxied_strict", "connection_closed", "proxy_untrusted"),
    "proxy_missing": (sends(GET), "proxied", "connection_closed", "proxy_missing"),
    "proxy_malformed": (sends(b"PROXY TCP4 192.0.2.1\r\n"), "proxied", "connection_closed",
                        "proxy_malformed"),
    "proxy_incomplete": (lambda s: s.sendall(PROXY[:20]), "proxied", "connection_closed",
                         "proxy_incomplete"),
    "proxy_timeout": (sends(PROXY[:20]), "proxied", "connection_closed", "proxy_timeout"),
    "proxy, nothing": (lambda s: None, "proxied", None, "client_closed"),
    "no TLS": (lambda s: (s.sendall(GET), read_to_end(s)), "https", "connection_closed",
               "tls_handshake"),
    "TLS, nothing": (lambda s: None, "https", None, "client_closed"),
    "TLS, late": (sends(b""), "https", "connection_closed", "first_byte_timeout"),
    "a broken record": (broken_record, "https", "connection_closed", "tls_failed"),
    "admin, no page": (answered(b"GET /healthx HTTP/1.1\r\nHost: x\r\n\r\n"), "admin",
                       "request_refused", "no_route"),
    "admin, method": (answered(b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"),
                      "admin", "request_refused", "method_not_allowed"),
    "admin, no HTTP": (sends(b"BAD\r\n\r\n", 400), "admin", "request_refused", "any"),
    "admin, good": (answered(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), "admin", None,
                    "client_closed"),
    "invoke, none": (answered(b"POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), "invoke",
                     "request_refused", "UnknownOperationException"),
    "invoke, no HTTP": (sends(b"BAD\r\n\r\n", 400), "invoke", "request_refused", "any"),
}


def lines_of(p, ip):
    """The lines with a reason, and those of the connection's end."""
    every = [e for name in ("request", "request_refused", "connection_closed", "answer_aborted")
             for e in p.log_events(name) if e.get("ip") == ip]
    return ([e for e in every if "reason" in e and e["level"] != "debug"],
            [e for e in every if e["event"] == "connection_closed"])


@pytest.mark.parametrize("access", ["true", "false"])
def test_one_line_each(penstock, dynoxide, authority, access):
    doors = {name: free_port() for name in ("proxied", "proxied_strict", "https", "invoke")}
    pem, table = authority.issue("lines"), unique("T")
    config = MUSIC.format(table=table) + (
        f"  - route: POST /keyed\n    api_key_required: true\n    put_item: {{table: {table}}}\n"
        f"api_keys:\n  - {{name: k, sha256: {'0' * 64}}}\n")
    p = penstock(
        dynoxide.url, table=table, config=config, head=HEAD.format(access=access, **doors),
        tls=f"  - address: 127.0.0.1:{doors['proxied']}\n"
            "    proxy_protocol: {trusted: [127.0.0.0/8]}\n"
            f"  - address: 127.0.0.1:{doors['proxied_strict']}\n"
            "    proxy_protocol: {trusted: [192.0.2.1]}\n"
            f"  - address: 127.0.0.1:{doors['https']}\n    tls: {{certificate: {pem}, key: {pem}}}\n")
    doors.update(http=p.port, admin=p.admin)
    ips = {}
    for n, (name, (act, door, _, _)) in enumerate(CASES.items()):
        ips[name] = f"127.0.1.{n + 1}"
        with socket.create_connection(("127.0.0.1", doors[door]), 20, (ips[name], 0)) as s:
            act(s)
    crowd = []
    for _ in range(5):
        crowd.append(socket.create_connection(("127.0.0.1", p.port), 20, ("127.0.2.1", 0)))
    time.sleep(0.1)
    assert [read_to_end(s)[9:12] for s in crowd[2:]] == [b"503", b"503", b""]
    end = time.monotonic() + 20  # the last ones may still be closing
    while not all(lines_of(p, ip)[1] for ip in ips.values()) or len(lines_of(p, "127.0.2.1")[1]) < 5:
        assert time.monotonic() < end, [n for n, ip in ips.items() if not lines_of(p, ip)[1]]
        time.sleep(0.05)
    for name, ip in ips.items():
        _, _, event, reason = CASES[name]
        told, ended = lines_of(p, ip)
        assert len(ended) == 1 and ended[0]["reason"], (name, ended)
        if event is None:
            assert told == [] and ended[0]["reason"] == reason, (name, told, ended)
            continue
        assert len(told) == 1, (name, told)
        if event == "access":  # the access line has it; where there is none, another
            event = "request" if access == "true" else "request_refused"
        assert told[0]["event"] == event, (name, told)
        assert reason in ("any", told[0]["reason"]) and told[0]["reason"], (name, told)
        if event == "request_refused":
            assert len(told[0]["request_id"]) == 36 and told[0]["status"] >= 400
    told, ended = lines_of(p, "127.0.2.1")
    assert sorted(e["event"] for e in told if e["reason"] == "connections_per_address") == [
        "connection_closed", "request_refused", "request_refused"]
    assert len(ended) == 5


def test_drain(penstock, dynoxide):
    """Those without a request when the service ends."""
    p = penstock(dynoxide.url, table=unique("T"), head="limits: {linger_ms: 200}\n")
    idle = socket.create_connection(("127.0.0.1", p.port), 20, ("127.0.1.1", 0))
    idle.sendall(POST % len(SONG) + SONG)
    assert idle.recv(65536)[9:12] == b"201"
    silent = socket.create_connection(("127.0.0.1", p.port), 20, ("127.0.1.2", 0))
    time.sleep(0.2)
    assert p.stop() == 0
    for s, ip in (idle, "127.0.1.1"), (silent, "127.0.1.2"):
        assert read_to_end(s) == b""
        told, ended = lines_of(p, ip)
        assert [e["reason"] for e in told] == ["draining"] and len(ended) == 1
        s.close()
    p.start()


SLOW = """functions:
  - name: slow
    directory: {folder}
    command: [{python}, {root}/src/lambda/runtimes/runtime.py, h.handler]
    concurrency: 4
    timeout_ms: 60000
routes:
  - route: GET /slow
    function: slow
  - route: GET /big
    function: slow
"""


@pytest.mark.parametrize("access", ["true", "false"])
def test_who_ended_it(penstock, dynoxide, tmp_path, access):
    """460 is the client's; where it was us, there is no status, and the reason is ours."""
    (tmp_path / "h.py").write_text("import time\ndef handler(event, context):\n"
                                   "    if event['rawPath'] == '/slow':\n        time.sleep(50)\n"
                                   "    return 'x' * 5500000\n")
    p = penstock(dynoxide.url, config=SLOW.format(folder=tmp_path, python=sys.executable, root=ROOT),
                 head=f"log: {{access: {access}}}\nlimits: {{write_timeout_ms: 500}}\n"
                      "drain: {deadline_ms: 300}\n")

    def ends(ip):
        return [(e["status"], e["reason"]) for name in ("request", "request_abandoned")
                for e in p.log_events(name) if e.get("ip") == ip and e.get("reason")]

    def wait_end(ip):
        end = time.monotonic() + 20
        while not ends(ip):
            assert time.monotonic() < end, p.log()[-3000:]
            time.sleep(0.02)
        return ends(ip)

    def ask(ip, paths):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.bind((ip, 0))
        s.connect(("127.0.0.1", p.port))
        s.sendall(b"".join(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path for path in paths))
        return s

    def in_flight(count):
        end = time.monotonic() + 20
        while f"penstock_invocations_in_flight {count}\n" not in metrics():
            assert time.monotonic() < end, p.log()[-3000:]
            time.sleep(0.02)

    def metrics():
        return p.request("GET", "/metrics", port=p.admin).body.decode()

    leaving = ask("127.0.1.1", [b"/slow"])
    in_flight(1)
    leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    leaving.close()
    assert wait_end("127.0.1.1") == [(460, "client_left")]
    deaf = ask("127.0.1.2", [b"/big", b"/slow"])
    assert wait_end("127.0.1.2") == [(0, "write_timeout")]
    deaf.close()
    assert "penstock_http_client_left_total 1\n" in metrics()
    assert 'penstock_http_cut_off_total{reason="write_timeout"} 1\n' in metrics()
    late = ask("127.0.1.3", [b"/slow"])
    in_flight(3)
    assert p.stop() == 0
    assert ends("127.0.1.3") == [(0, "shutdown")]
    late.close()


def test_the_id_of_a_refusal_is_in_its_line(penstock, dynoxide):
    """Even where the head could not be read."""
    p = penstock(dynoxide.url, table=unique("T"))
    with socket.create_connection(("127.0.0.1", p.port), 20) as s:
        s.sendall(b"BAD\r\n\r\n")
        r = http.client.HTTPResponse(s)
        r.begin()
        assert r.status == 400
    end = time.monotonic() + 20
    while not (found := p.log_events("request_refused")):
        assert time.monotonic() < end
        time.sleep(0.02)
    assert [e["request_id"] for e in found] == [r.headers["x-amzn-requestid"]]
