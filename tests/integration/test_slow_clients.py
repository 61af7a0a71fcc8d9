"""Clients that drip, do not read, or come in numbers; descriptors that run out. All the while the admin address
answers, other clients are served, no loop spins; afterwards all is well again. The only times asserted are bounds
ten times what is normal."""
import os
import pathlib
import resource
import socket
import subprocess
import time

import pytest

from conftest import BINARY, MUSIC, Penstock, read_to_end, unique, wait_port

GET = b"GET /music/nobody/nothing HTTP/1.1\r\nHost: x\r\n\r\n"
HEAD = b"POST /music HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
LIMITS = ("limits: {{header_timeout_ms: 1000, body_timeout_ms: 1000, body_min_rate: 1000, first_byte_timeout_ms: 20000,"
          " write_timeout_ms: 1500, linger_ms: 200{more}}}\n")
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def start(penstock, store, more="", **kwargs):
    table = unique("Slow")
    return penstock(store.url, config=MUSIC.format(table=table), table=table,
                    head=LIMITS.format(more=more), dynamodb="  max_connections: 4\n", **kwargs)


def connect(p, source="127.0.0.2"):
    s = socket.create_connection(("127.0.0.1", p.port), 20, source_address=(source, 0))
    s.settimeout(20)
    return s


def assert_healthy(p):
    """The admin address answers, and so do the routes, for one who behaves."""
    assert p.request("GET", "/healthz", port=p.admin, timeout=5).status == 200
    assert p.request("GET", "/music/nobody/nothing", timeout=5).status == 404


def over(sockets):
    """Reads each to its end; what came."""
    texts = []
    for s in sockets:
        texts.append(read_to_end(s))
        s.close()
    return texts


def assert_recovered(begin):
    """Within a second, on a machine that has nothing else to do."""
    took = time.monotonic() - begin
    print(f"recovered in {took:.3f} s")
    assert took < 5


def reasons(p):
    found = {}
    for event in ["connection_closed", "request_refused", "request"]:
        for e in p.log_events(event):
            if "reason" in e:
                found[e["reason"]] = found.get(e["reason"], 0) + 1
    return found


def test_slowloris(penstock, dynoxide):
    p = start(penstock, dynoxide)
    heads = [connect(p) for _ in range(100)]
    bodies = [connect(p) for _ in range(100)]
    for s in bodies:
        s.sendall(HEAD)
    before, begin = cpu_seconds(p.process.pid), time.monotonic()
    for n in range(10):  # a byte each, ten times a second at most
        for s, byte in [(s, GET[n:n + 1]) for s in heads] + [(s, b"x") for s in bodies]:
            try:
                s.sendall(byte)
            except OSError:  # told already that it is too slow
                pass
        assert_healthy(p)
        time.sleep(0.1)
    spent, took = cpu_seconds(p.process.pid) - before, time.monotonic() - begin
    print(f"{spent / took:.3f} of a core")
    assert spent < took / 2, (spent, took)
    assert all(t.startswith(b"HTTP/1.1 408 ") for t in over(heads + bodies) if t)
    assert_healthy(p)
    found = reasons(p)
    assert found["header_timeout"] == 100 and found["body_timeout"] == 100, found


def test_slow_readers(penstock, dynoxide):
    p = start(penstock, dynoxide, more=", out_bytes: 65536, pipeline_depth: 2")
    big = {"Artist": "nobody", "SongTitle": "something", "Text": "x" * 300000}
    assert p.request("POST", "/music", big).status == 201
    deaf = []
    for _ in range(10):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", p.port))
        s.sendall(GET.replace(b"nothing", b"something") * 50)
        deaf.append(s)
    before, begin = cpu_seconds(p.process.pid), time.monotonic()
    end = begin + 20
    while reasons(p).get("write_timeout", 0) < 10:
        assert_healthy(p)
        assert time.monotonic() < end, reasons(p)
        time.sleep(0.1)
    spent, took = cpu_seconds(p.process.pid) - before, time.monotonic() - begin
    print(f"{spent / took:.3f} of a core")
    assert spent < took * 0.7, (spent, took)
    # Of the five hundred answers asked for, few were even fetched: reading had paused.
    assert len([e for e in p.log_events("request") if e.get("route_key") == "GET /music/{Artist}/{SongTitle}"
                and e["status"] == 200]) <= 10 * 4
    for s in deaf:
        s.close()
    assert_healthy(p)


def test_twice_the_connection_limit(penstock, dynoxide):
    p = start(penstock, dynoxide, more=", connections: 50")
    first = [connect(p) for _ in range(50)]
    for s in first:
        s.sendall(GET)
        assert s.recv(4096).startswith(b"HTTP/1.1 404 ")
    late = [connect(p) for _ in range(50)]  # in the backlog
    for s in late:
        s.sendall(GET)
    before, begin = cpu_seconds(p.process.pid), time.monotonic()
    for _ in range(10):
        assert p.request("GET", "/healthz", port=p.admin, timeout=5).status == 200
        first[0].sendall(GET)  # who is in is served
        assert first[0].recv(4096).startswith(b"HTTP/1.1 404 ")
        time.sleep(0.1)
    spent, took = cpu_seconds(p.process.pid) - before, time.monotonic() - begin
    print(f"{spent / took:.3f} of a core")
    assert spent < took / 2, (spent, took)
    assert p.log_events("accept_paused")[0]["connections"] == 50
    late[0].setblocking(False)
    with pytest.raises(BlockingIOError):
        late[0].recv(1)
    late[0].settimeout(20)
    for s in first:
        s.close()
    begin = time.monotonic()
    for s in late:
        assert s.recv(4096).startswith(b"HTTP/1.1 404 ")
    assert_recovered(begin)
    for s in late:
        s.close()
    assert_healthy(p)


class FewDescriptors(Penstock):
    """Started under a small RLIMIT_NOFILE: the connections fit into it."""

    def start(self, wait=True):
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                ["sh", "-c", 'ulimit -n 256 && exec "$0" "$@"', str(BINARY), "run", "-c", str(self.file)],
                stderr=log, env=self.env)
        wait_port(self.admin, self.process)
        if wait:
            self.wait_ready()


@pytest.fixture
def few_descriptors(tmp_path, dynoxide):
    made = []

    def make(*args, **kwargs):
        made.append(FewDescriptors(tmp_path, *args, **kwargs))
        return made[-1]
    yield start(make, dynoxide)
    for p in made:
        assert p.stop() == 0, p.log()[-5000:]


def test_a_small_descriptor_limit(few_descriptors):
    p = few_descriptors
    flood = [connect(p) for _ in range(300)]
    before, begin = cpu_seconds(p.process.pid), time.monotonic()
    for _ in range(10):
        assert p.request("GET", "/healthz", port=p.admin, timeout=5).status == 200
        time.sleep(0.1)
    spent, took = cpu_seconds(p.process.pid) - before, time.monotonic() - begin
    print(f"{spent / took:.3f} of a core")
    assert spent < took / 2, (spent, took)
    assert len(os.listdir(f"/proc/{p.process.pid}/fd")) < 256
    assert p.log_events("accept_failed") == []
    for s in flood:
        s.close()
    begin = time.monotonic()
    assert_healthy(p)
    assert_recovered(begin)


@pytest.mark.parametrize("left", ["none", "sixteen in all"])
def test_descriptors_run_out(penstock, dynoxide, left):
    """Taken away from the running process, as something else in it might: accepting rests, who is in is served, and
    the admin address, which keeps some back, answers whoever comes."""
    p = start(penstock, dynoxide, workers=2)
    pid = p.process.pid
    s = connect(p)
    s.sendall(GET)
    assert s.recv(4096).startswith(b"HTTP/1.1 404 ")
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    most = max(int(fd) for fd in os.listdir(f"/proc/{pid}/fd"))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most + 1 if left == "none" else 16, hard))
    try:
        flood = [connect(p) for _ in range(most + 20)]
        for c in flood:
            c.sendall(GET)
        before, begin = cpu_seconds(pid), time.monotonic()
        for _ in range(10):
            s.sendall(GET)
            assert s.recv(4096).startswith(b"HTTP/1.1 404 ")
            for path in "/healthz", "/readyz", "/metrics", "/healthz", "/healthz":
                assert p.request("GET", path, port=p.admin, timeout=5).status == 200
            time.sleep(0.1)
        spent, took = cpu_seconds(pid) - before, time.monotonic() - begin
        print(f"{spent / took:.3f} of a core")
        assert spent < took / 2, (spent, took)
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    begin = time.monotonic()
    for c in flood:
        assert c.recv(4096).startswith(b"HTTP/1.1 404 ")
        c.close()
    assert_recovered(begin)
    assert p.log_events("accept_failed")[0]["reason"] == "Too many open files"
    assert_healthy(p)
