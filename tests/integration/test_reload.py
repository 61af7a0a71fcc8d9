"""SIGHUP: another configuration under load, and everything that refuses one."""
import http.client
import json
import os
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from conftest import ROOT, free_port, unique
from test_systemd import Manager, notify_env

BASE = """
tables:
  - name: {table}
    partition_key: {{name: Artist, type: S}}
    sort_key: {{name: SongTitle, type: S}}
    create_if_missing: true
stage: {{variables: {{mode: {mode}}}}}
routes:
  - route: POST /music
    put_item: {{table: {table}, set: {{mode: $stageVariables.mode}}}}
  - route: GET /music/{{Artist}}/{{SongTitle}}
    get_item: {{table: {table}}}
"""


def change(p, old, new):
    text = p.file.read_text()
    assert old in text, text
    p.file.write_text(text.replace(old, new))


def hup(p, event, number=signal.SIGHUP):
    """Sends SIGHUP and waits for its end; returns the log entry."""
    before = len(p.log_events(event))
    p.process.send_signal(number)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        found = p.log_events(event)
        if len(found) > before:
            return found[-1]
        assert p.process.poll() is None, p.log()[-3000:]
        time.sleep(0.02)
    raise AssertionError(f"no {event}\n{p.log()[-3000:]}")


def reload(p):
    return hup(p, "reloaded")


def refused(p, pattern):
    """The old configuration keeps serving; the message has FILE:LINE:COLUMN."""
    entry = hup(p, "reload_refused")
    assert entry["level"] == "error"
    assert re.fullmatch(re.escape(str(p.file)) + r":\d+:\d+: " + pattern, entry["error"]), entry
    assert p.process.poll() is None
    assert not p.log_events("reloaded")
    return entry


class Load(threading.Thread):
    """Requests one after the other on a keep-alive connection, until told to stop."""

    def __init__(self, port, name):
        super().__init__()
        self.port, self.name_ = port, name
        self.good, self.bad, self.last = 0, [], None
        self.done = threading.Event()

    def run(self):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        while not self.done.is_set():
            song = {"Artist": self.name_, "SongTitle": f"{self.good:06}"}
            try:
                c.request("POST", "/music", json.dumps(song).encode())
                r = c.getresponse()
                body = r.read()
                if r.status == 201:
                    self.good, self.last = self.good + 1, song["SongTitle"]
                else:
                    self.bad.append((r.status, body))
            except (OSError, http.client.HTTPException) as e:
                self.bad.append(repr(e))
                c.close()
        c.close()


class Loads:
    """Four of them; afterwards none has seen a failed request."""

    def __init__(self, port):
        self.all = [Load(port, f"client-{k}") for k in range(4)]

    def __enter__(self):
        for load in self.all:
            load.start()
        return self

    def progress(self, n=5):
        start = [load.good for load in self.all]
        end = time.monotonic() + 30
        while any(load.good < s + n for load, s in zip(self.all, start)):
            assert time.monotonic() < end and not any(load.bad for load in self.all), [
                load.bad[:5] for load in self.all]
            time.sleep(0.01)

    def __exit__(self, *_):
        for load in self.all:
            load.done.set()
        for load in self.all:
            load.join()
        assert not any(load.bad for load in self.all), [load.bad[:5] for load in self.all]


def test_reload_under_load(penstock, dynoxide):
    table = unique("T")
    p = penstock(dynoxide.url, table=table, workers=2,
                 config=BASE.format(table=table, mode="first"))
    with Loads(p.port) as loads:
        loads.progress()
        assert p.request("GET", "/other/x").status == 404
        change(p, "mode: first", "mode: second")
        change(p, "  - route: GET /music/{Artist}/{SongTitle}", "  - route: GET /other/{Artist}/"
               "{SongTitle}")
        assert reload(p)["routes"] == 2
        loads.progress()
        assert p.request("GET", "/music/client-0/000000").status == 404  # that route is gone
        item = p.request("GET", f"/other/client-0/{loads.all[0].last}").json()
        assert item["mode"] == "second"
        assert p.request("GET", "/other/client-0/000000").json()["mode"] == "first"
        for mode in ["third", "fourth", "fifth"]:
            p.file.write_text(re.sub(r"mode: \w+}}", f"mode: {mode}}}}}", p.file.read_text()))
            reload(p)
            loads.progress()
        last = p.request("GET", f"/other/client-0/{loads.all[0].last}").json()
        assert last["mode"] == "fifth"
    posts = sum(load.good for load in loads.all)
    page = p.request("GET", "/metrics", port=p.admin).body.decode()
    counted = re.search(r'route="POST /music",status="201"} (\d+)', page)
    assert counted and int(counted[1]) == posts  # counted on through every reload


def test_limits(penstock, dynoxide):
    """Of the server and of the stage; also for a connection that is open."""
    table = unique("T")
    p = penstock(dynoxide.url, table=table, config=BASE.format(table=table, mode="a"),
                 head="limits: {body_bytes: 500}\n")
    song = json.dumps({"Artist": "a", "SongTitle": "b", "Text": "x" * 600})
    c = http.client.HTTPConnection("127.0.0.1", p.port, timeout=30)

    def post(body, status):
        c.request("POST", "/music", body)
        r = c.getresponse()
        r.read()
        assert r.status == status
    post('{"Artist":"a","SongTitle":"b"}', 201)
    assert p.request("POST", "/music", song).status == 413
    change(p, "body_bytes: 500", "body_bytes: 1000")
    reload(p)
    post(song, 201)
    change(p, "stage: {", "stage: {throttle: {rate: 1, burst: 1}, ")
    reload(p)
    answers = [p.request("POST", "/music", song) for _ in range(4)]
    assert 429 in [a.status for a in answers], answers
    c.close()


def test_signals_that_come_together_are_one_reload_more(penstock, dynoxide):
    table = unique("T")
    p = penstock(dynoxide.url, table=table, config=BASE.format(table=table, mode="a"))
    for _ in range(20):
        p.process.send_signal(signal.SIGHUP)
    reload(p)
    assert p.request("POST", "/music", {"Artist": "a", "SongTitle": "b"}).status == 201


def test_another_servers_word_for_an_upgrade(penstock, dynoxide):
    """SIGUSR2: not the end of it, but a line that says how a new program takes over."""
    table = unique("T")
    p = penstock(dynoxide.url, table=table, config=BASE.format(table=table, mode="a"))
    with Loads(p.port) as loads:
        loads.progress()
        entry = hup(p, "signal_ignored", signal.SIGUSR2)
        assert entry["signal"] == "SIGUSR2" and "restart under penstock.socket" in entry["reason"]
        loads.progress()
    assert len(p.log_events("signal_ignored")) == 1 and p.ready().status == 200


SLOW = """
export async function handler(event) {
    await new Promise(done => setTimeout(done, Number(event.pathParameters.ms)));
    return {statusCode: 200, body: process.pid + " " + (process.env.WORD || "")};
}
"""

FUNCTIONS = """
functions:
  - name: slow
    command: [node, {runtime}, {folder}/slow.handler]
    environment: {{WORD: {word}}}
    concurrency: 2
    per_process: 1
    timeout_ms: 20000
routes:
  - route: GET /slow/{{ms}}
    function: slow
"""


def test_functions(penstock, dynoxide, tmp_path):
    """One that has not changed keeps its processes; one that has is replaced, and a call in
    flight ends on the old one. A route that goes has its answer to the end, too."""
    (tmp_path / "slow.mjs").write_text(SLOW)
    runtime = ROOT / "src/lambda/runtimes/runtime.mjs"
    config = FUNCTIONS.format(runtime=runtime, folder=tmp_path, word="one")
    p = penstock(dynoxide.url, config=config)
    pid = p.request("GET", "/slow/0").body
    assert pid.endswith(b" one")
    change(p, "GET /slow/{ms}", "GET /calm/{ms}")
    reload(p)
    assert p.request("GET", "/calm/0").body == pid  # the same process
    answers = []
    t = threading.Thread(target=lambda: answers.append(p.request("GET", "/calm/2000")))
    t.start()
    time.sleep(0.4)
    change(p, "WORD: one", "WORD: two")
    change(p, "GET /calm/{ms}", "GET /new/{ms}")
    reload(p)
    assert p.request("GET", "/calm/0").status == 404
    assert p.request("GET", "/new/0").body.endswith(b" two")
    assert not answers
    t.join()
    assert answers[0].status == 200 and answers[0].body == pid
    end = time.monotonic() + 10
    while os.path.exists(f"/proc/{pid.split()[0].decode()}"):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_new_table_is_created_before_the_swap(penstock, dynoxide):
    table, more = unique("T"), unique("N")
    p = penstock(dynoxide.url, table=table, config=BASE.format(table=table, mode="a"))
    change(p, "stage:", f"  - name: {more}\n    partition_key: {{name: k, type: S}}\n"
                        "    create_if_missing: true\nstage:")
    p.file.write_text(p.file.read_text() + f"  - route: POST /more\n    put_item: {{table: {more}}}"
                                           "\n")
    reload(p)
    assert p.request("POST", "/more", {"k": "v"}).status == 201
    assert dynoxide.client().get_item(TableName=more, Key={"k": {"S": "v"}})["Item"]
    change(p, f"  - route: POST /more\n    put_item: {{table: {more}}}\n", "")
    change(p, f"  - name: {more}\n    partition_key: {{name: k, type: S}}\n"
              "    create_if_missing: true\n", "")
    reload(p)
    assert p.request("POST", "/more", {"k": "v"}).status == 404
    assert p.request("POST", "/music", {"Artist": "a", "SongTitle": "b"}).status == 201


BAD = {
    "no YAML": ("routes:", "routes: ]", r".*"),
    "unknown key": ("stage:", "stagee:", r"unknown key stagee; did you mean stage\?"),
    "table of a route is gone": ("put_item: {{table: {table}", "put_item: {{table: Elsewhere",
                                 r"routes\[\]\.put_item\.table: no table Elsewhere under tables"),
    "function of a route is gone": ("get_item: {{table: {table}}}", "function: gone",
                                    r"routes\[\]\.function: no function gone under functions"),
    "admin": ("admin: ", "admin: off #", r'admin: a change needs a restart .*'),
    "workers": ("workers: 1", "workers: 2",
                r'workers: a change needs a restart \(it is "1", not "2"\)'),
    "endpoint": ("endpoint: http", "endpoint: https", r"dynamodb\.endpoint: a change needs .*"),
    "connections": ("stage:", "limits: {{connections: 7}}\nstage:",
                    r"limits\.connections: a change needs a restart .*"),
    "listen": ("  - address: 127.0.0.1:", "  - address: 127.0.0.2:",
               r"listen\[\]: a change of addresses or of their tls needs a restart .*"),
    "keys of a table": ("sort_key: {{name: SongTitle", "sort_key: {{name: Song",
                        r"tables\[\] .*: other keys need a restart"),
    "missing table": ("stage:", "  - name: NoSuchTable\nstage:",
                      r"table NoSuchTable: it does not exist"),
    "missing program": ("stage:", "functions:\n  - {{name: f, command: [/no/such/program]}}\n"
                        "stage:", r"functions\[\]\.command: /no/such/program: .*"),
    "program in no PATH": ("stage:", "functions:\n  - {{name: f, command: [no-such-program]}}\n"
                           "stage:", r"functions\[\]\.command: no-such-program: not in PATH"),
    "program not in its PATH": ("stage:", "functions:\n  - {{name: f, command: [sh], environment: "
                                "{{PATH: /nowhere}}}}\nstage:",
                                r"functions\[\]\.command: sh: not in PATH"),
    "directory of a function": ("stage:", "functions:\n  - {{name: f, command: [sh], directory: /nowhere}}\n"
                                "stage:", r"functions\[\]\.directory: /nowhere: No such file .*"),
    "library": ("stage:", "functions:\n  - {{name: f, library: /nowhere.so}}\nstage:",
                r"functions\[\]\.library: .*/nowhere.so.*"),
    "key file": ("stage:", "api_keys_file: /nowhere\nstage:",
                 r"api_keys_file: /nowhere: cannot be read: No such file or directory"),
    "usage plan": ("stage:", "api_keys: [{{name: a, sha256: " + "0" * 64 + ", usage_plan: gone}}]\nstage:",
                   r"api_keys\[\]\.usage_plan: no such plan under usage_plans, for the key a"),
    "state": ("stage:", "state_directory: /nowhere\nstage:", r"state_directory: a change needs a restart .*"),
    "proxies": ("stage:", "trusted_proxies: {{addresses: [10.0.0.1/8]}}\nstage:",
                r"trusted_proxies\.addresses: expected a network such as .*"),
    "cors": ("stage:", "cors: {{allow_origins: [example.com]}}\nstage:",
             r"cors\.allow_origins: expected scheme://host.*"),
    "second document": ("stage:", "---\nstage:", r".*"),
    "bytes": ("stage:", "\x00stage:", r"not readable as UTF-8 text: .*"),
}


@pytest.mark.parametrize("what", BAD)
def test_refused(penstock, dynoxide, what):
    old, new, pattern = BAD[what]
    table = unique("T")
    p = penstock(dynoxide.url, table=table, config=BASE.format(table=table, mode="a"))
    change(p, old.format(table=table), new.format(table=table))
    refused(p, pattern)
    assert p.request("POST", "/music", {"Artist": "a", "SongTitle": "b"}).status == 201
    assert p.ready().status == 200
    p.file.unlink()
    assert "cannot be opened" in hup(p, "reload_refused")["error"]


@pytest.mark.parametrize("kind, words", [("pipe", ":1:1: the file is empty"), ("empty", ":1:1: the file is empty"),
                                         ("folder", ": cannot be read: Is a directory")])
def test_file_that_is_none(penstock, dynoxide, kind, words):
    table = unique("T")
    p = penstock(dynoxide.url, table=table, config=BASE.format(table=table, mode="a"))
    p.file.unlink()
    if kind == "pipe":
        os.mkfifo(p.file)
    elif kind == "folder":
        p.file.mkdir()
    else:
        p.file.touch()
    assert hup(p, "reload_refused")["error"] == f"{p.file}{words}"
    assert p.request("POST", "/music", {"Artist": "a", "SongTitle": "b"}).status == 201
    assert p.request("GET", "/healthz", port=p.admin).status == 200


def test_function_that_no_descriptor_is_left_for(penstock, dynoxide):
    """Found out by the workers, after the file was good."""
    table = unique("T")
    p = penstock(dynoxide.url, table=table, workers=2, config=BASE.format(table=table, mode="a"))
    change(p, "stage:", "functions:\n  - {name: fits, command: [/bin/true]}\n"
                        "  - {name: many, command: [/bin/true], concurrency: 400}\nstage:")
    line = p.file.read_text().split("  - {name: many")[0].count("\n") + 1
    enough = resource.prlimit(p.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(p.process.pid, resource.RLIMIT_NOFILE, (250, enough[1]))
    entry = refused(p, r"functions\[\] many: cannot be started: see function_unusable")
    assert f":{line}:5: " in entry["error"] and p.log_events("function_unusable")[0]["function"] == "many"
    assert p.request("POST", "/music", {"Artist": "a", "SongTitle": "b"}).status == 201
    resource.prlimit(p.process.pid, resource.RLIMIT_NOFILE, enough)
    reload(p)
    assert p.request("POST", "/music", {"Artist": "a", "SongTitle": "c"}).status == 201


def test_notifications(penstock, dynoxide, tmp_path):
    m = Manager(str(tmp_path / "notify"))
    table = unique("T")
    p = penstock(dynoxide.url, table=table, env=notify_env(tmp_path / "notify"),
                 config=BASE.format(table=table, mode="a"))
    m.until("READY=1")
    m.until("STATUS=ready")
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    p.process.send_signal(signal.SIGHUP)
    m.until("RELOADING=1")
    m.until("MONOTONIC_USEC=")
    m.until("READY=1")
    m.until("STATUS=reloaded: 2 routes")
    assert before > 0
    change(p, "stage:", "stagee:")
    p.process.send_signal(signal.SIGHUP)
    m.until("RELOADING=1")
    m.until("READY=1")
    m.until(f"STATUS=reload refused: {p.file}:")
    for long in "é" * 200, "e" + "é" * 200:  # cut between characters: systemd wants UTF-8
        change(p, "stagee:", f"{long}:")
        p.process.send_signal(signal.SIGHUP)
        m.until(f"STATUS=reload refused: {p.file}:")
        change(p, f"{long}:", "stagee:")
    m.socket.close()


# ---- certificates ----

def https(port, authority, name):
    """A connected TLS socket that has verified the name."""
    context = ssl.create_default_context(cafile=str(authority.file))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), 10),
                               server_hostname=name)


def serial(s):
    return s.getpeercert()["serialNumber"]


def ask(s, path=b"/music/a/b"):
    s.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    data = b""
    while b"\r\n\r\n" not in data:
        part = s.recv(65536)
        assert part, data
        data += part
    return int(data.split()[1])


@pytest.fixture
def secure(penstock, dynoxide, authority, tmp_path):
    def make(tls, workers=2):
        port, table = free_port(), unique("T")
        p = penstock(dynoxide.url, table=table, workers=workers,
                     tls=f"  - address: 127.0.0.1:{port}\n    tls: {tls}\n",
                     config=BASE.format(table=table, mode="a"))
        return p, port
    return make


def test_certificate_replaced_while_connections_are_open(secure, authority, tmp_path):
    pem = tmp_path / "served.pem"
    shutil.copy(authority.issue("first"), pem)
    p, port = secure(f"{{certificate: {pem}, key: {pem}}}")
    with https(port, authority, "localhost") as old:
        first = serial(old)
        assert ask(old) == 404
        shutil.copy(authority.issue("second"), pem)
        reload(p)
        assert ask(old, b"/nowhere") == 404  # on the old certificate's connection
        with https(port, authority, "localhost") as new:
            assert serial(new) != first
            assert ask(new) == 404
        reload(p)
        assert ask(old) == 404


def test_tickets_outlive_a_reload(secure, authority, tmp_path):
    """The keys belong to the certificate's file name and stay."""
    pem = authority.issue("ticket")
    p, port = secure(f"{{certificate: {pem}, key: {pem}}}")
    session = tmp_path / "session"
    base = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile",
            str(authority.file), "-servername", "localhost", "-tls1_2"]
    out = subprocess.run([*base, "-sess_out", str(session)], input=b"", capture_output=True)
    assert b"New, TLSv1.2" in out.stdout, out.stdout
    reload(p)
    out = subprocess.run([*base, "-sess_in", str(session)], input=b"", capture_output=True)
    assert b"Reused, TLSv1.2" in out.stdout, out.stdout


def test_the_name_chooses_the_certificate(secure, authority):
    a = authority.issue("sni-a", host="a.example")
    b = authority.issue("sni-b", host="b.example")
    wild = authority.issue("sni-w", host="*.w.example")
    p, port = secure(f"{{certificates: [{{certificate: {a}, key: {a}}}, {{certificate: {b}, "
                     f"key: {b}}}, {{certificate: {wild}, key: {wild}}}]}}")
    seen = {}
    for name in ["a.example", "b.example", "B.EXAMPLE", "x.w.example"]:
        with https(port, authority, name) as s:
            seen[name] = serial(s)
            assert ask(s) == 404
    assert seen["b.example"] == seen["B.EXAMPLE"]
    assert len(set(seen.values())) == 3
    context = ssl.create_default_context(cafile=str(authority.file))
    context.check_hostname = False
    for name in [None, "unknown.example", "w.example", "y.x.w.example"]:
        with context.wrap_socket(socket.create_connection(("127.0.0.1", port), 10),
                                 server_hostname=name) as s:
            assert serial(s) == seen["a.example"]  # the first is the default
    c = authority.issue("sni-c", host="c.example")
    change(p, f"{{certificate: {b}, key: {b}}}", f"{{certificate: {c}, key: {c}}}")
    reload(p)
    with https(port, authority, "c.example") as s:
        assert serial(s) not in seen.values()
    with pytest.raises(ssl.SSLError):
        https(port, authority, "b.example")


@pytest.mark.parametrize("what, words", [
    ("gone", "certificate: .*/c.pem: No such file or directory"),
    ("nonsense", "certificate: .*/c.pem: .*"), ("empty", "certificate: .*/c.pem: .*"),
    ("folder", "certificate: .*/c.pem: not a file"), ("pipe", "certificate: .*/c.pem: not a file"),
    ("large", "certificate: .*/c.pem: over 1048576 bytes"),
    ("chain cut off", "certificate: .*/c.pem: one of the chain is cut off or damaged"),
    ("chain damaged", "certificate: .*/c.pem: .*"),
    ("key gone", "private key: .*/c.key: No such file or directory"),
    ("key locked", "private key: .*/c.key: .*"), ("key cut off", "private key: .*/c.key: .*"),
    ("other key", "the private key does not belong to the certificate")])
@pytest.mark.parametrize("several", [False, True])
def test_bad_certificates_are_refused(secure, authority, tmp_path, what, words, several):
    """Of one, and of the second of two, which is named."""
    pem, key = tmp_path / "c.pem", tmp_path / "c.key"
    shutil.copy(authority.issue("good"), pem)
    shutil.copy(authority.folder / "good.key", key)
    first = authority.issue("first")
    pair = f"{{certificate: {pem}, key: {key}}}"
    p, port = secure(f"{{certificates: [{{certificate: {first}, key: {first}}}, {pair}]}}" if several else pair)
    spoil(what, pem, key, authority)
    place = p.file.read_text().split(pair if several else f"{pem}, key")[0]
    entry = refused(p, r"listen\[\]\.tls: " + words)
    line, column = place.count("\n") + 1, len(place.rsplit("\n", 1)[1]) + 1
    assert entry["error"].startswith(f"{p.file}:{line}:{column}: ")
    with https(port, authority, "localhost") as s:
        assert ask(s) == 404


def spoil(what, pem, key, authority):
    good = pem.read_text()
    if what in ("gone", "folder", "pipe"):
        pem.unlink()
    if what == "folder":
        pem.mkdir()
    elif what == "pipe":
        os.mkfifo(pem)
    elif what in ("nonsense", "empty"):
        pem.write_text(what.replace("empty", ""))
    elif what == "large":
        pem.write_text(good + "x" * 1048576)
    elif what == "chain cut off":
        pem.write_text(good + authority.file.read_text()[:200])
    elif what == "chain damaged":
        lines = authority.file.read_text().splitlines(keepends=True)
        pem.write_text(good + "".join(lines[:3] + lines[4:]))
    elif what == "key gone":
        key.unlink()
    elif what == "key locked":
        subprocess.run(["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:x", "-out",
                        f"{key}.locked"], check=True)
        shutil.move(f"{key}.locked", key)
    elif what == "key cut off":
        key.write_text(key.read_text()[:100])
    elif what == "other key":
        authority.issue("other")
        shutil.copy(authority.folder / "other.key", key)
