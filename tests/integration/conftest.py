"""Fixtures for the integration tests: the real program, real stores, a real TLS front.

Every process is started on a free loopback port, waited for, and stopped by its own handle.
PENSTOCK_BUILD names the build folder, PENSTOCK_STORES where deps/store.sh put the stores,
PENSTOCK_NPM where deps/npm.sh put AWS's Node packages.
"""
import contextlib
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import tempfile
import time
import http.client

import boto3
import pytest
from botocore.config import Config

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PENSTOCK_BUILD", ROOT / "build"))
STORES = pathlib.Path(os.environ.get("PENSTOCK_STORES", ROOT / "build" / "stores"))
NPM = pathlib.Path(os.environ.get("PENSTOCK_NPM", ROOT / "build" / "npm")) / "node_modules"
BINARY = BUILD / "penstock"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1"}


def free_port():
    """Below the range Linux gives to connections: one of those could take it before the program
    that it is for listens on it."""
    while True:
        port = random.SystemRandom().randrange(20000, 32768)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("", port))
            return port


def read_to_end(s):
    got = b""
    try:
        while more := s.recv(65536):
            got += more
    except ConnectionResetError:
        pass
    return got


def wait_port(port, process, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, f"{process.args} ended with {process.returncode}"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"nothing listens on {port} after {seconds} s")


def stop(process, seconds=20):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


class Store:
    """A DynamoDB-compatible store on a loopback port."""

    def __init__(self, kind, port=None, data=None):
        """data: a folder that keeps the items over a restart; without one they are in memory."""
        self.kind = kind
        self.data = [str(data)] if data else []
        self.port = port or free_port()
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            ["sh", str(ROOT / "deps/store.sh"), "run", self.kind, str(STORES), str(self.port),
             *self.data],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_port(self.port, self.process)

    def stop(self):
        stop(self.process)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def client(self):
        return boto3.client(
            "dynamodb", endpoint_url=self.url, region_name="eu-west-1",
            aws_access_key_id="test", aws_secret_access_key="secret",
            config=Config(retries={"max_attempts": 2}, read_timeout=20))


@pytest.fixture(scope="session", params=["dynoxide", "local"])
def store(request):
    s = Store(request.param)
    yield s
    s.stop()


@pytest.fixture(scope="session")
def dynoxide():
    s = Store("dynoxide")
    yield s
    s.stop()


class Authority:
    """A throw-away certificate authority made with openssl."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.file = self.folder / "ca.pem"
        self._run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                  "-days", "30", "-subj", "/CN=Test CA", "-keyout", "ca.key", "-out", "ca.pem",
                  "-addext", "basicConstraints=critical,CA:TRUE")

    def _run(self, *args):
        subprocess.run(["openssl", *args], cwd=self.folder, check=True, capture_output=True)

    def issue(self, name, days=30, host="localhost"):
        """A certificate and key in one PEM file, as haproxy wants it."""
        (self.folder / f"{name}.ext").write_text(f"subjectAltName=DNS:{host}\n")
        self._run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                  f"/CN={host}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        span = ["-days", str(days)]
        if days < 0:
            self._expired(name)
        else:
            self._run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                      "-CAcreateserial", "-out", f"{name}.crt", "-extfile", f"{name}.ext", *span)
        both = self.folder / f"{name}.pem"
        both.write_text((self.folder / f"{name}.crt").read_text()
                        + (self.folder / f"{name}.key").read_text())
        return both

    def _expired(self, name):
        """openssl x509 cannot date back; openssl ca can."""
        (self.folder / "index.txt").write_text("")
        (self.folder / "serial").write_text("1000\n")
        (self.folder / "ca.cnf").write_text(
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\n"
            "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
        self._run("ca", "-batch", "-config", "ca.cnf", "-in", f"{name}.csr", "-cert", "ca.pem",
                  "-keyfile", "ca.key", "-startdate", "20200101000000Z", "-enddate",
                  "20200201000000Z", "-extfile", f"{name}.ext", "-out", f"{name}.crt", "-notext")


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


class Haproxy:
    """haproxy as a TLS front before a store (mode http), or as a plain balancer."""

    def __init__(self, folder, backends, certificate=None, port=None, extra=""):
        self.port = port or free_port()
        self.folder = pathlib.Path(folder)
        bind = f"bind 127.0.0.1:{self.port}"
        if certificate:
            bind += f" ssl crt {certificate}"
        servers = "\n".join(f"  server s{i} 127.0.0.1:{b}" for i, b in enumerate(backends))
        self.config = self.folder / f"haproxy-{self.port}.cfg"
        self.config.write_text(
            "global\n  maxconn 4000\n"
            "defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n"
            "  timeout server 60s\n  option http-keep-alive\n"
            f"frontend f\n  {bind}\n  default_backend b\nbackend b\n{servers}\n{extra}\n")
        self.start()

    def start(self):
        self.process = subprocess.Popen(["haproxy", "-f", str(self.config)],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_port(self.port, self.process)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # SIGTERM would end it at once too
            stop(self.process)

    @property
    def url(self):
        return f"https://localhost:{self.port}"


@pytest.fixture
def haproxy(tmp_path):
    made = []

    def make(*args, **kwargs):
        made.append(Haproxy(tmp_path, *args, **kwargs))
        return made[-1]
    yield make
    for h in made:
        h.stop()


MUSIC = """
tables:
  - name: {table}
    partition_key: {{name: Artist, type: S}}
    sort_key: {{name: SongTitle, type: S}}
    create_if_missing: true
routes:
  - route: POST /music
    put_item: {{table: {table}}}
  - route: GET /music/{{Artist}}/{{SongTitle}}
    get_item: {{table: {table}}}
  - route: GET /music/{{Artist}}
    query: {{table: {table}, limit: 50}}
  - route: PATCH /music/{{Artist}}/{{SongTitle}}
    update_item: {{table: {table}}}
  - route: DELETE /music/{{Artist}}/{{SongTitle}}
    delete_item: {{table: {table}}}
"""


class Response:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class Penstock:
    """The program under test, with its log in a file."""

    def __init__(self, folder, endpoint, config=None, table="Music", env=None, workers=1,
                 ca_file=None, listen=None, wait=True, head="", dynamodb="", tls=""):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.admin = free_port()
        self.table = table
        text = f"listen:\n  - address: 127.0.0.1:{self.port}\n"
        text += "".join(f"  - address: '{a}'\n" for a in listen or [])
        text += tls
        text += f"admin: 127.0.0.1:{self.admin}\nworkers: {workers}\n{head}"
        text += f"dynamodb:\n  endpoint: {endpoint}\n{dynamodb}"
        if ca_file:
            text += f"  ca_file: {ca_file}\n"
        text += config or MUSIC.format(table=table)
        self.file = self.folder / f"penstock-{self.port}.yaml"
        self.file.write_text(text)
        self.log_file = self.folder / f"penstock-{self.port}.log"
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **KEYS,
                    "AWS_EC2_METADATA_DISABLED": "true", **(env or {})}
        self.start(wait)

    def start(self, wait=True):
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen([str(BINARY), "run", "-c", str(self.file)],
                                            stderr=log, env=self.env)
        wait_port(self.admin, self.process)
        if wait:
            self.wait_ready()

    def wait_ready(self, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log()
            answer = self.ready()
            if answer.status == 200:
                return
            time.sleep(0.05)
        raise AssertionError(f"not ready: {answer.body}\n{self.log()[-3000:]}")

    def ready(self):
        return self.request("GET", "/readyz", port=self.admin)

    def request(self, method, path, body=None, headers=None, port=None, timeout=30):
        c = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=timeout)
        try:
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
            if isinstance(body, str):
                body = body.encode()
            c.request(method, path, body, headers or {})
            r = c.getresponse()
            return Response(r.status, dict((k.lower(), v) for k, v in r.getheaders()), r.read())
        finally:
            c.close()

    def log(self):
        return self.log_file.read_text(errors="replace")

    def log_events(self, event):
        found = []
        for line in self.log().splitlines(keepends=True):
            if line.startswith("{") and line.endswith("\n"):  # the last one may be half written
                entry = json.loads(line)
                if entry.get("event") == event:
                    found.append(entry)
        return found

    def stop(self):
        """SIGTERM; returns the exit code, and fails when a sanitizer spoke."""
        code = stop(self.process, 60)
        text = self.log()
        assert "Sanitizer" not in text and "runtime error" not in text, text[-5000:]
        return code


@pytest.fixture
def penstock(tmp_path):
    made = []

    def make(*args, **kwargs):
        made.append(Penstock(tmp_path, *args, **kwargs))
        return made[-1]
    yield make
    for p in made:
        assert p.stop() == 0, p.log()[-5000:]


def unique(prefix):
    unique.n = getattr(unique, "n", 0) + 1
    return f"{prefix}{os.getpid()}x{unique.n}"


def mask(text):
    """Log text without what changes from run to run."""
    return re.sub(r'"time":"[^"]*"', '"time":""', text)
