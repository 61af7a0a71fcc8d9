"""What a service manager sees, without one: the notify socket, the watchdog, sockets handed over,
what an installation leaves."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from conftest import BINARY, ROOT, Penstock, free_port, unique, wait_port

# As systemd does between fork and exec: descriptors 3, 4, ... and whom they are meant for.
LAUNCH = """
import fcntl, os, sys
fds = [fcntl.fcntl(int(n), fcntl.F_DUPFD, 100) for n in sys.argv[1].split(",")]
for i, fd in enumerate(fds):
    os.dup2(fd, 3 + i)
    os.close(fd)
os.environ.update(LISTEN_PID=str(os.getpid() + int(sys.argv[2])), LISTEN_FDS=str(len(fds)),
                  LISTEN_FDNAMES=":".join(f"s{i}" for i in range(len(fds))))
os.execv(sys.argv[3], sys.argv[3:])
"""


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.lines = []

    def until(self, line, seconds=30):
        """Reads until the line comes; returns what came before it."""
        end = time.monotonic() + seconds
        before = []
        while time.monotonic() < end:
            while self.lines:
                got = self.lines.pop(0)
                if got.startswith(line):
                    return before
                before.append(got)
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                self.lines += self.socket.recv(4096).decode().splitlines()
            except socket.timeout:
                pass
        raise AssertionError(f"no {line!r} in {seconds} s; before: {before}")


@pytest.fixture
def manager(tmp_path):
    m = Manager(str(tmp_path / "notify"))
    yield m
    m.socket.close()


def notify_env(path, **more):
    return {"NOTIFY_SOCKET": str(path), **more}


def test_ready_status_stopping(penstock, dynoxide, manager, tmp_path):
    p = penstock(dynoxide.url, table=unique("T"), env=notify_env(tmp_path / "notify"), workers=2)
    before = manager.until("READY=1")
    assert all(line.startswith("STATUS=not ready") for line in before), before
    manager.until("STATUS=ready")
    p.process.terminate()
    assert manager.until("STOPPING=1") == []
    manager.until("STATUS=draining")


def test_status_says_why_not_ready(penstock, manager, tmp_path):
    penstock(f"http://127.0.0.1:{free_port()}", env=notify_env(tmp_path / "notify"), wait=False)
    manager.until('STATUS=not ready: "no connection to DynamoDB"')
    with pytest.raises(AssertionError):
        manager.until("READY=1", 1)


@pytest.mark.parametrize("started", [False, True])
def test_a_reload_before_it_can_serve_does_not_make_it_ready(penstock, manager, tmp_path, started):
    """With its workers waiting for a connection, and with the keys of its table not known yet."""
    config = {} if started else {"config": "tables: [{name: Music}]\nroutes:\n  - route: GET /{Artist}\n"
                                           "    get_item: {table: Music}\n"}
    p = penstock(f"http://127.0.0.1:{free_port()}", env=notify_env(tmp_path / "notify"), wait=False, **config)
    manager.until("STATUS=not ready: ")
    p.process.send_signal(signal.SIGHUP)
    before = manager.until("STATUS=reload")
    assert all(line.startswith("STATUS=not ready: ") for line in before), before
    with pytest.raises(AssertionError):
        manager.until("READY=1", 1)


def test_abstract_socket(penstock, dynoxide):
    name = f"penstock-{os.getpid()}"
    m = Manager("\0" + name)
    penstock(dynoxide.url, table=unique("T"), env=notify_env("@" + name))
    m.until("READY=1")


def test_watchdog_while_every_loop_turns(penstock, dynoxide, manager, tmp_path):
    """Idle loops count as turning."""
    penstock(dynoxide.url, table=unique("T"), workers=3,
             env=notify_env(tmp_path / "notify", WATCHDOG_USEC="800000"))
    manager.until("READY=1")
    start = time.monotonic()
    for _ in range(10):
        manager.until("WATCHDOG=1", 10)
    assert time.monotonic() - start > 9 * 0.15  # a quarter of the span each, not a flood


def test_watchdog_of_somebody_else(penstock, dynoxide, manager, tmp_path):
    penstock(dynoxide.url, table=unique("T"),
             env=notify_env(tmp_path / "notify", WATCHDOG_USEC="200000", WATCHDOG_PID="1"))
    manager.until("READY=1")
    with pytest.raises(AssertionError):
        manager.until("WATCHDOG=1", 1)


STUCK = """
#include "penstock/handler.h"
#include <unistd.h>
static void invoke(struct penstock_invocation *i, void *state) {
    (void)state;
    sleep(3); /* what no handler may do */
    penstock_respond_message(i, 200, "at last", NULL);
}
PENSTOCK_HANDLER(stuck, NULL, invoke, NULL);
"""


def test_watchdog_is_silent_while_one_loop_is_stuck(penstock, dynoxide, manager, tmp_path):
    (tmp_path / "stuck.c").write_text(STUCK)
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{ROOT}/src", "-o", "stuck.so", "stuck.c"],
                   cwd=tmp_path, check=True)
    table = unique("T")
    p = penstock(dynoxide.url, workers=2, table=table,
                 env=notify_env(tmp_path / "notify", WATCHDOG_USEC="800000"),
                 config=f"functions:\n  - {{name: stuck, library: {tmp_path}/stuck.so}}\n"
                        "routes:\n  - route: GET /stuck\n    function: stuck\n")
    manager.until("WATCHDOG=1")
    answers = []
    t = threading.Thread(target=lambda: answers.append(p.request("GET", "/stuck").status))
    t.start()
    time.sleep(0.5)  # it is stuck by now; what was sent before is read away
    manager.socket.setblocking(False)
    try:
        while True:
            manager.socket.recv(4096)
    except BlockingIOError:
        pass
    with pytest.raises(AssertionError):
        manager.until("WATCHDOG=1", 1.2)
    assert p.request("GET", "/healthz", port=p.admin).status == 200
    t.join()
    assert answers == [200]
    manager.until("WATCHDOG=1")


class Activated(Penstock):
    """Started with listening sockets that the test owns."""

    sockets = ()
    not_for_us = 0

    def start(self, wait=True):
        fds = [s.fileno() for s in self.sockets]
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", LAUNCH, ",".join(map(str, fds)), str(self.not_for_us),
                 str(BINARY), "run", "-c", str(self.file)],
                stderr=log, env=self.env, pass_fds=fds)
        if wait:
            wait_port(self.admin, self.process)
            self.wait_ready()


def tcp_listener(port=0):
    s = socket.create_server(("127.0.0.1", port), backlog=4096)
    return s, s.getsockname()[1]


@pytest.fixture
def activated(tmp_path):
    made = []

    def make(*args, sockets, not_for_us=0, **kwargs):
        kind = type("A", (Activated,), {"sockets": sockets, "not_for_us": not_for_us})
        made.append(kind(tmp_path, *args, **kwargs))
        return made[-1]
    yield make
    for p in made:
        p.stop()


def post(p, n, port=None):
    return p.request("POST", "/music", {"Artist": "A", "SongTitle": f"{n}"}, port=port)


@pytest.mark.parametrize("workers", [1, 3])
def test_sockets_handed_over(activated, dynoxide, tmp_path, workers):
    """A TCP and a unix socket; the unix one is one that nobody else could bind a second time."""
    s, port = tcp_listener()
    path = str(tmp_path / "http.sock")
    u = socket.socket(socket.AF_UNIX)
    u.bind(path)
    u.listen(64)
    p = activated(dynoxide.url, sockets=[u, s], workers=workers, table=unique("T"),
                  listen=[f"127.0.0.1:{port}", f"unix:{path}"])
    for n in range(8):
        assert post(p, n, port).status == 201
    c = socket.socket(socket.AF_UNIX)
    c.connect(path)
    c.sendall(b"GET /music/A HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert c.makefile("rb").read().startswith(b"HTTP/1.1 200 ")
    assert p.stop() == 0
    with socket.create_connection(("127.0.0.1", port), 5):
        pass  # still listening: the socket is not the program's


def test_socket_for_another_process_is_left_alone(activated, dynoxide):
    s, port = tcp_listener()
    p = activated(dynoxide.url, sockets=[s], not_for_us=1, table=unique("T"))
    assert p.process.poll() is None


def refused(activated, dynoxide, sockets, **kwargs):
    p = activated(dynoxide.url, sockets=sockets, wait=False, **kwargs)
    assert p.process.wait(20) == 1
    return p.log()


def test_socket_nobody_asked_for(activated, dynoxide):
    s, port = tcp_listener()
    log = refused(activated, dynoxide, [s])
    assert f"LISTEN_FDS: descriptor 3 listens on 127.0.0.1:{port}, which is not under" in log


def test_descriptor_that_does_not_listen(activated, dynoxide):
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    log = refused(activated, dynoxide, [s], listen=[f"127.0.0.1:{s.getsockname()[1]}"])
    assert "LISTEN_FDS: descriptor 3 (s0) is not a listening stream socket" in log


def test_restart_refuses_nobody(activated, dynoxide):
    """New connections at every moment of two restarts: each is answered."""
    s, port = tcp_listener()
    p = activated(dynoxide.url, sockets=[s], workers=2, table=unique("T"),
                  listen=[f"127.0.0.1:{port}"], head="drain: {deadline_ms: 5000}\n")
    bad, good, done = [], [0], threading.Event()

    def load(k):
        n = 0
        while not done.is_set():
            n += 1
            try:
                r = post(p, f"{k}-{n}", port)
                if r.status == 201:
                    good[0] += 1
                else:
                    bad.append(r)
            except OSError as e:
                bad.append(e)
    threads = [threading.Thread(target=load, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    try:
        for _ in range(2):
            time.sleep(0.3)
            assert p.stop() == 0
            p.start()
        time.sleep(0.3)
    finally:
        done.set()
        for t in threads:
            t.join()
    assert not bad, bad[:5]
    assert good[0] > 20


def test_unit_is_locked_down():
    """systemd's own judgement of the unit file; 1.5 is its word for well protected."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not there: install the package systemd")
    unit = pathlib.Path(ROOT) / "systemd" / "penstock.service"
    r = subprocess.run([analyze, "security", "--offline=true", "--threshold=15", str(unit)],
                       capture_output=True, text=True)
    assert r.returncode == 0, r.stdout[-4000:] + r.stderr


def test_install_follows_the_prefix(tmp_path):
    """Under /usr/local the units say so; the configuration goes where the program looks, and one
    that is there is kept."""
    env = {**os.environ, "DESTDIR": str(tmp_path)}
    script = ["cmake", "-DCMAKE_INSTALL_PREFIX=/usr/local", "-P",
              str(ROOT / "systemd/install.cmake")]
    said = subprocess.run(script, env=env, check=True, capture_output=True, text=True).stdout
    after = said.split("Then, as root: ")[1]
    assert "systemd-sysusers" in after and f"\ncmake --install build\n{after}" in (ROOT / "README.md").read_text()
    unit = (tmp_path / "usr/local/lib/systemd/system/penstock.service").read_text()
    assert "\nExecStart=/usr/local/bin/penstock run\n" in unit
    for name in ("sysusers.d/penstock.conf", "tmpfiles.d/penstock.conf",
                 "systemd/system/penstock.socket"):
        assert (tmp_path / "usr/local/lib" / name).is_file()
    config = tmp_path / "etc/penstock/penstock.yaml"
    assert subprocess.run([str(BINARY), "check", "-c", str(config)]).returncode == 0
    config.write_text("mine")
    subprocess.run(script, env=env, check=True, capture_output=True)
    assert config.read_text() == "mine"


def test_debian_package_declares_what_it_needs():
    """The maintainer scripts parse, and the conffile is the one that is installed."""
    folder = ROOT / "systemd" / "debian"
    for name in "postinst", "prerm", "postrm":
        subprocess.run(["sh", "-n", str(folder / name)], check=True)
        assert os.access(folder / name, os.X_OK)
    assert (folder / "conffiles").read_text() == "/etc/penstock/penstock.yaml\n"
