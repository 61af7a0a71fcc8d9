"""Every allocation that fails, one at a time: the real program serves one scenario again and again,
and each run one more allocation says no (fail_malloc.c).

usage: torture.py BUILD all | sample | SECONDS
    BUILD: without sanitizers, with penstock-sink and -empty.so; sample: a minute, for CI
Environment: TORTURE_SEED repeats a sample; TORTURE_PLACE=HASH takes one place alone.

What must hold, wherever it happens:
- before it is ready, Penstock serves all the same, or ends with an exit code and a reason;
- after that it lives: each request is answered or its connection closed, the ones after the
  failure are answered as if nothing had happened, a reload is made or refused, SIGTERM ends it
  with 0, and nothing is leaked.

A place that fails is printed with its call stack and TORTURE_PLACE, and the exit code is 1. Places
in libraries that nobody who calls them can mend are left out, by name: OTHERS.
"""
import concurrent.futures
import ctypes
import json
import mmap
import os
import pathlib
import random
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
KEYS = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "eu-west-1"}
START, SERVE, DRAIN = range(3)
PHASES = ["start", "serve", "drain"]
RELOADED = 299
TIMEOUT = 30  # seconds for what should take milliseconds: slower is a hang
SAMPLE_S = 60


class Control(ctypes.Structure):
    """struct control of fail_malloc.c."""
    _fields_ = [("phase", ctypes.c_uint32), ("fired", ctypes.c_uint32),
                ("target", ctypes.c_uint64), ("live", ctypes.c_int64)]


class Broken(Exception):
    """What must hold did not."""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def config(folder, build, ports, sink):
    runtime = ROOT / "src/lambda/runtimes/runtime.py"
    functions = ROOT / "tests/integration/functions"
    python = f"command: [/usr/bin/python3, {runtime}, app.echo], directory: {functions}, " \
             "environment: {GREETING: hello}, timeout_ms: 9000"
    return f"""
listen:
  - address: 127.0.0.1:{ports["http"]}
  - address: 127.0.0.1:{ports["https"]}
    tls: {{certificate: {folder}/server.pem, key: {folder}/server.pem}}
admin: 127.0.0.1:{ports["admin"]}
invoke: 127.0.0.1:{ports["invoke"]}
workers: 1
drain: {{deadline_ms: 3000}}
dynamodb: {{endpoint: 'https://localhost:{sink}', ca_file: {folder}/sink.pem}}
tables:
  - {{name: Music, partition_key: {{name: Artist}}, sort_key: {{name: SongTitle}}}}
functions:
  - {{name: empty, library: {build}/penstock-empty.so}}
  - {{name: warm, {python}, warm: 1}}
  - {{name: cold, {python}}}
routes:
  - {{route: POST /music, put_item: {{table: Music, set: {{at: $context.requestTimeEpoch}}}}}}
  - {{route: 'GET /music/{{Artist}}/{{SongTitle}}', get_item: {{table: Music}}}}
  - {{route: 'GET /music/{{Artist}}', query: {{table: Music}}}}
  - {{route: 'PATCH /music/{{Artist}}/{{SongTitle}}', update_item: {{table: Music}}}}
  - {{route: 'DELETE /music/{{Artist}}/{{SongTitle}}', delete_item: {{table: Music}}}}
  - {{route: POST /empty, function: empty}}
  - {{route: 'ANY /warm/{{proxy+}}', function: warm}}
  - {{route: ANY /cold, function: cold, payload_format: "1.0"}}
"""


# ---- one client ----

def read_answer(s):
    """The status of one answer with its body read; 0: the connection was closed."""
    data = b""
    while b"\r\n\r\n" not in data:
        got = s.recv(65536)
        if not got:
            return 0
        data += got
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n")
                   if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        got = s.recv(65536)
        if not got:
            return 0
        body += got
    return int(head.split()[1])


def message(method, path, body=b"", more=""):
    length = f"Content-Length: {len(body)}\r\n" if "Transfer-Encoding" not in more else ""
    return f"{method} {path} HTTP/1.1\r\nHost: a\r\n{more}{length}\r\n".encode() + body


def ask(port, bytes_out, tls=None):
    """The status, 0 when the connection was closed without one."""
    try:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT) as plain:
            s = tls.wrap_socket(plain, server_hostname="localhost") if tls else plain
            s.sendall(bytes_out)
            return read_answer(s)
    except TimeoutError:
        raise Broken("no answer, and the connection stays open") from None
    except OSError:
        return 0


def ask_many(port, messages):
    """All at once, on a connection each, so that writes are coalesced."""
    with concurrent.futures.ThreadPoolExecutor(len(messages)) as pool:
        return list(pool.map(lambda m: ask(port, m), messages))


def song(n, size=10):
    return json.dumps({"Artist": "A", "SongTitle": f"s{n}", "Rating": n, "Text": "x" * size,
                       "List": [1, {"a": None}]}).encode()


def scenario(run):
    """(name, the statuses that are right, what to do), one after the other."""
    p = run.ports
    http = p["http"]
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(song(3)), song(3))
    invocations = "/2015-03-31/functions/warm/invocations"
    event = b'{"version":"2.0","body":"x"}'
    return [
        ("put", [201], lambda: [ask(http, message("POST", "/music", song(1)))]),
        ("puts at once", [201], lambda: ask_many(
            http, [message("POST", "/music", song(n)) for n in range(8)])),
        ("large put", [201], lambda: [ask(http, message("POST", "/music", song(2, 100000)))]),
        ("chunked put", [201], lambda: [ask(http, message(
            "POST", "/music", chunked, "Transfer-Encoding: chunked\r\n"))]),
        ("many items", [200], lambda: [ask(http, message(
            "POST", "/music", b"[" + b",".join(song(n) for n in range(60)) + b"]"))]),
        ("get", [404], lambda: [ask(http, message("GET", "/music/A%20b/s"))]),
        ("query", [200], lambda: [ask(http, message("GET", "/music/A?limit=2&order=desc"))]),
        ("update", [200], lambda: [ask(http, message("PATCH", "/music/A/s", b'{"Rating":7}'))]),
        ("delete", [204], lambda: [ask(http, message("DELETE", "/music/A/s"))]),
        ("bad body", [400], lambda: [ask(http, message("POST", "/music", b'{"Artist":'))]),
        ("native", [201], lambda: [ask(http, message("POST", "/empty", b"{}"))]),
        ("function", [201], lambda: [ask(http, message(
            "POST", "/warm/x/y?a=1&b=2", b"body", "Cookie: a=b; c=d\r\n"))]),
        ("cold function", [201], lambda: [ask(http, message("POST", "/cold", b"body"))]),
        ("invoke", [200], lambda: [ask(p["invoke"], message(
            "POST", invocations, event, "X-Amz-Log-Type: Tail\r\n"))]),
        ("invoke event", [202], lambda: [ask(p["invoke"], message(
            "POST", invocations, event, "X-Amz-Invocation-Type: Event\r\n"))]),
        ("tls", [201], lambda: [ask(p["https"], message("POST", "/music", song(9)), run.tls)]),
        ("metrics", [200], lambda: [ask(p["admin"], message("GET", "/metrics"))]),
        ("reload", [RELOADED], lambda: [run.reload()]),
        ("put after it", [201], lambda: [ask(http, message("POST", "/music", song(1)))]),
    ]


# ---- one run of the program ----

class Run:
    """Penstock with one place of failure, through the scenario."""

    def __init__(self, bench, target=0, record=None):
        self.bench = bench
        self.tls = bench.tls
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=bench.folder))
        self.ports = dict(zip(("http", "https", "admin", "invoke"), free_ports(4)))
        (self.folder / "penstock.yaml").write_text(
            config(bench.folder, bench.build, self.ports, bench.sink_port))
        (self.folder / "control").write_bytes(bytes(ctypes.sizeof(Control)))
        self.file = open(self.folder / "control", "r+b")
        self.memory = mmap.mmap(self.file.fileno(), 0)
        self.control = Control.from_buffer(self.memory)
        self.control.target = target
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **KEYS,
                    "AWS_EC2_METADATA_DISABLED": "true",
                    "LD_PRELOAD": f"{bench.build}/torture_malloc.so",
                    "TORTURE_CONTROL": str(self.folder / "control")}
        if record:
            self.env["TORTURE_RECORD"] = str(record)
        self.log_file = self.folder / "log"
        self.reloads = 0

    def log(self):
        return self.log_file.read_text(errors="replace")

    def start(self):
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(
                [str(self.bench.build / "penstock"), "run", "-c",
                 str(self.folder / "penstock.yaml")], stdout=subprocess.DEVNULL, stderr=log,
                env=self.env)

    def ended(self):
        """None, or how it ended before it should."""
        code = self.process.poll()
        if code is None:
            return None
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def await_ready(self):
        """False: it refused to start, as it may."""
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            if self.ended():
                if self.process.returncode < 0:
                    raise Broken(f"{self.ended()} at start")
                if self.process.returncode == 0 or not self.log().strip():
                    raise Broken(f"{self.ended()} at start without a reason")
                return False
            if ask(self.ports["admin"], message("GET", "/readyz")) == 200:
                return True
            time.sleep(0.01)
        raise Broken("never ready")

    def reload(self):
        """By SIGHUP, with one route more; RELOADED, or 503 when it was refused."""
        with open(self.folder / "penstock.yaml", "a") as f:
            self.reloads += 1
            f.write(f"  - {{route: 'GET /more{self.reloads}', get_item: {{table: Music}}}}\n")
        seen = len(self.log())
        self.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end and not self.ended():
            news = self.log()[seen:]
            if '"event":"reloaded"' in news:
                return RELOADED
            if '"event":"reload_refused"' in news:
                return 503
            time.sleep(0.005)
        if self.ended():
            return 0
        raise Broken("a reload without an end")

    def serve(self, strict):
        """strict: what is answered must be right, at the second try where a failed connection
        or process has to be made anew."""
        for name, right, do in scenario(self):
            for attempt in range(4):
                statuses = do()
                if self.ended():
                    raise Broken(f"{self.ended()} in: {name}")
                wrong = [s for s in statuses if s not in right]
                if not wrong or not strict:
                    break
                time.sleep(0.3 * attempt)
            lost = [s for s in wrong if s != 0 and s < 500 and s not in (400, 413, 429, 431)]
            if lost or (strict and wrong):
                raise Broken(f"{name}: {wrong}, expected {right}")

    def stop(self):
        self.control.phase = DRAIN
        self.process.terminate()
        try:
            code = self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            raise Broken("does not end") from None
        if code != 0:
            raise Broken(f"{self.ended()} at the end")

    def go(self):
        """(whether the failure happened, allocations left over at the end or None)."""
        self.start()
        try:
            if not self.await_ready():
                return True, None
            self.control.phase = SERVE
            self.serve(strict=False)
            self.serve(strict=True)
            self.stop()
            return bool(self.control.fired), self.control.live
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()


# ---- all of them ----

class Bench:
    """What the runs share: certificates and the sink that plays DynamoDB."""

    def __init__(self, build, folder):
        self.build = pathlib.Path(build).resolve()
        self.folder = pathlib.Path(folder)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "30", "-subj", "/CN=localhost", "-addext",
             "subjectAltName=DNS:localhost", "-keyout", "server.key", "-out", "server.crt"],
            cwd=folder, check=True, capture_output=True)
        (self.folder / "server.pem").write_text((self.folder / "server.crt").read_text()
                                                + (self.folder / "server.key").read_text())
        self.tls = ssl.create_default_context(cafile=str(self.folder / "server.crt"))
        self.sink_port, = free_ports(1)
        self.sink = subprocess.Popen(
            [str(self.build / "penstock-sink"), "--listen", f"127.0.0.1:{self.sink_port}",
             "--cert-out", str(self.folder / "sink.pem"), "--table", "Music:Artist:SongTitle"],
            stdout=subprocess.DEVNULL)
        end = time.monotonic() + TIMEOUT
        while not ask_tcp(self.sink_port):
            assert time.monotonic() < end and self.sink.poll() is None, "no penstock-sink"
            time.sleep(0.05)

    def close(self):
        self.sink.terminate()
        self.sink.wait()

    def places(self):
        """{hash: (phase, frames)} of a run where nothing fails, and what it leaves."""
        record = self.folder / "places"
        left = max(Run(self, record=record).go()[1] for _ in range(3))
        found = {}
        for line in record.read_text().splitlines():
            phase, place, *frames = line.split()
            found[int(place, 16)] = (int(phase), frames)
        return found, left


def ask_tcp(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


# What nobody who calls these libraries can mend: (phase, function or None, the modules of the
# innermost frames, why).
OTHERS = [
    (START, None, ["libc.so", "libuv.so"], "glibc 2.36, first getaddrinfo: writes through NULL, "
                                           "or keeps its lock for ever"),
    (START, None, ["ld-linux", "libc.so", "libuv.so"], "libuv 1.44 aborts when a thread of its "
                                                       "pool cannot be made"),
    (SERVE, "yaml_stack_extend", ["libyaml"], "libyaml 0.2.5 loses what should have gone on its "
                                              "stack"),
]


def excused(phase, frames):
    """Whether the place is one of OTHERS."""
    modules = [frame.rpartition("/")[2] for frame in frames]
    ranks = [m for i, m in enumerate(modules) if i == 0 or m.split("+")[0] != modules[i - 1].split("+")[0]]
    for when, function, who, _ in OTHERS:
        if when == phase and len(ranks) >= len(who) and \
                all(rank.startswith(name) for rank, name in zip(ranks, who)) and \
                (function is None or names_of(frames[:1])[0].startswith(function)):
            return True
    return False


def names_of(frames):
    """Function and line of each frame, for the report."""
    names = []
    for frame in frames:
        module, _, offset = frame.rpartition("+")
        r = subprocess.run(["addr2line", "-fse", module, hex(int(offset, 16) - 1)],
                           capture_output=True, text=True)
        name, _, line = r.stdout.strip().partition("\n")
        names.append(f"{name} {line}" if name not in ("", "??") else frame)
    return names


def report(bench, place, phase, frames, run, reason):
    lines = [line for line in run.log().splitlines()
             if "assertion" in line or '"level":"error"' in line][-3:]
    return "\n".join([f"FAILED TORTURE_PLACE={place:016x} ({PHASES[phase]}): {reason}",
                      *(f"    {name}" for name in names_of(frames)),
                      *(f"  | {line[:300]}" for line in lines)])


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    seed = int(os.environ.get("TORTURE_SEED", random.randrange(1 << 32)))
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(sys.argv[1], folder)
        try:
            return torture(bench, sys.argv[2], seed)
        finally:
            bench.close()


def torture(bench, how_long, seed):
    places, left = bench.places()
    others = {place for place in places if excused(*places[place])}
    order = sorted(set(places) - others)
    random.Random(seed).shuffle(order)
    if "TORTURE_PLACE" in os.environ:
        order = [int(os.environ["TORTURE_PLACE"], 16)]
    seconds = {"all": float("inf"), "sample": SAMPLE_S}.get(how_long) or float(how_long)
    end = time.monotonic() + seconds
    print(f"TORTURE_SEED={seed}: {len(order)} places and {len(others)} of others, "
          f"{left} allocations left by a good run", flush=True)
    counts = {"run": 0, "not reached": 0, "refused at start": 0, "failed": 0}
    lock = threading.Lock()

    def one(place):
        if time.monotonic() > end:
            return
        phase, frames = places[place]
        run = Run(bench, target=place)
        reason = None
        try:
            fired, live = run.go()
            if live is not None and live > left:
                reason = f"{live - left} allocations leaked"
        except Broken as broken:
            fired, live, reason = True, 0, str(broken)
        with lock:
            counts["run"] += 1
            counts["not reached"] += not fired
            counts["refused at start"] += live is None
            if reason:
                counts["failed"] += 1
                print(report(bench, place, phase, frames, run, reason), flush=True)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(one, order))
    print(", ".join(f"{n} {what}" for what, n in counts.items()), flush=True)
    return 1 if counts["failed"] or counts["run"] == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
