"""Nothing blocks a worker's loop: blocking.c looks at every system call of the workers during a mixed
load with TLS on both sides, functions that die, credentials that are fetched anew, another
configuration under load and a drain. Run on a Release build: a sanitizer has signals of its own."""
import concurrent.futures
import json
import pathlib
import platform
import re
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))
from conftest import BUILD, MUSIC, authority, free_port, penstock, stop  # noqa: E402,F401
from test_credentials import NO_KEYS, expiration, serve  # noqa: E402,F401
from test_functions import COMMANDS, function  # noqa: E402
from test_reload import change, reload  # noqa: E402
from test_sink import Sink  # noqa: E402

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="x86-64 only")

BODY = '{"Artist":"{{uuid}}","SongTitle":"s","Year":1999,"Tags":["a","b"],"More":{"x":null}}'
ROUTES = MUSIC.format(table="Music") + f"""
  - route: GET /rude
    function: rude
  - route: GET /empty
    function: empty
  - route: POST /echo
    function: echo
  - route: POST /die
    function: die
functions:
  - name: rude
    library: '{BUILD}/penstock-rude.so'
  - name: empty
    library: '{BUILD}/penstock-empty.so'
""" + function("echo", COMMANDS["python"] + ["app.echo"], "    timeout_ms: 20000\n") \
    + function("die", COMMANDS["python"] + ["app.die"], "    timeout_ms: 20000\n")
# Connections come and go during the test.
UPSTREAM = """  idle_timeout_ms: 300
  max_age_ms: 1000
  batch: {max_delay_ms: 1}
"""
# What of libuv's we live with. It starts a process with fork, and waits until exec has happened or
# failed: a few milliseconds each. It has a lock around the table of signals that is a byte in a pipe.
OURS = r"(?:    \S*penstock-blocking\S* \S*\n)*    \S*libc\S* (?:__)?(?:read|write)\n"
KNOWN = re.compile(
    rf"BLOCKING read  .*\n{OURS}    \S*libuv\S* uv_spawn\n"
    rf"|BLOCKING (?:read|write)  \(\d+, \d+, 1\) .*\n{OURS}    \S*libuv\S* \S*\n")


class Report:
    def __init__(self, folder):
        self.file = folder / "blocking"

    def env(self):
        return {"LD_PRELOAD": str(BUILD / "penstock-blocking.so"),
                "BLOCKING_REPORT": str(self.file)}

    def watched(self):
        return re.findall(r"^watching \d+$", self.file.read_text(), re.M)

    def caught(self):
        """Each place with its call stack, but for those that are known."""
        blocks = re.findall(r"^BLOCKING .*\n(?:    .*\n)*", self.file.read_text(), re.M)
        return [b for b in blocks if not KNOWN.match(b)]


def load(url, *options):
    subprocess.run([str(BUILD / "penstock-bench"), "--connections", "16", "--allow-errors", "100",
                    *options, url], check=True, stdout=subprocess.DEVNULL)


def everything(url, *options):
    def one(path, *more):
        load(f"{url}{path}", *options, *more)
    one("/music", "--count", "3000", "--body", BODY)
    one("/music", "--count", "500", "--body", BODY, "--pipeline", "4")
    one("/music", "--count", "300", "--body", BODY, "--no-keep-alive")
    one("/music/a/{{uuid}}", "--count", "500")
    one("/music/{{uuid}}", "--count", "300")
    one("/music/a/{{uuid}}", "--count", "300", "--method", "DELETE")
    one("/music/a/{{uuid}}", "--count", "300", "--method", "PATCH", "--body", '{"Year":1}')
    one("/music", "--count", "100", "--body", "no json")
    one("/empty", "--count", "500")
    one("/echo", "--count", "200", "--body", "x")


def test_a_mixed_load_never_blocks_a_worker(penstock, serve, authority, tmp_path):  # noqa: F811
    fetched = []

    def container(handler, body):  # so near its end that it is fetched again and again
        fetched.append(1)
        return 200, json.dumps({"AccessKeyId": "AK", "SecretAccessKey": "secret", "Token": "t",
                                "Expiration": expiration(2)})

    sink, out, https = Sink(tmp_path), Report(tmp_path), free_port()
    pem, endpoint = authority.issue("front"), serve(container)
    secure = ["--ca-file", str(authority.file)]
    try:
        p = penstock(
            sink.url, ROUTES, ca_file=sink.certificate, dynamodb=UPSTREAM, workers=2,
            head="drain: {deadline_ms: 60000}\n",
            tls=f"  - address: 127.0.0.1:{https}\n    tls: {{certificate: {pem}, key: {pem}}}\n",
            env={**NO_KEYS, **out.env(), "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Bearer x",
                 "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{endpoint.port}/c"})
        end = time.monotonic() + 20
        while len(out.watched()) < 2:
            assert time.monotonic() < end, p.log()
            time.sleep(0.05)
        pool = concurrent.futures.ThreadPoolExecutor()
        loads = [pool.submit(everything, f"http://127.0.0.1:{p.port}"),
                 pool.submit(everything, f"https://localhost:{https}", *secure)]
        change(p, "GET /empty", "ANY /empty")
        reload(p)
        assert p.request("POST", "/die", "x").status == 502
        for path in ("/metrics", "/healthz", "/readyz"):
            assert p.request("GET", path, port=p.admin).status == 200
        for one in loads:
            one.result()
        last = pool.submit(load, f"http://127.0.0.1:{p.port}/music", "--duration", "1s",
                           "--body", BODY)
        time.sleep(0.3)
        assert p.stop() == 0, p.log()[-3000:]
        last.result()
    finally:
        stop(sink.process)
    assert len(fetched) > 1
    assert out.caught() == [], "\n".join(out.caught())


@pytest.mark.parametrize("how, call", [
    ("sleep", "clock_nanosleep"), ("file", "openat /etc/hostname"), ("poll", "poll"),
    ("name", ""), ("lock", "futex")])
def test_what_blocks_is_caught(penstock, tmp_path, how, call):  # noqa: F811
    sink, out = Sink(tmp_path), Report(tmp_path)
    try:
        p = penstock(sink.url, ROUTES, ca_file=sink.certificate, env=out.env())
        assert p.request("GET", "/empty").status == 201
        assert out.caught() == []
        assert p.request("GET", f"/rude?how={how}").status == 200
        caught = out.caught()
        assert any(c.startswith(f"BLOCKING {call}") and "penstock-rude" in c for c in caught), caught
    finally:
        stop(sink.process)
