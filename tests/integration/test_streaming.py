"""Responses in parts: from a function to its client as they are made. A gate (a file that the
function waits for) shows what has arrived before the end; nothing here asserts a duration."""
import http.client
import os
import pathlib
import signal
import socket
import ssl

import pytest

from conftest import free_port
from test_functions import COMMANDS, children, config, wait_for
from test_reload import change, reload

NODE = COMMANDS["node"] + ["app.stream"]
STREAM = "    invoke_mode: RESPONSE_STREAM\n    timeout_ms: 60000\n"
ECHO = ("echo", COMMANDS["python"] + ["app.echo"], "    timeout_ms: 20000\n")


def resident(pid):
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def get(p, path):
    c = http.client.HTTPConnection("127.0.0.1", p.port, timeout=60)
    c.request("GET", path)
    return c.getresponse()


@pytest.mark.parametrize("runtime", ["node", "ric"])  # ours, and AWS's own
def test_first_byte_before_the_end(penstock, dynoxide, tmp_path, runtime):
    p = penstock(dynoxide.url, config(("s", COMMANDS[runtime] + ["app.stream"], STREAM)))
    gate = tmp_path / "gate"
    r = get(p, f"/s?gate={gate}")
    assert (r.status, r.getheader("transfer-encoding")) == (201, "chunked")
    assert r.getheader("content-type") == "text/plain" and r.getheader("x-id")
    assert r.headers.get_all("set-cookie") == ["a=1", "b=2"]
    assert r.read(5) == b"xxxxx"
    assert "END" not in p.log()  # it runs
    gate.touch()
    assert r.read() == b""
    wait_for(lambda: '"END"' in p.log())
    r = get(p, "/s?parts=3&plain=1")  # no prelude: the bytes and their type
    assert (r.status, r.getheader("content-type")) == (200, "application/octet-stream")
    assert r.read() == b"x" * 15
    if runtime == "node":
        r = get(p, "/s?parts=0")  # nothing but the prelude, which AWS's runtime leaves out
        assert (r.status, r.getheader("content-type"), r.read()) == (201, "text/plain", b"")
    with pytest.raises(http.client.IncompleteRead):
        get(p, "/s?fail=1&pause=50").read()
    wait_for(lambda: "RangeError" in p.log() and p.log_events("function_stream_broken"))
    assert p.log_events("function_stream_broken")[0]["reason"] == "function_error"


def test_buffered_is_whole(penstock, dynoxide):
    """A streaming handler where nobody streams; and the route has the last word."""
    p = penstock(dynoxide.url, config(
        ("s", NODE, "    timeout_ms: 20000\n"), routes="  - route: GET /streamed\n    function: s\n"
        "    invoke_mode: RESPONSE_STREAM\n"))
    r = p.request("GET", "/s?parts=1000&bytes=1000")
    assert r.status == 201 and r.headers["content-length"] == "1000000" and len(r.body) == 1000000
    assert p.request("GET", "/s?parts=7000&bytes=1000").status == 502  # over 6 MB
    assert p.request("GET", "/s?fail=1").status == 502  # nothing of it has left
    assert p.request("GET", "/s").status == 201
    r = p.request("GET", "/streamed?parts=7000&bytes=1000")
    assert r.status == 201 and len(r.body) == 7000000


def test_whole_answers_on_a_route_that_streams(penstock, dynoxide):
    p = penstock(dynoxide.url, config((*ECHO[:2], STREAM)))
    r = p.request("POST", "/echo", "ping")
    assert r.status == 201 and "content-length" in r.headers


def test_old_clients_and_head(penstock, dynoxide):
    p = penstock(dynoxide.url, config(("s", NODE, STREAM)))
    with socket.create_connection(("127.0.0.1", p.port)) as c:
        c.sendall(b"GET /s?parts=3 HTTP/1.0\r\n\r\n")
        text = b""
        while piece := c.recv(65536):
            text += piece
    head, body = text.split(b"\r\n\r\n", 1)
    assert b"chunked" not in head and b"Connection: close" in head and body == b"x" * 15
    r = p.request("HEAD", "/s")
    assert r.status == 201 and r.body == b""

    # Until close: nothing can follow it, so the second request of a pipeline is closed on, cleanly, and logged.
    ask = b"GET /s?parts=3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    with socket.create_connection(("127.0.0.1", p.port)) as c:
        c.sendall(ask + ask)
        text = b""
        while piece := c.recv(65536):  # a reset would raise
            text += piece
    assert text.count(b"HTTP/1.1 ") == 1 and text.endswith(b"\r\n\r\n" + b"x" * 15)
    wait_for(lambda: len([e for e in p.log_events("request") if e.get("path") == "/s"]) == 4)


@pytest.mark.parametrize("how", ["fail", "die", "hang", "kill"])
def test_broken_in_the_middle(penstock, dynoxide, how):
    more = STREAM.replace("60000", "3000" if how == "hang" else "60000")
    p = penstock(dynoxide.url, config(("s", NODE, more + "    warm: 1\n"), ECHO))
    wait_for(lambda: p.log_events("function_ready"))
    r = get(p, f"/s?{'hang' if how == 'kill' else how}=1")
    assert r.status == 201 and r.read(5) == b"xxxxx"
    if how == "kill":
        os.kill(p.log_events("function_start")[0]["pid"], signal.SIGKILL)
    with pytest.raises(http.client.IncompleteRead):
        r.read()  # no last chunk
    wait_for(lambda: p.log_events("function_stream_broken"))
    line = p.log_events("function_stream_broken")[0]
    assert line["request_id"] == r.getheader("x-amzn-requestid")
    assert line["reason"] == {"fail": "function_error", "hang": "function_timeout"}.get(
        how, line["reason"])
    assert p.request("POST", "/echo", "x").status == 201
    assert get(p, "/s").read() == b"xxxxx"

    c = socket.create_connection(("127.0.0.1", p.port))  # where the close is the end: a reset
    c.sendall(f"GET /s?{'die' if how == 'kill' else how}=1 HTTP/1.0\r\n\r\n".encode())
    with pytest.raises(ConnectionResetError):
        while c.recv(65536):
            pass


def test_broken_before_the_first_byte(penstock, dynoxide):
    p = penstock(dynoxide.url, config(("s", NODE, STREAM)))
    r = p.request("GET", "/s?early=1")
    assert (r.status, r.json()) == (502, {"message": "Internal server error"})
    assert p.request("GET", "/s?status=99").status == 502  # a prelude that is none
    assert p.request("GET", "/s").status == 201


def test_big_stream_to_a_slow_client(penstock, dynoxide):
    """The function waits for its client; Penstock holds a bounded part of it."""
    p = penstock(dynoxide.url, config(("s", NODE, STREAM)),
                 env={"ASAN_OPTIONS": "quarantine_size_mb=1"})  # which would count as ours
    assert p.request("GET", "/s").status == 201
    before = resident(p.process.pid)
    r = get(p, "/s?parts=1000&bytes=65536")
    most = len(r.read(5))
    for _ in range(20):
        most += len(r.read(1 << 20))
        assert resident(p.process.pid) - before < 32 << 20
    total = most
    while piece := r.read(1 << 20):
        total += len(piece)
    assert total == 65536000


def test_limit_of_a_stream(penstock, dynoxide):
    p = penstock(dynoxide.url, config(("s", NODE, STREAM + "    stream_bytes: 100000\n")))
    r = get(p, "/s?parts=9&bytes=10000")
    assert len(r.read()) == 90000
    with pytest.raises(http.client.IncompleteRead):
        get(p, "/s?parts=11&bytes=10000").read()
    wait_for(lambda: p.log_events("function_stream_broken"))
    assert p.log_events("function_stream_broken")[0]["reason"] == "function_response_too_large"
    assert get(p, "/s").read() == b"xxxxx"
    change(p, "stream_bytes: 100000", "stream_bytes: 200000")
    reload(p)
    assert len(get(p, "/s?parts=11&bytes=10000").read()) == 110000


def test_client_that_leaves(penstock, dynoxide, tmp_path):
    """Its function runs on to its end."""
    p = penstock(dynoxide.url, config(("s", NODE, STREAM)))
    r = get(p, "/s?parts=200&bytes=65536")
    r.read(5)
    r.close()
    wait_for(lambda: '"END"' in p.log())
    assert get(p, "/s").read() == b"xxxxx"
    pid = p.log_events("function_start")[0]["pid"]
    assert pid in children(p.process.pid)  # the same process


def test_drain_waits_for_the_end(penstock, dynoxide, tmp_path):
    p = penstock(dynoxide.url, config(("s", NODE, STREAM)))
    gate = tmp_path / "gate"
    r = get(p, f"/s?gate={gate}")
    assert r.read(5) == b"xxxxx"
    p.process.terminate()
    wait_for(lambda: "drain" in p.log() or "stop" in p.log())
    gate.touch()
    assert r.read() == b""
    assert p.stop() == 0


def test_over_tls(penstock, dynoxide, authority):
    inside = free_port()
    pem = authority.issue("streams")
    p = penstock(dynoxide.url, config(("s", NODE, STREAM)),
                 tls=f"  - address: 127.0.0.1:{inside}\n    tls: {{certificate: {pem}, key: {pem}}}\n")
    context = ssl.create_default_context(cafile=str(authority.file))
    for path, size in (("/s?parts=300&bytes=65536", 300 * 65536), ("/s?fail=1&parts=3", None)):
        c = http.client.HTTPSConnection("localhost", inside, timeout=60, context=context)
        c.request("GET", path)
        r = c.getresponse()
        assert r.status == 201
        if size is not None:
            assert len(r.read()) == size
        else:
            with pytest.raises(http.client.IncompleteRead):
                r.read()
