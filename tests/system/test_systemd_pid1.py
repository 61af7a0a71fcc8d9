"""The Debian package under a real systemd: boot.sh boots it and runs this file in its network.

    sh tests/system/boot.sh BUILD FOLDER python3 -m pytest tests/system

The sample configuration is used as it is installed, but for the tests of functions. The store is
a process of this machine in that network. The tests follow each other: README's installation from
source comes and goes first, then the package is installed, and removed by the last."""
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))
from conftest import Store, free_port  # noqa: E402

INIT = os.environ["PENSTOCK_INIT"]
PACKAGE = pathlib.Path(os.environ["PENSTOCK_PACKAGE"])
FILES = pathlib.Path(f"/proc/{INIT}/root")  # what systemd sees as /
DROP_INS = FILES / "etc/systemd/system/penstock.service.d"
PORT, ADMIN = 8080, 9100  # of the sample configuration

# The keys as the unit's comments say it. The watchdog is the unit's, only faster.
DROP_IN = """[Service]
LoadCredential=aws:/etc/penstock/aws-credentials
Environment=AWS_SHARED_CREDENTIALS_FILE=%d/aws
Environment=AWS_REGION=eu-west-1 AWS_ENDPOINT_URL_DYNAMODB={url}
WatchdogSec=2
"""
KEYS = "[default]\naws_access_key_id = test\naws_secret_access_key = secret\n"


def within(*command, check=True):
    r = subprocess.run(["nsenter", "--target", INIT, "--all", *map(str, command)],
                       capture_output=True, text=True, timeout=90)
    assert not check or r.returncode == 0, f"{command}: {r.stdout}{r.stderr}{journal()}"
    return r


def journal():
    return within("journalctl", "--no-pager", "-o", "cat", "-u", "penstock.service", "-n", "60",
                  check=False).stdout


def show(name, unit="penstock.service"):
    return within("systemctl", "show", "--value", "-p", name, unit).stdout.strip()


def until(what, seconds=30):
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            print(show("ActiveState"), show("StatusText"), journal(), sep="\n")
            raise AssertionError(f"not in {seconds} s")
        time.sleep(0.05)


def request(method, path, body=None, port=PORT, timeout=30, headers=None):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        c.request(method, path, json.dumps(body).encode() if body is not None else None,
                  headers or {})
        r = c.getresponse()
        return r.status, r.read()
    finally:
        c.close()


def put(title):
    return request("POST", "/music", {"Artist": "A", "SongTitle": title})


def in_flight():
    """Whether the store has an operation it has not answered, as /metrics says it."""
    text = request("GET", "/metrics", port=ADMIN)[1].decode()
    return any(float(line.split()[-1]) for line in text.splitlines()
               if line.startswith("penstock_dynamodb_in_flight_ops"))


def processes():
    """What runs in the unit, as PIDs of that systemd."""
    group = FILES / "sys/fs/cgroup" / show("ControlGroup").lstrip("/") / "cgroup.procs"
    return group.read_text().split() if group.is_file() else []


@pytest.fixture(scope="module")
def store():
    """The endpoint that the unit is told; not started yet."""
    s = Store("dynoxide")
    s.stop()
    yield s
    s.stop()


@pytest.fixture(scope="module")
def package():
    within("dpkg", "--install", copy(PACKAGE, "root/penstock.deb"))


def give_keys(url):
    DROP_INS.mkdir(parents=True, exist_ok=True)
    (DROP_INS / "test.conf").write_text(DROP_IN.format(url=url))
    keys = FILES / "etc/penstock/aws-credentials"
    keys.write_text(KEYS)
    keys.chmod(0o600)


@pytest.fixture(scope="module")
def unit(package, store):
    """The unit with keys and an endpoint; running, and ready."""
    give_keys(store.url)
    within("systemctl", "daemon-reload")


@pytest.fixture
def serving(unit, store):
    if store.process.poll() is not None:
        store.start()
    within("systemctl", "restart", "penstock.service")
    yield
    assert put("still-there")[0] == 201


def copy(source, target):
    (FILES / target).parent.mkdir(parents=True, exist_ok=True)
    fresh = FILES / (target + ".new")
    fresh.write_bytes(pathlib.Path(source).read_bytes())
    fresh.rename(FILES / target)  # written over, a loaded library would lose its pages
    return f"/{target}"


# ---- installed from source, and gone again ----

def test_readme_commands(store):
    """In a root that knows no user penstock, which is left as it was."""
    section = (ROOT / "README.md").read_text().split("\n## Running it\n")[1]
    commands = re.search(r"```sh\n(.*?)```", section, re.S)[1].splitlines()
    assert commands[0] == "cmake --install build"
    before = set((FILES / "usr/local").rglob("*"))
    assert within("getent", "passwd", "penstock", check=False).returncode == 2
    store.start()
    try:
        said = subprocess.run(["cmake", "--install", os.environ["PENSTOCK_PACKAGED"]], check=True,
                              env={**os.environ, "DESTDIR": str(FILES)}, capture_output=True,
                              text=True).stdout
        assert f"Then, as root: {commands[1]}\n" in said
        give_keys(store.url)
        for command in commands[1:]:
            within("sh", "-c", command)
        assert show("ActiveState") == "active" and show("ActiveState", "penstock.socket") == "active"
        assert show("FragmentPath") == "/usr/local/lib/systemd/system/penstock.service"
        assert put("from-source")[0] == 201
    finally:
        within("systemctl", "disable", "--now", "penstock.socket", "penstock.service", check=False)
        for path in set((FILES / "usr/local").rglob("*")) - before:
            if not path.is_dir():
                path.unlink()
        for folder in FILES / "etc/penstock", DROP_INS, FILES / "var/lib/penstock":
            shutil.rmtree(folder, ignore_errors=True)
        for command in ("systemctl", "daemon-reload"), ("userdel", "penstock"), ("rmdir", "/run/penstock"):
            within(*command, check=False)
        store.stop()


# ---- installed ----

def test_installed_files(package):
    owned = within("dpkg", "--listfiles", "penstock").stdout.split()
    for path in ("/usr/bin/penstock", "/usr/bin/penstock-bench", "/usr/bin/penstock-sink",
                 "/usr/include/penstock/handler.h", "/usr/lib/systemd/system/penstock.service",
                 "/usr/lib/systemd/system/penstock.socket", "/usr/lib/sysusers.d/penstock.conf",
                 "/usr/lib/tmpfiles.d/penstock.conf", "/etc/penstock/penstock.yaml",
                 "/usr/share/penstock/runtimes/runtime.mjs", "/usr/share/penstock/jit.conf"):
        assert path in owned
    assert within("dpkg", "--verify", "penstock").stdout == ""
    assert "/etc/penstock/penstock.yaml" in within(
        "dpkg-query", "-W", "-f", "${Conffiles}", "penstock").stdout
    within("penstock", "check", "-c", "/etc/penstock/penstock.yaml")
    assert "penstock 0.1.0" in within("penstock", "version").stdout


def test_user_and_directory(package):
    entry = within("getent", "passwd", "penstock").stdout.strip().split(":")
    assert entry[5:] == ["/", "/usr/sbin/nologin"] and 0 < int(entry[2]) < 1000
    assert within("stat", "-c", "%U:%G %a", "/run/penstock").stdout == "penstock:penstock 755\n"


def test_not_started_by_the_installation(package):
    assert show("ActiveState") == "inactive"
    assert show("UnitFileState") == "disabled"
    assert within("systemctl", "--failed", "--plain", "--no-legend").stdout == ""


def test_locked_down_as_loaded(unit):
    r = within("systemd-analyze", "security", "--no-pager", "--threshold=15",
               "penstock.service", check=False)
    assert r.returncode == 0, r.stdout[-2000:] + r.stderr


# ---- start ----

def test_ready_only_when_it_can_serve(unit, store):
    within("systemctl", "start", "--no-block", "penstock.service")
    until(lambda: 'no connection to DynamoDB' in show("StatusText"))
    assert show("ActiveState") == "activating"
    assert request("GET", "/healthz", port=ADMIN)[0] == 200
    assert request("GET", "/readyz", port=ADMIN)[0] == 503
    assert show("ActiveState") == "activating"
    store.start()
    until(lambda: show("ActiveState") == "active")
    assert put("first")[0] == 201
    assert request("GET", "/readyz", port=ADMIN)[0] == 200
    until(lambda: show("StatusText") == "ready")


def test_runs_as_nobody_in_particular(serving):
    pid = show("MainPID")
    status = dict(line.split(":", 1) for line in
                  (FILES / "proc" / pid / "status").read_text().splitlines())
    uid = within("id", "-u", "penstock").stdout.strip()
    assert set(status["Uid"].split()) == {uid}
    assert status["NoNewPrivs"].strip() == "1" and status["Seccomp"].strip() == "2"
    for held in "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb":
        assert int(status[held], 16) == 0
    # The key file is root's, and only a copy in memory is read.
    assert within("setpriv", "--reuid", uid, "--clear-groups", "cat",
                  "/etc/penstock/aws-credentials", check=False).returncode != 0
    assert "secret" not in journal() + show("Environment")


def test_wrong_configuration_is_not_tried_again(unit):
    """Exit code 2, where it is wrong in the journal, no restart."""
    file = FILES / "etc/penstock/penstock.yaml"
    good = file.read_text()
    within("systemctl", "stop", "penstock.service")
    file.write_text(good.replace("put_item:", "put_itme:"))
    try:
        assert within("systemctl", "start", "penstock.service", check=False).returncode != 0
        time.sleep(1.5)  # RestartSec is 1
        assert show("ActiveState") == "failed" and show("NRestarts") == "0"
        assert show("ExecMainStatus") == "2"
        line = good[:good.index("put_item:")].count("\n") + 1
        assert f"/etc/penstock/penstock.yaml:{line}:5: " in journal()
    finally:
        file.write_text(good)
        within("systemctl", "reset-failed", "penstock.service")


# One more route: for the end of the sample's list of them.
AGAIN = """  - route: GET /again/{Artist}/{SongTitle}
    get_item: {table: Music}
"""
KEYS_CSV = "Key,Name,Enabled,UsagePlanIds\n0123456789abcdef0123,acme,TRUE,few\n"
COUNTED = """  - route: POST /counted
    api_key_required: true
    put_item: {table: Music}
usage_plans:
  - name: few
    quota: {limit: 3, period: MONTH}
api_keys_file: api-keys
"""


def reload_with_keys(path):
    """What LoadCredential= gave the service is there at a reload, too, of a good file and a bad."""
    before, good = show("MainPID"), path.read_text()
    path.write_text(good.replace("few\n", "none\n"))
    within("systemctl", "reload", "penstock.service")
    until(lambda: show("StatusText").startswith("reload refused: /etc/penstock/penstock.yaml:"))
    assert "/api-keys:2: .usage_plan: no such plan under usage_plans, for the key acme" in journal()
    path.write_text(good.replace(COUNTED, AGAIN + COUNTED))
    within("systemctl", "reload", "penstock.service")
    until(lambda: show("StatusText").startswith("reloaded: "))
    assert request("GET", "/again/A/first")[0] == 200
    until(lambda: show("ActiveState") == "active")
    assert show("MainPID") == before


def test_quota_outlives_a_restart_and_a_reload(serving):
    """API keys by LoadCredential=, and what was used of their quota in StateDirectory=."""
    def counted(key):
        time.sleep(0.1)  # workers tell each other what they admitted
        item = {"Artist": "counted", "SongTitle": "x"}
        return request("POST", "/counted", item, headers={"x-api-key": key})[0]
    path = FILES / "etc/penstock/penstock.yaml"
    good = path.read_text()
    path.write_text(good + COUNTED)
    keys = FILES / "etc/penstock/api-keys.csv"
    keys.write_text(KEYS_CSV)
    keys.chmod(0o600)
    (DROP_INS / "keys.conf").write_text(
        "[Service]\nLoadCredential=api-keys:/etc/penstock/api-keys.csv\n")
    try:
        within("systemctl", "daemon-reload")
        within("systemctl", "restart", "penstock.service")
        assert counted("0123456789abcdef9999") == 403
        assert [counted("0123456789abcdef0123") for _ in range(4)] == [201, 201, 201, 429]
        within("systemctl", "restart", "penstock.service")
        assert counted("0123456789abcdef0123") == 429
        reload_with_keys(path)
        assert counted("0123456789abcdef0123") == 429
        assert within("stat", "-c", "%U %a", "/var/lib/penstock").stdout == "penstock 700\n"
        assert "0123456789abcdef" not in journal()
    finally:
        path.write_text(good)
        (DROP_INS / "keys.conf").unlink()
        within("systemctl", "daemon-reload")
        within("systemctl", "restart", "penstock.service")


# ---- trouble ----

STUCK = """
#include "penstock/handler.h"
static void invoke(struct penstock_invocation *i, void *state) {
    volatile int forever = 1;
    (void)state;
    while (forever) {
    }
    penstock_respond_message(i, 200, "at last", 0);
}
PENSTOCK_HANDLER(stuck, 0, invoke, 0);
"""
FUNCTIONS = """
functions:
  - {{name: stuck, library: /usr/local/lib/penstock/stuck.so}}
  - name: jit
    command: [{node}, /usr/share/penstock/runtimes/runtime.mjs, app.handler]
    directory: /usr/local/lib/penstock
    warm: 0
    environment: {{LD_LIBRARY_PATH: {libraries}}}
  - name: interpreted
    command: [/opt/host/bin/python3, /usr/share/penstock/runtimes/runtime.py, app.handler]
    directory: /usr/local/lib/penstock
    environment: {{LD_LIBRARY_PATH: {libraries}, PYTHONHOME: /opt/host}}
"""
FUNCTION_ROUTES = """
  - route: GET /stuck
    function: stuck
  - route: GET /jit
    function: jit
  - route: GET /interpreted
    function: interpreted
"""
NODE = """
let f = (n) => { let s = 0; for (let i = 0; i < n; i++) s += i % 7; return s; };
export const handler = async () => ({ statusCode: 200, body: String(f(3e6)) });
"""
PYTHON = """
def handler(event, context):
    return {"statusCode": 200, "body": "no machine code of its own"}
"""


@pytest.fixture
def functions(unit, tmp_path):
    """The sample configuration with functions; node and python3 are this machine's."""
    (tmp_path / "stuck.c").write_text(STUCK)
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{ROOT}/src", "-o", "stuck.so", "stuck.c"],
                   cwd=tmp_path, check=True)
    copy(tmp_path / "stuck.so", "usr/local/lib/penstock/stuck.so")
    (FILES / "usr/local/lib/penstock/app.mjs").write_text(NODE)
    (FILES / "usr/local/lib/penstock/app.py").write_text(PYTHON)
    node = pathlib.Path(subprocess.check_output(["sh", "-c", "command -v node"], text=True)
                        .strip()).resolve()
    node = "/opt/host/" + str(node.relative_to("/usr"))
    libraries = f"/opt/host/lib/{sysconfig.get_config_var('MULTIARCH')}"
    file = FILES / "etc/penstock/penstock.yaml"
    good = file.read_text()
    file.write_text(good + FUNCTION_ROUTES + FUNCTIONS.format(
        node=node, libraries=libraries))
    yield
    file.write_text(good)


def test_watchdog_ends_a_stuck_loop(functions, serving):
    """One worker's loop spins in a handler; the others turn. systemd ends it and starts it."""
    before = show("MainPID")
    with pytest.raises((OSError, http.client.HTTPException)):
        request("GET", "/stuck")
    until(lambda: show("NRestarts") == "1")
    until(lambda: show("ActiveState") == "active" and show("SubState") == "running")
    assert show("MainPID") != before
    assert "Failed with result 'watchdog'" in journal()
    assert put("after-the-watchdog")[0] == 201


def test_jit_needs_the_documented_drop_in(functions, serving):
    """Node dies of MemoryDenyWriteExecute=yes, and answers under jit.conf."""
    assert request("GET", "/interpreted")[0] == 200
    assert request("GET", "/jit")[0] == 502
    DROP_INS.joinpath("jit.conf").write_bytes(
        FILES.joinpath("usr/share/penstock/jit.conf").read_bytes())
    try:
        within("systemctl", "daemon-reload")
        within("systemctl", "restart", "penstock.service")
        assert request("GET", "/jit") == (200, b"8999994")
        assert len(processes()) == 2  # Penstock and its function
        within("systemd-analyze", "security", "--no-pager", "--threshold=15", "penstock.service")
        within("systemctl", "stop", "penstock.service")
        assert processes() == []
    finally:
        DROP_INS.joinpath("jit.conf").unlink()
        within("systemctl", "daemon-reload")
        within("systemctl", "start", "penstock.service")


def test_killed_is_started_again(serving):
    within("systemctl", "kill", "--signal=KILL", "--kill-whom=main", "penstock.service")
    until(lambda: show("NRestarts") == "1" and show("SubState") == "running")
    assert put("after-the-kill")[0] == 201


# ---- stop, restart, socket ----

def test_stop_finishes_what_is_in_flight(serving, store):
    """The store hangs; the write in flight is answered when it goes on, then the unit is gone."""
    answers = []
    store.process.send_signal(signal.SIGSTOP)
    try:
        t = threading.Thread(target=lambda: answers.append(put("in-flight")))
        t.start()
        until(in_flight)
        within("systemctl", "stop", "--no-block", "penstock.service")
        until(lambda: show("StatusText") == "draining")
        assert show("ActiveState") == "deactivating"
        time.sleep(0.3)
        assert not answers
    finally:
        store.process.send_signal(signal.SIGCONT)
    t.join(20)
    assert [status for status, _ in answers] == [201]
    until(lambda: show("ActiveState") == "inactive")
    assert show("Result") == "success" and show("ExecMainStatus") == "0"
    with pytest.raises(ConnectionRefusedError):
        put("too-late")
    within("systemctl", "start", "penstock.service")


class Load(threading.Thread):
    """New connections, one request each, until it is told."""

    def __init__(self, name):
        super().__init__()
        self.name, self.stored, self.failed, self.done = name, [], [], threading.Event()

    def run(self):
        n = 0
        while not self.done.is_set():
            n += 1
            try:
                status, body = put(f"{self.name}-{n}")
            except (OSError, http.client.HTTPException) as e:
                self.failed.append(repr(e))
                continue
            if status == 201:
                self.stored.append(f"{self.name}-{n}")
            else:
                self.failed.append((status, body))


def under_load(*steps):
    """Each step while four clients write; what they were told, and nobody was turned away."""
    loads = [Load(f"c{k}") for k in range(4)]
    for load in loads:
        load.start()
    try:
        for step in steps:
            time.sleep(0.5)
            step()
        time.sleep(0.5)
    finally:
        for load in loads:
            load.done.set()
        for load in loads:
            load.join()
    assert not any(load.failed for load in loads), [load.failed[:3] for load in loads]
    assert all(len(load.stored) > 20 for load in loads)
    return {title for load in loads for title in load.stored}


@pytest.fixture
def socket_unit(unit):
    within("systemctl", "stop", "penstock.service")
    within("systemctl", "start", "penstock.socket")
    yield
    within("systemctl", "stop", "penstock.socket", "penstock.service")
    within("systemctl", "start", "penstock.service")


def test_socket_starts_the_service(socket_unit, store):
    assert show("ActiveState") == "inactive"
    assert put("by-socket")[0] == 201  # it waited in the kernel's queue
    until(lambda: show("ActiveState") == "active")


def test_restart_under_load_refuses_nobody(socket_unit, store):
    put("awake")
    pids = [show("MainPID")]

    def restart():
        within("systemctl", "restart", "penstock.service")
        pids.append(show("MainPID"))
    stored = under_load(restart, restart)
    assert len(set(pids)) == 3
    pages = store.client().get_paginator("query").paginate(
        TableName="Music", KeyConditionExpression="Artist = :a",
        ExpressionAttributeValues={":a": {"S": "A"}})
    assert stored <= {i["SongTitle"]["S"] for page in pages for i in page["Items"]}


def test_unix_socket_outlives_a_restart(unit, store):
    """The commented way of penstock.socket: a path in the directory tmpfiles.d makes."""
    drop_in = FILES / "etc/systemd/system/penstock.socket.d/unix.conf"
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    drop_in.write_text("[Socket]\nListenStream=\nListenStream=/run/penstock/http.sock\n"
                       "SocketUser=penstock\nSocketMode=0660\n")
    file = FILES / "etc/penstock/penstock.yaml"
    good = file.read_text()
    file.write_text(good.replace("  - address: 0.0.0.0:8080",
                                 "  - address: unix:/run/penstock/http.sock\n  - address: 0.0.0.0:8080"))
    try:
        within("systemctl", "daemon-reload")
        within("systemctl", "stop", "penstock.service")
        within("systemctl", "start", "penstock.socket")
        for _ in range(2):
            with socket.socket(socket.AF_UNIX) as c:
                c.connect(str(FILES / "run/penstock/http.sock"))
                c.sendall(b"GET /music/A/first HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                assert c.makefile("rb").read().startswith(b"HTTP/1.1 200 ")
            within("systemctl", "restart", "penstock.service")
        assert within("stat", "-c", "%U %a", "/run/penstock/http.sock").stdout == "penstock 660\n"
    finally:
        file.write_text(good)
        drop_in.unlink()
        within("systemctl", "daemon-reload")
        within("systemctl", "stop", "penstock.socket", "penstock.service")
        within("systemctl", "start", "penstock.service")


# ---- reload ----

@pytest.fixture
def file(serving):
    """The configuration file, put back and reloaded afterwards."""
    path = FILES / "etc/penstock/penstock.yaml"
    good = path.read_text()
    yield path
    path.write_text(good)
    within("systemctl", "reload", "penstock.service")
    until(lambda: request("GET", "/again/A/first")[0] == 404)


def test_reload(file):
    """A new route, by the same process."""
    before = show("MainPID")
    put("first")
    file.write_text(file.read_text() + AGAIN)
    assert request("GET", "/again/A/first")[0] == 404
    within("systemctl", "reload", "penstock.service")
    until(lambda: request("GET", "/again/A/first")[0] == 200)
    until(lambda: show("ActiveState") == "active")
    assert show("MainPID") == before and show("NRestarts") == "0"


def test_reload_of_a_wrong_file_changes_nothing(file):
    """The journal and the status line say so; what was there serves on."""
    before, good = show("MainPID"), file.read_text()
    line = good[:good.index("put_item:")].count("\n") + 1
    place = f"/etc/penstock/penstock.yaml:{line}:5: "
    file.write_text(good.replace("put_item:", "put_itme:") + AGAIN)
    within("systemctl", "reload", "penstock.service")
    until(lambda: show("StatusText").startswith(f"reload refused: {place}"))
    assert any("reload_refused" in entry and place in entry for entry in journal().splitlines())
    until(lambda: show("ActiveState") == "active")
    assert put("still-the-old-one")[0] == 201
    assert request("GET", "/again/A/first")[0] == 404
    assert show("MainPID") == before


def test_reload_under_load(file):
    plain, n = file.read_text(), []

    def reload():
        n.append(0)
        file.write_text(plain + AGAIN * (len(n) % 2))
        within("systemctl", "reload", "penstock.service")
        until(lambda: request("GET", "/again/A/first")[0] == (200 if len(n) % 2 else 404))
    put("first")
    under_load(reload, reload, reload)


# ---- upgraded, removed ----

def test_upgrade_keeps_the_configuration_and_restarts(serving):
    file = FILES / "etc/penstock/penstock.yaml"
    file.write_text(file.read_text() + "# mine\n")
    before = show("MainPID")
    within("dpkg", "--install", "--force-confold", "/root/penstock.deb")
    until(lambda: show("SubState") == "running")
    assert show("MainPID") != before
    assert file.read_text().endswith("# mine\n")


def test_removed(unit):
    within("systemctl", "stop", "penstock.service")
    within("systemctl", "enable", "--now", "penstock.socket", "penstock.service")
    within("dpkg", "--remove", "penstock")
    assert show("ActiveState") == "inactive"
    assert show("ActiveState", "penstock.socket") == "inactive"
    assert not (FILES / "usr/bin/penstock").exists()
    assert (FILES / "etc/penstock/penstock.yaml").exists()
    assert not (FILES / "etc/systemd/system/multi-user.target.wants/penstock.service").is_symlink()
    within("dpkg", "--purge", "penstock")
    assert not (FILES / "etc/penstock/penstock.yaml").exists()
