"""The doors of the real program: IPv4, IPv6, unix socket, HTTPS; HTTP/1.0, pipelining, HEAD, 100-continue;
limits from the configuration file."""
import http.client
import json
import os
import socket
import ssl
import tempfile
import time

import pytest

from conftest import MUSIC, free_port, unique

SONG = b'{"Artist":"A","SongTitle":"s"}'
POST = b"POST /music HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(SONG), SONG)


def talk(sock, data, until=None):
    """Sends, then reads to the end, or until `until` answers are there."""
    sock.settimeout(20)
    sock.sendall(data)
    got = b""
    while until is None or got.count(b"HTTP/1.1 ") < until or not got.endswith(b"}"):
        more = sock.recv(65536)
        if not more:
            break
        got += more
    return got


@pytest.fixture
def doors(penstock, dynoxide, authority):
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "http.sock")
    v6, https = free_port(), free_port()
    pem = authority.issue("door")
    table = unique("Doors")
    tls = f"  - address: 127.0.0.1:{https}\n    tls: {{certificate: {pem}, key: {pem}}}\n"
    p = penstock(dynoxide.url, config=MUSIC.format(table=table), table=table, workers=2,
                 listen=[f"[::1]:{v6}", f"unix:{path}"], head="", tls=tls)
    p.v6, p.https, p.path = v6, https, path
    return p


def test_every_door(doors, authority):
    with socket.create_connection(("127.0.0.1", doors.port)) as s:
        assert talk(s, POST, 1).startswith(b"HTTP/1.1 201 Created\r\n")
    with socket.create_connection(("::1", doors.v6)) as s:
        assert talk(s, POST, 1).startswith(b"HTTP/1.1 201 ")
    for _ in range(8):  # both workers listen on the one unix socket
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(doors.path)
            assert talk(s, POST, 1).startswith(b"HTTP/1.1 201 ")
    context = ssl.create_default_context(cafile=str(authority.file))
    c = http.client.HTTPSConnection("localhost", doors.https, context=context, timeout=20)
    c.request("POST", "/music", SONG)
    assert c.getresponse().status == 201
    c.close()
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.raises(OSError):
        socket_ = socket.create_connection(("127.0.0.1", doors.https), 20)
        context.wrap_socket(socket_, server_hostname="localhost")


def test_protocol_on_the_wire(doors):
    with socket.create_connection(("127.0.0.1", doors.port)) as s:  # pipelined, answered in order
        get = b"GET /music/A/s HTTP/1.1\r\nHost: x\r\n\r\n"
        got = talk(s, POST + get + b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 3)
        assert [int(x[:3]) for x in got.split(b"HTTP/1.1 ")[1:]] == [201, 200, 404]
    with socket.create_connection(("127.0.0.1", doors.port)) as s:
        got = talk(s, b"GET /music/A/s HTTP/1.0\r\n\r\n")
        assert b" 200 " in got.split(b"\r\n")[0] and b"\"Artist\":\"A\"" in got
    with socket.create_connection(("127.0.0.1", doors.port)) as s:
        s.settimeout(20)
        s.sendall(b"POST /music HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                  b"Content-Length: %d\r\n\r\n" % len(SONG))
        assert s.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert talk(s, SONG, 1).startswith(b"HTTP/1.1 201 ")
    chunked = (b"POST /music HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
               b"5\r\n" + SONG[:5] + b"\r\n%x\r\n" % len(SONG[5:]) + SONG[5:] + b"\r\n0\r\n\r\n")
    with socket.create_connection(("127.0.0.1", doors.port)) as s:
        assert talk(s, chunked, 1).startswith(b"HTTP/1.1 201 ")


def test_limits_come_from_the_file(penstock, dynoxide):
    table = unique("Limits")
    p = penstock(dynoxide.url, config=MUSIC.format(table=table), table=table,
                 head="limits: {body_bytes: 100, header_count: 10, target_bytes: 64, "
                      "header_timeout_ms: 300, idle_timeout_ms: 300}\n")
    assert p.request("POST", "/music", "x" * 101).status == 413
    assert p.request("GET", "/music/" + "x" * 60).status == 414
    assert p.request("GET", "/music/A", headers={f"h{i}": "v" for i in range(12)}).status == 431
    with socket.create_connection(("127.0.0.1", p.port)) as s:
        assert b" 408 " in talk(s, b"GET / HTTP/1.1\r\nHo")
    with socket.create_connection(("127.0.0.1", p.port)) as s:
        got = talk(s, b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")  # then closed as idle
        assert b" 404 " in got
    assert p.request("POST", "/music", SONG).status == 201


def test_every_answer_and_log_line_share_an_id(doors):
    r = doors.request("POST", "/music", b"not json")
    assert r.status == 400
    lines = []
    end = time.monotonic() + 20  # the log has a writer thread of its own
    while not lines and time.monotonic() < end:
        lines = [x for x in doors.log_events("request")
                 if x["request_id"] == r.headers["x-amzn-requestid"]]
        time.sleep(0.05)
    assert len(lines) == 1 and lines[0]["status"] == 400 and lines[0]["path"] == "/music"
    assert "not json" not in doors.log()
    assert json.loads(r.body)["message"]


def test_secrets_and_bodies_stay_out_of_the_log(penstock, dynoxide):
    table = unique("Quiet")
    p = penstock(dynoxide.url, config=MUSIC.format(table=table), table=table,
                 head="log: {level: debug}\n",
                 env={"AWS_SECRET_ACCESS_KEY": "hush-hush", "AWS_SESSION_TOKEN": "tok-tok"})
    p.request("POST", "/music", '{"Artist":"A","SongTitle":"s","x":"body-body"}')
    p.request("GET", "/music/A?next=query-query")
    text = p.log()
    assert text and not any(w in text for w in ("hush-hush", "tok-tok", "body-body", "query-query"))
