"""/metrics: the text is what Prometheus takes, and the numbers are those of the requests made."""
import collections
import re
import shutil
import subprocess
import sys
import threading
import time

from conftest import BUILD, MUSIC, ROOT, free_port, stop, unique, wait_port

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?[0-9]+(?:\.[0-9]+)?)")
TYPES = {"counter", "gauge", "histogram"}


def parse(text):
    """Strict reading of the text format 0.0.4: {(name, labels): value}. HELP and TYPE once per
    name, before its samples; a name's lines together; no sample twice; counters end in _total;
    histograms are complete."""
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
            assert (kind == "counter") == current.endswith("_total"), line
            types[current] = kind
        else:
            m = SAMPLE.fullmatch(line)
            assert m, line
            name = m.group(1)
            if types[current] == "histogram":
                name = re.sub("_(bucket|sum|count)$", "", name)
            assert name == current, f"{line} stands under {current}"
            key = (m.group(1), m.group(2) or "")
            assert key not in samples, line
            samples[key] = float(m.group(3))
    for name in (n for n, kind in types.items() if kind == "histogram"):
        check_histogram(name, samples)
    return samples


def check_histogram(name, samples):
    """Of every set of labels: bounds rise, counts never fall, +Inf is there and is the count."""
    found = collections.defaultdict(list)
    for (n, labels), value in samples.items():
        if n == f"{name}_bucket":
            rest, bound = re.fullmatch(r'(?:(.*),)?le="([^"]+)"', labels).groups()
            found[rest or ""].append((float(bound), value))
    assert found or not any(n.startswith(f"{name}_") for n, _ in samples)
    for labels, buckets in found.items():
        assert len(buckets) == 13 and buckets == sorted(buckets), name
        assert [v for _, v in buckets] == sorted(v for _, v in buckets), name
        assert buckets[-1][0] == float("inf")
        assert buckets[-1][1] == samples[f"{name}_count", labels]
        assert samples[f"{name}_sum", labels] >= 0


class Sink:
    """penstock-sink, with faults on demand."""

    def __init__(self, folder, *options):
        port = free_port()
        self.ca = folder / f"sink-{port}.pem"
        self.process = subprocess.Popen(
            [str(BUILD / "penstock-sink"), "--listen", f"127.0.0.1:{port}", "--cert-out",
             str(self.ca), "--table", "Music:Artist:SongTitle", *options],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.url = f"https://localhost:{port}"
        wait_port(port, self.process)

    def stop(self):
        stop(self.process)


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
    assert m[requests, 'route="POST /music",status="201"'] == 12
    assert m[requests, 'route="POST /music",status="400"'] == 1
    assert m[requests, 'route="GET /music/{Artist}/{SongTitle}",status="404"'] == 1
    assert m[requests, 'route="",status="404"'] == 1
    assert sum(v for (n, _), v in m.items() if n == requests) == 15
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
    check_phases(m, before)


def check_phases(m, before):
    """15 requests, 13 of them operations, one at a time: each its own exchange."""
    def count(name, labels=""):
        return m[f"penstock_{name}_count", labels] - before[f"penstock_{name}_count", labels]
    assert count("http_request_duration_seconds") == 15
    assert count("dynamodb_queue_seconds") == 13
    assert count("dynamodb_sign_seconds") == 13
    assert count("dynamodb_wait_seconds") == 13
    assert count("dynamodb_batch_ops") == 12  # a read is no batch
    assert m["penstock_dynamodb_batch_ops_bucket", 'le="1"'] == 12
    assert m["penstock_dynamodb_sign_seconds_sum", ""] < 1
    total = m["penstock_http_request_duration_seconds_sum", ""]
    assert 0 < m["penstock_dynamodb_wait_seconds_sum", ""] <= total < 60
    connects = m["penstock_pool_connects_total", ""]
    assert m["penstock_pool_connect_seconds_count", ""] == connects
    assert m["penstock_pool_tls_handshake_seconds_count", ""] == 0  # the store is plain
    assert m["penstock_pool_exchanges_total", ""] == 13
    assert 13 - connects <= m["penstock_pool_reused_total", ""] <= 13
    assert m["penstock_loop_turn_seconds_count", ""] > 15
    assert ("penstock_loop_timer_lateness_seconds_count", "") in m
    for slab in "connection", "request", "invocation", "op", "upstream_connection":
        assert m["penstock_slab_bytes", f'slab="{slab}"'] > 0
    assert m["penstock_buffered_bytes", 'of="requests"'] == 0
    refusals = {k[1]: v for k, v in m.items() if k[0] == "penstock_http_refusals_total"}
    assert refusals == {'reason="no_route"': 1, 'reason="no_such_item"': 1,
                        'reason="invalid_request"': 1}


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
    key = ("penstock_http_requests_total", 'route="",status="404"')
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


def test_tables_and_throttles(penstock, tmp_path):
    """Half of all requests are throttled: counted at their table, and its limit comes down."""
    sink = Sink(tmp_path, "--throttle", "50", "--table", "Calm:Artist:SongTitle")
    try:
        music = MUSIC.format(table="Music").replace("    create_if_missing: true\n", "")
        calm = "  - name: Calm\n    partition_key: {name: Artist, type: S}\n" \
               "    sort_key: {name: SongTitle, type: S}\n"
        p = penstock(sink.url, ca_file=sink.ca, config=music.replace("routes:", calm + "routes:"))
        statuses = collections.Counter()
        for n in range(40):
            r = p.request("POST", "/music", {"Artist": "A", "SongTitle": f"{n}"})
            statuses[r.status] += 1
        m = scrape(p)
    finally:
        sink.stop()
    for status, count in statuses.items():
        label = f'route="POST /music",status="{status}"'
        assert m["penstock_http_requests_total", label] == count
    throttles = m["penstock_dynamodb_throttles_total", 'table="Music"']
    assert throttles > 0 and throttles >= m["penstock_dynamodb_retries_total", 'reason="throttle"']
    assert m["penstock_dynamodb_throttles_total", 'table="Calm"'] == 0
    assert m["penstock_dynamodb_concurrency_limit", 'table="Music",kind="write"'] < 1024
    assert m["penstock_dynamodb_concurrency_limit", 'table="Music",kind="read"'] == 1024
    assert m["penstock_dynamodb_concurrency_limit", 'table="Calm",kind="write"'] == 1024
    assert m["penstock_dynamodb_retry_tokens", 'table="Calm"'] == 500
    assert m["penstock_dynamodb_retry_tokens", 'table="Music"'] < 500
    handshakes = m["penstock_pool_handshakes_total", ""]
    assert handshakes == m["penstock_pool_tls_handshake_seconds_count", ""] > 0
    assert m["penstock_pool_resumed_total", ""] <= handshakes


FUNCTIONS = """
functions:
  - name: plain
    command: [%(python)s, %(root)s/src/lambda/runtimes/runtime.py, h.handler]
    directory: %(folder)s
    timeout_ms: 10000
routes:
  - route: GET /plain
    function: plain
"""


def test_functions(penstock, dynoxide, tmp_path):
    (tmp_path / "h.py").write_text("def handler(event, context):\n"
                                   "    if 'x' in (event.get('queryStringParameters') or {}):\n"
                                   "        raise ValueError('no')\n    return {'ok': 1}\n")
    p = penstock(dynoxide.url, config=FUNCTIONS % {
        "python": sys.executable, "root": ROOT, "folder": tmp_path})
    for n in range(5):
        assert p.request("GET", "/plain" + ("?x=1" if n == 3 else "")).status == (
            502 if n == 3 else 200)
    m = scrape(p)
    assert m["penstock_function_calls_total", 'function="plain",outcome="ok"'] == 4
    assert m["penstock_function_calls_total", 'function="plain",outcome="error"'] == 1
    assert m["penstock_function_calls_total", 'function="plain",outcome="timeout"'] == 0
    assert m["penstock_function_duration_seconds_count", 'function="plain"'] == 5
    assert m["penstock_function_duration_seconds_sum", 'function="plain"'] < 50
    assert m["penstock_function_processes", 'function="plain",state="ready"'] == 1
    assert m["penstock_function_starts_total", 'function="plain"'] == 1
    assert m["penstock_http_refusals_total", 'reason="function_error"'] == 1


def test_labels_are_bounded(penstock, dynoxide):
    """More routes than are shown by name: the rest is one line."""
    routes = "".join(f"  - route: GET /r{n}/{{Artist}}/{{SongTitle}}\n    get_item: {{table: Many}}\n"
                     for n in range(120))
    p = penstock(dynoxide.url, config="tables:\n  - {name: Many, partition_key: {name: Artist}, "
                 "sort_key: {name: SongTitle}, create_if_missing: true}\nroutes:\n" + routes)
    for n in 0, 99, 100, 119:
        assert p.request("GET", f"/r{n}/a/b").status == 404
    m = scrape(p)
    got = {k[1]: v for k, v in m.items() if k[0] == "penstock_http_requests_total"}
    assert got == {'route="GET /r0/{Artist}/{SongTitle}",status="404"': 1,
                   'route="GET /r99/{Artist}/{SongTitle}",status="404"': 1,
                   'route="other",status="404"': 2}


def promtool():
    """From the PATH, or out of Debian's package, which would start a server if installed."""
    found = shutil.which("promtool")
    if found is None:
        subprocess.run(["sh", str(ROOT / "deps/install.sh"), "unpack"], check=True)
        found = str(ROOT / "build/tools/promtool")
    return found


def test_promtool_agrees(penstock, tmp_path):
    """Under load: its linter has nothing to say, not even a warning."""
    sink = Sink(tmp_path)
    try:
        config = MUSIC.format(table="Music").replace("    create_if_missing: true\n", "")
        p = penstock(sink.url, ca_file=sink.ca, config=config, workers=2)
        load = subprocess.Popen(
            [str(BUILD / "penstock-bench"), "--connections", "16", "--duration", "2s", "-X", "POST",
             "--body", '{"Artist":"{{uuid}}","SongTitle":"x"}', f"http://127.0.0.1:{p.port}/music"],
            stdout=subprocess.DEVNULL)
        time.sleep(1)
        page = p.request("GET", "/metrics", port=p.admin).body
        assert load.wait(60) == 0
    finally:
        sink.stop()
    m = parse(page.decode())
    assert m["penstock_http_requests_total", 'route="POST /music",status="201"'] > 10
    assert m["penstock_dynamodb_batch_ops_count", ""] > 0
    r = subprocess.run([promtool(), "check", "metrics"], input=page, capture_output=True)
    assert r.returncode == 0 and not r.stdout and not r.stderr, r.stdout + r.stderr
