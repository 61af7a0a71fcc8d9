"""/metrics: the text is what Prometheus takes, and the numbers are those of the requests made."""
import re
import shutil
import subprocess
import threading
import time

import pytest

from conftest import ROOT, free_port, unique

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?[0-9]+(?:\.[0-9]+)?)")
TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}


def parse(text):
    """Strict reading of the text format 0.0.4: {(name, labels): value}. HELP and TYPE once per
    name, before its samples; a name's lines together; no sample twice; counters end in _total."""
    assert text.endswith("\n") and "\n\n" not in text
    samples, types, current, helped = {}, {}, None, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            helped, words = line[7:].split(" ", 1)
            assert re.fullmatch(NAME, helped) and words
            assert not re.search(r"\\(?![\\n])", words), line
        elif line.startswith("# TYPE "):
            current, kind = line[7:].split(" ")
            assert current == helped and current not in types and kind in TYPES, line
            assert kind != "counter" or current.endswith("_total"), line
            types[current] = kind
        else:
            m = SAMPLE.fullmatch(line)
            assert m, line
            assert m.group(1) == current, f"{line} stands under {current}"
            key = (m.group(1), m.group(2) or "")
            assert key not in samples, line
            samples[key] = float(m.group(3))
    return samples


def scrape(p):
    r = p.request("GET", "/metrics", port=p.admin)
    assert r.status == 200
    assert r.headers["content-type"].startswith("text/plain; version=0.0.4")
    return parse(r.body.decode())


def test_numbers_of_requests(penstock, dynoxide):
    p = penstock(dynoxide.url, table=unique("T"), workers=3)
    before = scrape(p)
    for n in range(12):
        assert p.request("POST", "/music", {"Artist": "A", "SongTitle": f"{n}"}).status == 201
    assert p.request("GET", "/music/A/nope").status == 404
    assert p.request("POST", "/music", "{").status == 400
    assert p.request("GET", "/nowhere").status == 404
    m = scrape(p)
    requests = "penstock_http_requests_total"
    assert m[requests, 'route="POST /music",status="2xx"'] == 12
    assert m[requests, 'route="POST /music",status="4xx"'] == 1
    assert m[requests, 'route="GET /music/{Artist}/{SongTitle}",status="4xx"'] == 1
    assert m[requests, 'route="",status="4xx"'] == 1
    assert m["penstock_dynamodb_ops_total", 'outcome="ok"'] == 13
    assert m["penstock_dynamodb_submitted_total", ""] == 13
    assert m["penstock_dynamodb_queued_ops", ""] == 0
    assert m["penstock_ready", ""] == 1 and m["penstock_workers", ""] == 3
    assert m["penstock_workers_missing", ""] == 0
    assert m["process_resident_memory_bytes", ""] > 1e6
    assert abs(m["process_start_time_seconds", ""] - time.time()) < 120
    assert sum(v for (n, _), v in m.items() if n == "penstock_pool_connections") >= 3
    assert len([k for k in m if k[0] == "penstock_loop_turns_total"]) == 3
    assert not any("credentials" in n for n, _ in m)  # these keys do not expire
    assert all(m[k] >= v for k, v in before.items() if k[0].endswith("_total"))


def test_before_the_workers_start(penstock):
    """Without a store no key schema is known: no worker runs, the page still comes."""
    p = penstock(f"http://127.0.0.1:{free_port()}", wait=False)
    m = scrape(p)
    assert m["penstock_ready", ""] == 0
    assert p.request("HEAD", "/metrics", port=p.admin).body == b""
    assert p.request("POST", "/metrics", "", port=p.admin).status == 405


def test_many_at_once_and_some_that_leave(penstock, dynoxide):
    import socket
    p = penstock(dynoxide.url, table=unique("T"), workers=2)
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", p.admin)) as s:
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    pages = []
    threads = [threading.Thread(target=lambda: pages.append(scrape(p))) for _ in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(pages) == 20


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


def test_a_stuck_worker_is_shown_with_its_last_numbers(penstock, dynoxide, tmp_path):
    (tmp_path / "stuck.c").write_text(STUCK)
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{ROOT}/src", "-o", "stuck.so", "stuck.c"],
                   cwd=tmp_path, check=True)
    p = penstock(dynoxide.url, workers=1,
                 config=f"functions:\n  - {{name: stuck, library: {tmp_path}/stuck.so}}\n"
                        "routes:\n  - route: GET /stuck\n    function: stuck\n")
    key = ("penstock_http_requests_total", 'route="",status="4xx"')
    assert p.request("GET", "/nowhere").status == 404
    assert scrape(p)[key] == 1
    t = threading.Thread(target=p.request, args=("GET", "/stuck"))
    t.start()
    time.sleep(0.5)
    start = time.monotonic()
    m = scrape(p)
    assert m["penstock_workers_missing", ""] == 1 and m[key] == 1
    assert time.monotonic() - start < 2
    t.join()
    m = scrape(p)
    assert m["penstock_workers_missing", ""] == 0
    assert m["penstock_loop_longest_turn_seconds", 'worker="0"'] > 2


def test_promtool_agrees(penstock, dynoxide):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool (Debian package prometheus) is not there")
    p = penstock(dynoxide.url, table=unique("T"))
    page = p.request("GET", "/metrics", port=p.admin).body
    r = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True)
    assert r.returncode == 0, r.stdout + r.stderr
