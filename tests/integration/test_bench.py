"""penstock-bench against good, stalled, broken and lying targets."""
import collections
import concurrent.futures
import json
import os
import pathlib
import pty
import re
import resource
import select
import shutil
import signal
import socket
import socketserver
import struct
import subprocess
import threading
import time

import pytest

from conftest import BUILD, free_port, stop, wait_port

BENCH = BUILD / "penstock-bench"
SINK = BUILD / "penstock-sink"
PUT = ["-H", "X-Amz-Target: DynamoDB_20120810.PutItem", "-b",
       '{"TableName":"T","Item":{"id":{"S":"{{uuid}}"},"n":{"N":"{{seq}}"}}}']


def bench(*args, timeout=60):
    r = subprocess.run([str(BENCH), *map(str, args)], capture_output=True, text=True,
                       timeout=timeout)
    assert "Sanitizer" not in r.stderr and "runtime error" not in r.stderr, r.stderr
    return r


def measured(folder, *args, code=0, timeout=60):
    file = pathlib.Path(folder) / "run.json"
    r = bench(*args, "--json", file, timeout=timeout)
    assert r.returncode == code, r.stdout + r.stderr
    return json.loads(file.read_text()), r.stdout


def measured_at_once(folder, runs, code=0):
    """Each run (a list of arguments) in a thread and a folder of its own; (result, output) each."""
    def one(numbered):
        number, args = numbered
        own = pathlib.Path(folder) / str(number)
        own.mkdir()
        return measured(own, *args, code=code)
    with concurrent.futures.ThreadPoolExecutor(len(runs)) as pool:
        return list(pool.map(one, enumerate(runs)))


class Target(socketserver.ThreadingTCPServer):
    """Calls answer(method, path, headers, body) -> (status, body) or raw bytes, or None to hang."""
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, answer, on_connect=None):
        self.answer = answer
        self.on_connect = on_connect
        self.connections = 0
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self):
        with self.server.lock:
            self.server.connections += 1
        if self.server.on_connect and self.server.on_connect(self.request):
            return
        while True:
            line = self.rfile.readline().decode()
            if not line:
                return
            method, path, _ = line.split()
            headers = {}
            while (field := self.rfile.readline().decode().strip()):
                name, value = field.split(":", 1)
                headers[name.lower()] = value.strip()
            body = self.rfile.read(int(headers.get("content-length", 0)))
            answer = self.server.answer(method, path, headers, body)
            if answer is None:
                time.sleep(30)
                return
            if isinstance(answer, bytes):
                self.wfile.write(answer)
                self.linger()
                return
            status, text = answer
            close = headers.get("connection") == "close"
            self.wfile.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(text)}\r\n"
                             f"{'Connection: close' + chr(13) + chr(10) if close else ''}"
                             f"\r\n".encode() + text)
            if close:
                return


    def linger(self):
        """Closed with requests unread, TCP would reset the connection, and the answer with it."""
        self.request.shutdown(socket.SHUT_WR)
        self.request.settimeout(2)
        try:
            while self.request.recv(65536):
                pass
        except OSError:
            pass


@pytest.fixture
def target():
    made = []

    def make(answer=lambda *_: (201, b"{}"), **kwargs):
        made.append(Target(answer, **kwargs))
        return made[-1]
    yield make
    for t in made:
        t.shutdown()
        t.server_close()


class Sink:
    def __init__(self, folder, *options):
        self.port = free_port()
        self.process = subprocess.Popen(
            [str(SINK), "--listen", f"127.0.0.1:{self.port}", "--threads", "1",
             "--table", "T:id", *options], stdout=subprocess.DEVNULL)
        wait_port(self.port, self.process)
        self.url = f"http://127.0.0.1:{self.port}/"


@pytest.fixture
def sink(tmp_path):
    made = []

    def make(*options):
        made.append(Sink(tmp_path, *options))
        return made[-1]
    yield make
    for s in made:
        s.process.send_signal(signal.SIGCONT)
        stop(s.process)


# ---- what is sent ----

def test_count_is_exact_and_requests_are_whole(target, tmp_path):
    seen = []
    t = target(lambda *request: (seen.append(request), (201, b"{}"))[1])
    body = '{"id":"{{uuid}}","n":{{seq}},"r":{{rand 1 6}},"k":"{{key zipf 100}}"}'
    result, out = measured(tmp_path, "-n", 100, "-c", 5, "-t", 2, "-X", "PUT", "-H",
                           "X-Api-Key: k{{seq}}", "-b", body, t.url + "/a/{{seq}}?u={{uuid}}")
    assert len(seen) == 100 and result["answered"] == 100 and result["statuses"] == {"201": 100}
    assert "rate" in out and "p99.9" in out and "status 201" in out
    for method, path, headers, raw in seen:
        item = json.loads(raw)
        assert method == "PUT" and path == f"/a/{item['n']}?u={item['id']}"
        assert headers["x-api-key"] == f"k{item['n']}"
        assert headers["content-type"] == "application/json"
        assert headers["host"] == t.url[7:] and headers["user-agent"] == "penstock-bench"
        assert 1 <= item["r"] <= 6 and 1 <= int(item["k"]) <= 100
    assert sorted(json.loads(s[3])["n"] for s in seen) == list(range(100))
    assert len({json.loads(s[3])["id"] for s in seen}) == 100


def test_lines_of_a_file_over_and_over(target, tmp_path):
    lines = collections.Counter()
    t = target(lambda m, p, h, body: (lines.update([body]), (200, b""))[1])
    file = tmp_path / "items.ndjson"
    file.write_bytes(b'{"a":1}\n\n{"b":"{{seq}}"}\r\n{"c":3}')
    measured(tmp_path, "-n", 30, "-c", 2, "--body-file", file, t.url)
    assert lines == {b'{"a":1}': 10, b'{"b":"{{seq}}"}': 10, b'{"c":3}': 10}


def test_seed_repeats_the_requests(target, tmp_path):
    bodies = []
    t = target(lambda m, p, h, body: (bodies.append(body), (200, b""))[1])
    for _ in range(2):
        measured(tmp_path, "-n", 20, "-c", 1, "--seed", 7, "-b", "{{uuid}} {{key zipf 1000}}", t.url)
    assert bodies[:20] == bodies[20:]


def test_connections_are_kept_or_not(target, tmp_path):
    t = target()
    measured(tmp_path, "-n", 40, "-c", 4, t.url)
    assert t.connections == 4
    measured(tmp_path, "-n", 40, "-c", 4, "--no-keep-alive", t.url)
    assert t.connections == 44
    result, _ = measured(tmp_path, "-d", "1", "-c", 2, "-r", 50, "--no-keep-alive", t.url)
    assert 45 <= result["answered"] <= 50


def test_pipelined_requests_survive_an_announced_close(target, tmp_path):
    """Those behind a Connection: close were not served: they go elsewhere, and are no errors."""
    lock, seen = threading.Lock(), []

    def answer(method, path, headers, body):
        with lock:
            seen.append(path)
            if len(seen) % 7 == 0:
                return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        return 200, b"ok"
    result, _ = measured(tmp_path, "-n", 300, "-c", 2, "--pipeline", 5,
                         target(answer).url + "/{{seq}}")
    assert result["answered"] == 300 and not any(result["errors"].values())
    assert len(set(seen)) == 300


def test_all_framings_are_understood(target, tmp_path):
    answers = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
               b"HTTP/1.1 200 OK\r\n\r\nuntil close", b"HTTP/1.1 204 No Content\r\n\r\n",
               b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"]
    t = target(lambda m, path, h, b: answers[int(path[1:]) % 4])
    result, _ = measured(tmp_path, "-n", 12, "-c", 1, "--no-keep-alive", t.url + "/{{seq}}")
    assert result["statuses"] == {"200": 9, "204": 3}


@pytest.mark.parametrize("method", ["HEAD", "GET", "DELETE", "OPTIONS", "PATCH"])
def test_methods(sink, tmp_path, method):
    """Also those whose answers have no body, one behind the other on one connection."""
    result, _ = measured(tmp_path, "-n", 20, "-c", 1, "--pipeline", 4, "-X", method,
                         sink("--plain").url)
    assert result["statuses"] == {"200": 20} and not any(result["errors"].values())


# ---- how it is measured ----

def test_open_loop_keeps_its_rate(sink, tmp_path):
    common = ["-d", 2, "-w", "0.3", "-r", 400, *PUT, sink("--plain").url]
    runs = measured_at_once(tmp_path, [common, ["--poisson", *common]])
    for (result, _), off in zip(runs, (0.05, 0.2)):
        assert result["mode"] == "open" and result["asked_rate"] == 400
        assert abs(result["rate"] / 400 - 1) < off


def test_a_stall_shows_in_an_open_loop(sink, tmp_path):
    """A service stopped for a second: a closed loop hardly notices, an open one must."""
    s = sink("--plain")

    common = ["-c", 4, "-d", 4, *PUT, s.url]
    for seconds, what in ((1.5, signal.SIGSTOP), (2.5, signal.SIGCONT)):
        threading.Timer(seconds, s.process.send_signal, [what]).start()
    (result, _), (closed, _) = measured_at_once(tmp_path, [["-r", 500, *common], common])
    latency = result["latency_us"]
    assert latency["p99_9"] > 900e3 and latency["p99"] > 800e3, latency
    assert 900e3 < latency["max"] < 4e6 and latency["p50"] < 300e3
    assert abs(max(p["max_us"] for p in result["timeline"]) - latency["max"]) < 0.1
    assert result["answered"] == 2000  # every one that was due was sent, late
    assert closed["latency_us"]["p99"] < 500e3, closed["latency_us"]


def test_what_never_was_sent_is_counted(target, tmp_path):
    """More is due than two answers a second can take: the rest is named, and in the latencies."""
    t = target(lambda *_: (time.sleep(0.5), (200, b""))[1])
    result, out = measured(tmp_path, "-c", 1, "-r", 50, "-d", 1, "--timeout", 1, t.url, code=1)
    assert result["errors"]["unsent"] > 40 and "unsent" in out
    assert result["latency_us"]["p50"] > 700e3
    assert "The asked rate was not reached" in out


def test_costs_are_of_the_time_that_was_measured(sink, tmp_path):
    """More than can be sent is due in 0.2 s; what is answered later costs no CPU of those."""
    result, _ = measured(tmp_path, "-c", 1, "-r", 5000, "-d", "200ms",
                         sink("--plain", "--latency-ms", "3").url)
    in_time = result["rate"] * result["seconds"]
    assert result["answered"] == 1000 and in_time < 100
    spent = result["tool_cost"]["cpu_us_per_request"] * in_time
    assert spent > 0.9e6 * result["tool_cost"]["busiest_thread"] * result["seconds"]


def test_a_count_begins_after_the_warm_up(sink, tmp_path):
    url = sink("--plain").url
    for options in ["-c", 4], ["-c", 4, "-t", 2, "--pipeline", 8], ["-r", 1000]:
        result, _ = measured(tmp_path, "-w", "300ms", "-n", 100, *options, *PUT, url)
        assert result["statuses"] == {"200": 100}


def test_warm_up_is_left_out(target, tmp_path):
    begin = time.monotonic()
    t = target(lambda *_: (200 if time.monotonic() - begin > 1.2 else 500, b""))
    begin = time.monotonic()
    result, _ = measured(tmp_path, "-c", 2, "-w", 2, "-d", "500ms", t.url)
    assert set(result["statuses"]) == {"200"} and 0.45 < result["seconds"] < 0.6


def test_a_word_unasked_in_the_warm_up_is_left_out(target, tmp_path):
    greeted = [0]

    def greet_twice(connection):
        greeted[0] += 1
        if greeted[0] > 2:
            return False
        connection.sendall(b"220 hello\r\n")
        connection.recv(1)
        return True
    result, _ = measured(tmp_path, "-w", "1", "-d", "300ms", "-c", 1,
                         target(on_connect=greet_twice).url)
    assert greeted[0] >= 3 and result["answered"] > 0 and not any(result["errors"].values())


def test_latency_is_the_targets(sink, tmp_path):
    result, _ = measured(tmp_path, "-c", 8, "-d", 2, *PUT, sink("--plain", "--latency-ms", "20").url)
    latency = result["latency_us"]
    assert 19e3 < latency["p50"] < 30e3 and latency["min"] > 18e3
    assert latency["min"] <= latency["p50"] <= latency["p90"] <= latency["p99"] \
        <= latency["p99_9"] <= latency["max"]
    assert abs(latency["mean"] * result["rate"] / 1e6 - 8) < 1.2  # Little's law


def test_connects_where_told(tmp_path):
    path = tmp_path / "sink.sock"
    process = subprocess.Popen([str(SINK), "--listen", f"unix:{path}", "--plain", "--threads", "1",
                                "--table", "T:id"], stdout=subprocess.DEVNULL)
    try:
        while not path.exists():
            assert process.poll() is None
            time.sleep(0.05)
        time.sleep(0.3)
        result, _ = measured(tmp_path, "-n", 100, "--connect", f"unix:{path}", *PUT,
                             "http://nowhere.invalid/")
        assert result["statuses"] == {"200": 100}
    finally:
        stop(process)


def test_json_has_everything(sink, tmp_path):
    s = sink("--plain")
    result, out = measured(tmp_path, "-d", 1, "-c", 4, "--pid", s.process.pid, *PUT, s.url)
    assert result["tool"] == "penstock-bench" and result["format"] == 1
    assert result["target"] == s.url and result["method"] == "POST" and result["mode"] == "closed"
    assert result["connections"] == 4 and result["pipeline"] == 1 and result["keep_alive"] is True
    assert re.fullmatch(r"20..-..-..T..:..:..\.\d{3}Z", result["started"])
    assert set(result["errors"]) == {"connect", "tls", "reset", "closed", "timeout", "malformed",
                                     "unsent"}
    assert result["bytes_sent"] > 100 * result["answered"] and result["bytes_received"] > 0
    assert abs(sum(p["rate"] for p in result["timeline"]) * result["interval_s"]
               / result["answered"] - 1) < 0.2
    quantiles = [q for q, _ in result["percentiles"]]
    values = [us for _, us in result["percentiles"]]
    assert quantiles == sorted(quantiles) and values == sorted(values) and len(values) > 20
    histogram = result["histogram_us"]
    assert sum(count for _, count in histogram) == result["answered"]
    seen, middle = 0, result["answered"] / 2
    for us, count in histogram:
        seen += count
        if seen >= middle:
            assert us == result["latency_us"]["p50"]
            break
    assert result["service"]["pid"] == s.process.pid
    assert 0.5 < result["service"]["cpu_us_per_request"] < 5000
    assert 1e6 < result["service"]["peak_bytes"] < 2e9
    cost = result["tool_cost"]
    assert cost["cpu_us_per_request"] > 0.5 and 0 < cost["busiest_thread"] <= 1.1
    assert cost["bottleneck"] is (cost["busiest_thread"] > 0.9)
    assert ("tool itself is the bottleneck" in out) is cost["bottleneck"]
    assert "us CPU per request" in out and result["exit_code"] == 0


def test_the_tool_admits_to_be_the_bottleneck(tmp_path, sink):
    """Bodies of many placeholders, and a target whose answers come at once: its thread is full."""
    s = sink("--plain", "--threads", "2")
    body = "{{uuid}}" + "".join("{{key zipf 1000000 0.99 %d}}" % i for i in range(900))
    for _ in range(3):  # on a busy machine it may not get its CPU
        result, out = measured(tmp_path, "-d", 1, "-c", 16, "--pipeline", 16, "-t", 1, "-b", body,
                               "--allow-errors", 100, s.url)
        if result["tool_cost"]["busiest_thread"] > 0.9:
            assert "The tool itself is the bottleneck" in out and result["tool_cost"]["bottleneck"]
            return
        assert "bottleneck" not in out
    pytest.skip("this machine gave the tool too little of a CPU")


def test_ramp_finds_the_capacity(sink, tmp_path):
    """Two connections, 10 ms each: 200 a second."""
    s = sink("--plain", "--latency-ms", "10")
    result, out = measured(tmp_path, "--ramp", "--p99", "100", "-r", 50, "-d", "500ms", "-w", "200ms",
                           "-c", 2, "--timeout", 1, *PUT, s.url, timeout=120)
    ramp = result["ramp"]
    assert 90 <= ramp["best_rate"] <= 215, ramp
    assert any(not step["held"] for step in ramp["steps"])
    assert result["asked_rate"] == ramp["best_rate"] and "highest rate that holds" in out


# ---- TLS ----

def test_tls_is_verified(sink, tmp_path):
    pem = tmp_path / "ca.pem"
    s = sink("--cert-out", str(pem))
    url = f"https://localhost:{s.port}/"
    result, _ = measured(tmp_path, "-n", 200, "-c", 4, "--ca-file", pem, *PUT, url)
    assert result["statuses"] == {"200": 200}
    result, out = measured(tmp_path, "-n", 200, "-c", 4, *PUT, url, code=1)
    assert result["errors"]["tls"] > 0 and result["answered"] == 0 and result["gave_up"]
    assert "Gave up" in out and re.search(r"tls +\d+  .*self-signed", out), out


# ---- targets that fail ----

def reset(connection):
    connection.recv(10)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    return True


def hang_up(connection):
    connection.recv(100000)
    connection.shutdown(socket.SHUT_RDWR)
    return True


@pytest.mark.parametrize("kind,behaviour", [
    ("reset", {"on_connect": reset}),
    ("closed", {"on_connect": hang_up}),
    ("malformed", {"answer": lambda *_: b"220 smtp.example ESMTP\r\n"}),
    ("malformed", {"answer": lambda *_: b"\x15\x03\x01\x00\x02\x02\x16" * 99}),
    ("closed", {"answer": lambda *_: b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"}),
    ("timeout", {"answer": lambda *_: None}),
])
def test_a_broken_target_is_counted_and_ends(target, tmp_path, kind, behaviour):
    common = ["-d", "500ms", "-c", 3, "--timeout", "300ms", target(**behaviour).url]
    begin = time.monotonic()
    runs = measured_at_once(tmp_path, [common, ["-r", 200, *common], ["--no-keep-alive", *common],
                                       ["-r", 200, "--no-keep-alive", *common]], code=1)
    assert time.monotonic() - begin < 20
    for result, out in runs:
        assert result["errors"][kind] > 0 and result["answered"] == 0, result["errors"]
        assert re.search(rf"^\s+{kind}\s+{result['errors'][kind]}  \S", out, re.M), out


def test_a_target_that_is_down(tmp_path):
    begin = time.monotonic()
    options = [[], ["-r", 100], ["--no-keep-alive"], ["-n", 1000000], ["-r", 100, "-n", 100],
               ["-w", 2], ["-r", 1, "-d", 2]]
    url = f"http://localhost:{free_port()}"
    for result, out in measured_at_once(tmp_path, [["-c", 8, *o, url] for o in options], code=1):
        assert result["errors"]["connect"] > 0 and result["gave_up"] and "Gave up" in out
        assert "connection refused" in out
    assert time.monotonic() - begin < 20


def test_a_count_is_of_requests_also_when_none_can_leave(tmp_path):
    url = f"http://localhost:{free_port()}"
    runs = [["-n", 1], ["-n", 10, "-c", 64], ["-n", 3, "--no-keep-alive"]]
    for (result, _), run in zip(measured_at_once(tmp_path, [[*r, url] for r in runs], code=1),
                                runs):
        assert result["errors"]["connect"] == run[1] and result["answered"] == 0


def test_a_run_too_short_says_so(tmp_path):
    """Who listens and never says a word to a handshake: nothing was sent, and nothing failed."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        result, out = measured(tmp_path, "-d", "300ms", "-c", 2,
                               f"https://127.0.0.1:{silent.getsockname()[1]}/", code=1)
    assert result["answered"] == 0 and not any(result["errors"].values())
    assert "Nothing was answered before the run was over" in out


def test_a_count_ends_though_the_target_does_not_answer(target, tmp_path):
    begin = time.monotonic()
    common = ["-n", 1000000, "-c", 1, "--timeout", "500ms", target(on_connect=reset).url]
    for result, _ in measured_at_once(tmp_path, [common, ["-r", 100, *common]], code=1):
        assert result["gave_up"] and result["errors"]["reset"] > 0
    assert time.monotonic() - begin < 20


def test_refusals_fail_the_run_unless_allowed(target, tmp_path):
    lock, n = threading.Lock(), [0]

    def answer(*_):
        with lock:
            n[0] += 1
            return (429 if n[0] % 10 == 0 else 200), b""
    t = target(answer)
    result, _ = measured(tmp_path, "-n", 100, "-c", 2, t.url, code=1)
    assert result["statuses"] == {"200": 90, "429": 10} and result["exit_code"] == 1
    measured(tmp_path, "-n", 100, "-c", 2, "--allow-errors", 10, t.url)
    measured(tmp_path, "-n", 100, "-c", 2, "--allow-errors", 9.9, t.url, code=1)


def test_answers_are_not_kept(target, tmp_path):
    """However long: there is one for each connection at any time."""
    block = bytes(1 << 20)

    def flood(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (300 << 20))
        for _ in range(300):
            connection.sendall(block)
        connection.recv(1)
        return True
    result, _ = measured(tmp_path, "-n", 1, "-c", 1, target(on_connect=flood).url)
    assert result["answered"] == 1 and result["bytes_received"] > 300 << 20
    assert result["tool_cost"]["peak_bytes"] < 200 << 20


@pytest.mark.parametrize("descriptors", [10, 16, 24, 40, 64])
def test_too_few_descriptors(tmp_path, descriptors):
    """For the threads' loops, or for their connections: said, in either case."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        r = subprocess.run(
            [str(BENCH), "-t", "16", "-c", "64", "-d", "200ms", "--timeout", "100ms",
             f"http://127.0.0.1:{silent.getsockname()[1]}/"], capture_output=True, text=True,
            timeout=60, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE,
                                                              (descriptors, descriptors)))
    assert r.returncode == 1 and "assertion" not in r.stderr and "Sanitizer" not in r.stderr, r
    assert len(r.stderr.splitlines()) == 1 and "descriptors" in r.stderr, r.stderr


def test_a_name_nobody_knows(tmp_path):
    r = bench("http://no-such-host.invalid/")
    assert r.returncode == 1 and len(r.stderr.splitlines()) == 1


def test_interrupted(sink, tmp_path):
    s = sink("--plain")
    p = subprocess.Popen([str(BENCH), "-d", "60", "-c", "4", *PUT, s.url], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)
    time.sleep(1)
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=10)
    assert "Interrupted" in out and "p99" in out and err == ""


# ---- the progress line ----

def test_interrupted_before_it_runs(tmp_path):
    """While it reads a pipe that nobody writes into."""
    os.mkfifo(tmp_path / "lines")
    p = subprocess.Popen([str(BENCH), "--body-file", tmp_path / "lines", "http://127.0.0.1:1/"])
    with open(tmp_path / "lines", "w"):
        p.send_signal(signal.SIGINT)
        try:
            assert p.wait(20) == -signal.SIGINT
        finally:
            p.kill()


def test_progress_only_on_a_terminal(sink, tmp_path):
    s = sink("--plain")
    assert bench("-d", 1, *PUT, s.url).stderr == ""
    master, slave = pty.openpty()
    p = subprocess.Popen([str(BENCH), "-d", "2", *PUT, s.url], stdout=subprocess.DEVNULL,
                         stderr=slave)
    os.close(slave)
    shown = b""
    while True:
        try:
            if not select.select([master], [], [], 20)[0]:
                break
            chunk = os.read(master, 4096)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
    os.close(master)
    assert p.wait() == 0
    lines = [line for line in shown.decode().split("\r") if "p99" in line]
    assert len(lines) >= 2 and re.search(r"[\d.]+ s +[1-9]\d*/s +errors 0 +p99 [\d.]+ ms", lines[-1])


# ---- verify ----

class Shelf:
    """Stores what is POSTed under its id, and lies as told."""

    def __init__(self, lose=(), spoil=(), refuse=()):
        self.items, self.lose, self.spoil, self.refuse = {}, lose, spoil, refuse
        self.reads = 0
        self.lock = threading.Lock()

    def __call__(self, method, path, headers, body):
        with self.lock:
            if method == "GET":
                self.reads += 1
                if path in self.refuse:
                    return 500, b"{}"
                item = self.items.get(path)
                return (200, item) if item else (404, b"{}")
            item = json.loads(body)
            where = f"/items/{item['id']}"
            if where not in self.lose:
                kept = {"created_at": "now", **dict(reversed(item.items()))}
                if where in self.spoil:
                    kept["n"] = -1
                self.items[where] = json.dumps(kept, indent=1).encode()
            return 201, b"{}"


VERIFY = ["-n", 200, "-c", 4, "-t", 2, "--verify-path"]
SEQ = ["/items/{{seq}}", "-b", '{"id":{{seq}},"n":{{rand 1 9}},"s":"\\u00e9{{uuid}}"}']


def test_verify_all_good(target, tmp_path):
    shelf = Shelf()
    result, out = measured(tmp_path, *VERIFY, *SEQ, "--verify", "all", target(shelf).url)
    assert result["verify"] == {"acknowledged": 200, "checked": 200, "good": 200, "lost": 0,
                                "wrong": 0, "unreadable": 0, "examples": []}
    assert "verified 200 items" in out and shelf.reads == 200


def test_verify_a_sample(target, tmp_path):
    shelf = Shelf()
    result, _ = measured(tmp_path, *VERIFY, *SEQ, "--verify", 20, target(shelf).url)
    assert result["verify"]["checked"] == result["verify"]["good"] == shelf.reads == 20


def test_verify_finds_lost_and_wrong_items(target, tmp_path):
    shelf = Shelf(lose={"/items/17", "/items/150"}, spoil={"/items/3"}, refuse={"/items/99"})
    result, out = measured(tmp_path, *VERIFY, *SEQ, "--verify", "all", target(shelf).url, code=1)
    verify = result["verify"]
    assert (verify["lost"], verify["wrong"], verify["unreadable"]) == (2, 1, 1)
    assert verify["good"] == 196 and result["exit_code"] == 1
    assert "lost: /items/17 (status 404)" in out and "wrong: /items/3 (status 200)" in out
    assert "unreadable: /items/99 (status 500)" in out


def test_verify_items_written_more_than_once(target, tmp_path):
    """Which write came last is not known: any of them is good, something else is not."""
    body = ["/items/{{key zipf 20}}", "-b", '{"id":{{key zipf 20}},"n":{{seq}}}']
    shelf = Shelf()
    result, _ = measured(tmp_path, *VERIFY, *body, "--verify", "all", target(shelf).url)
    assert result["verify"]["checked"] == len(shelf.items) <= 20
    result, _ = measured(tmp_path, *VERIFY, *body, "--verify", "all",
                         target(Shelf(spoil={"/items/1"})).url, code=1)
    assert result["verify"]["wrong"] == 1


def test_verify_by_a_member_of_the_body(target, tmp_path):
    lines = tmp_path / "lines"
    lines.write_text("".join(json.dumps({"id": f"x{i}", "v": i}) + "\n" for i in range(10)))
    shelf = Shelf(lose={"/items/x4"})
    result, _ = measured(tmp_path, *VERIFY, "/items/{{body id}}", "--body-file", lines, "--verify",
                         "all", target(shelf).url, code=1)
    assert result["verify"]["checked"] == 10 and result["verify"]["lost"] == 1


def test_verify_when_the_target_is_gone(target, tmp_path):
    n = [0]

    def dies(method, *_):
        return b"" if method == "GET" else (201, b"{}")
    result, _ = measured(tmp_path, *VERIFY, *SEQ, "--verify", 10, "--timeout", "500ms",
                         target(dies).url, code=1)
    assert result["verify"]["unreadable"] == 10


# ---- wrong usage ----

@pytest.mark.parametrize("args,word", [
    ([], "URL"),
    (["ftp://x/"], "ftp://x/"),
    (["localhost:80"], "localhost:80"),
    (["http://h/a b"], "http://h/a b"),
    (["http://h/", "http://i/"], "one URL"),
    (["--nope", "http://h/"], "--nope"),
    (["-q", "http://h/"], "-q"),
    (["http://h/", "-c"], "-c"),
    (["http://h/", "-c", "0"], "'0' is not N from 1 to 1000000"),
    (["http://h/", "-c", "x"], "connections"),
    (["http://h/", "--rate", "-1"], "rate"),
    (["http://h/", "-d", "5 parsecs"], "duration"),
    (["http://h/", "-d", "0"], "'0' is not TIME from 0.001 to 604800 s"),
    (["http://h/", "-d", "nan"], "duration"),
    (["http://h/", "-w", "-1s"], "warmup"),
    (["http://h/", "-n", "1e3"], "count"),
    (["http://h/", "-c", "99999999999999999999"], "connections"),
    (["http://h/", "--ramp", "--p99", "0"], "p99"),
    (["http://h/", "--json", ""], "json"),
    (["http://h/", "--seed", "0"], "seed"),
    (["-"], "-"),
    (["--"], "--"),
    ([""], "http"),
    (["http://h/", "--poisson"], "--rate"),
    (["http://h/", "--ramp"], "--p99"),
    (["http://h/", "--p99", "5"], "--ramp"),
    (["http://h/", "-H", "no colon"], "header"),
    (["http://h/", "-H", "Content-Length: 3"], "header"),
    (["http://h/", "-X", "GE T"], "method"),
    (["http://h/", "-b", "{{nonsense}}"], "nonsense"),
    (["http://h/{{seq", "-n", "1"], "seq"),
    (["http://h/", "-b", "x", "--body-file", "y"], "--body"),
    (["http://h/", "--body-file", "/nonexistent"], "/nonexistent"),
    (["http://h/", "--verify", "all"], "--verify-path"),
    (["http://h/", "--verify", "all", "--verify-path", "/x"], "--body"),
    (["http://h/", "--verify-path", "/x"], "--verify"),
    (["http://h/", "--compare", "old.json"], "--html"),
    (["http://h/", "--no-keep-alive", "--pipeline", "2"], "--pipeline"),
    (["http://h/", "-c", "1025", "--pipeline", "1024"], "--pipeline: times --connections"),
    (["http://h/", "--ca-file", "x"], "--ca-file"),
    (["https://127.0.0.1:1/", "--ca-file", "/nonexistent"], "/nonexistent"),
    (["http://127.0.0.1:1/", "--pid", "999999999"], "--pid"),
    (["http://127.0.0.1:1/", "--json", "/nonexistent/x"], "/nonexistent/x"),
    (["http://127.0.0.1:1/", "--html", "/tmp", "-n", "1"], "/tmp"),
    (["http://127.0.0.1:1/", "--connect", "nowhere"], "nowhere"),
    (["http://h/", "--poisson=1", "-r", "5"], "--poisson"),
])
def test_wrong_usage_is_one_line(args, word):
    r = bench(*args)
    assert r.returncode == 2 and r.stdout == ""
    assert len(r.stderr.splitlines()) == 1 and word in r.stderr, r.stderr


def test_help():
    r = bench("--help")
    assert r.returncode == 0 and "usage: penstock-bench" in r.stdout and r.stderr == ""
    for word in ("--rate", "--verify-path", "{{key zipf 1000000}}", "Exit codes"):
        assert word in r.stdout


# ---- the page ----

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") \
    or shutil.which("google-chrome")


def chromium(folder, *args):
    """Its standard error has the console."""
    return subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--no-first-run", "--enable-logging=stderr", "--window-size=1000,1300",
         f"--user-data-dir={folder}/profile", *args], capture_output=True, timeout=120)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    s = Sink(folder, "--plain")
    old, alone, both = (folder / name for name in ("old.json", "alone.html", "both.html"))
    bench("-d", 1, "-c", 8, "--json", old, *PUT, s.url)
    assert bench("-d", 1, "-c", 2, "--html", alone, *PUT, s.url + "?<b>&\"x").returncode == 0
    assert bench("-d", 1, "-c", 2, "-r", 300, "--html", both, "--compare", old, *PUT,
                 s.url).returncode == 0
    stop(s.process)
    return alone, both


def test_page_is_self_contained(pages, tmp_path):
    alone, both = (page.read_text() for page in pages)
    assert len(re.findall(r"<path ", alone)) == 5 and len(re.findall(r"<path ", both)) == 10
    for text in (alone, both):
        assert "http-equiv" not in text and "<script src" not in text and "url(" not in text
        assert not re.search(r'(src|href)="(?!data:)', text)
        for path in re.findall(r'<path [^>]*d="([^"]*)"', text):
            assert path.startswith("M") and "nan" not in path and "inf" not in path, path
            assert all(-1 <= float(n) <= 901 for n in re.findall(r"-?[\d.]+", path)), path
    assert "<b>&\"x" not in alone and "&lt;b&gt;&amp;&quot;x" in alone
    assert "older run" in both and "older run" not in alone


OLDER = {"tool": "penstock-bench", "format": 1, "percentiles": [[0, 1.5]], "timeline": [{"t": 0}]}


@pytest.mark.parametrize("text", [
    "", "{", '{"a":1}', "[]", "\0" * 1000,
    *(json.dumps({**OLDER, **change}) for change in [
        {"tool": "wrk"}, {"format": 2}, {"percentiles": 7}, {"timeline": {"t": 1}}]),
    json.dumps(OLDER).replace("1.5", "1e999"), json.dumps(OLDER).replace("1.5", "-1"),
    json.dumps(OLDER).replace(": 0}", ": 1e308}"), json.dumps(OLDER)[:-1]])
def test_no_older_run_of_ours(tmp_path, text):
    """Among them numbers whose axis would have no end."""
    bad = tmp_path / "bad.json"
    bad.write_text(text)
    r = bench("-n", 1, "--html", tmp_path / "x.html", "--compare", bad, "http://127.0.0.1:1/")
    assert r.returncode == 2 and "bad.json: is no --json file of this tool" in r.stderr
    bad.write_text(json.dumps(OLDER))
    r = bench("-n", 1, "--html", tmp_path / "x.html", "--compare", bad, "http://127.0.0.1:1/")
    assert r.returncode == 1 and "older run" in (tmp_path / "x.html").read_text()


@pytest.mark.skipif(not CHROMIUM, reason="no chromium")
def test_page_in_a_browser(pages, tmp_path):
    for page, paths in zip(pages, (5, 10)):
        shot = tmp_path / f"{page.stem}.png"
        seen = chromium(tmp_path, "--dump-dom", f"--screenshot={shot}", page.as_uri())
        assert len(re.findall(rb"<path ", seen.stdout)) == paths
        assert b"CONSOLE" not in seen.stderr, seen.stderr
        assert drawn_colours(shot) >= 3


def drawn_colours(file):
    """Colours of curves (not grey) that cover at least 100 pixels of a PNG of 8-bit RGB(A)."""
    import zlib
    data = file.read_bytes()
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    assert depth == 8 and kind in (2, 6)
    size = 3 if kind == 2 else 4
    packed, at = b"", 8
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at:at + 8])
        packed += data[at + 8:at + 8 + length] if name == b"IDAT" else b""
        at += length + 12
    raw, stride = zlib.decompress(packed), width * size
    row, counts = bytearray(stride), collections.Counter()
    for y in range(height):
        line = bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        unfilter(raw[y * (stride + 1)], line, row, size)
        row = line
        counts.update(bytes(row[x:x + 3]) for x in range(0, stride, size))
    return sum(1 for colour, n in counts.items() if n >= 100 and max(colour) - min(colour) > 60)


def unfilter(kind, line, above, size):
    """PNG, section 9."""
    for i in range(len(line)):
        left = line[i - size] if i >= size else 0
        corner = above[i - size] if i >= size else 0
        if kind == 1:
            guess = left
        elif kind == 2:
            guess = above[i]
        elif kind == 3:
            guess = (left + above[i]) // 2
        elif kind == 4:
            p = left + above[i] - corner
            guess = min((left, above[i], corner),
                        key=lambda c, p=p: abs(p - c))
        else:
            return
        line[i] = (line[i] + guess) & 255
