"""A soak: two instances behind haproxy, a TLS front before a store that keeps its data, and every
kind of client (clients.py), while one disturbance follows another:

    outage    the store is ended and started again; each instance says it is not ready meanwhile
    hang      the store stops and goes on a second later
    restart   the second instance is ended by SIGTERM and started again
    reload    both are told by SIGHUP to read their files again: a route has come or gone

What must hold (judge.py):
1. No request fails but those that overlap with an outage, and these are refused: 429, 502, 503,
   504 or a connection cut.
2. What was told stored is in the store at the end; what was told that it did not happen is not.
3. Memory and descriptors of the instance that is never restarted are the same in the first and
   the last tenth of the time after the warm-up, and its function's processes are as many.

    python3 tests/soak/soak.py SECONDS
"""
import collections
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))
from conftest import BUILD, Authority, Haproxy, Penstock, Store  # noqa: E402
from test_rolling import Balancer  # noqa: E402

import clients  # noqa: E402
import judge  # noqa: E402

TABLE = "Soak"
CONFIG = """
tables:
  - name: {table}
    partition_key: {{name: Artist, type: S}}
    sort_key: {{name: SongTitle, type: S}}
    create_if_missing: true
functions:
  - name: echo
    command: [/usr/bin/python3, {root}/src/lambda/runtimes/runtime.py, app.handler]
    directory: {folder}
    concurrency: 2
    warm: 2
routes:
  - route: POST /music
    put_item: {{table: {table}}}
  - route: POST /once
    put_item: {{table: {table}, condition: attribute_not_exists(Artist)}}
  - route: GET /music/{{Artist}}/{{SongTitle}}
    get_item: {{table: {table}}}
  - route: GET /music/{{Artist}}
    query: {{table: {table}}}
  - route: PATCH /music/{{Artist}}/{{SongTitle}}
    update_item: {{table: {table}}}
  - route: DELETE /music/{{Artist}}/{{SongTitle}}
    delete_item: {{table: {table}}}
  - route: POST /echo
    function: echo
"""
FUNCTION = """
def handler(event, context):
    return {"statusCode": 200, "body": event["body"]}
"""
MORE = """  - route: POST /more
    put_item: {{table: {table}}}
"""
HEAD = "drain: {wait_ms: 1000, deadline_ms: 10000}\n"
# As many connections as are opened ahead, so that descriptors do not follow the load.
UPSTREAM = "  max_connections: 8\n  warm_connections: 8\n"
RUSH = '{"Artist":"{{uuid}}","SongTitle":"rush","pad":"0123456789012345678901234567890123456789"}'
SAMPLE_S = 0.5
AFTER_S = 1.0  # after an outage, until the balancer and all retries have settled


def sample(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    rss = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    children = [c for task in tasks for c in (task / "children").read_text().split()]
    return {"rss_kb": int(rss.split()[1]), "children": len(children),
            "fds": sum(1 for _ in pathlib.Path(f"/proc/{pid}/fd").iterdir())}


class Soak:
    def __init__(self, folder, seconds):
        self.folder, self.seconds, self.seed = folder, seconds, 1
        self.started = time.monotonic()
        self.done = threading.Event()
        # Of disturbances, one cycle at least belongs to the warm-up.
        self.warm_up = max(20, seconds / 10)
        self.pause = 1.0 if seconds < 120 else 5.0
        self.samples, self.windows, self.events = [], [], collections.Counter(
            outage=0, hang=0, restart=0, reload=0)
        self.trouble, self.happens = [], "start"

    def now(self):
        return time.monotonic() - self.started

    def start(self):
        authority = Authority(self.folder)
        (self.folder / "app.py").write_text(FUNCTION)
        self.store = Store("dynoxide", data=self.folder / "data")
        self.front = Haproxy(self.folder, [self.store.port], authority.issue("front"))
        config = CONFIG.format(table=TABLE, root=ROOT, folder=self.folder)
        self.more = MORE.format(table=TABLE)
        self.instances = [
            Penstock(self.folder, self.front.url, config=config, table=TABLE, workers=2,
                     ca_file=authority.file, head=HEAD, dynamodb=UPSTREAM) for _ in range(2)]
        self.balancer = Balancer(self.folder, self.instances)
        self.port, self.straight = self.balancer.port, self.instances[0].port
        self.balancer.wait_up()
        self.clients = [clients.Mixed(self, f"mixed{k}") for k in range(8)]
        self.clients += [clients.Slow(self, f"slow{k}") for k in range(2)]
        self.clients += [clients.Leaving(self, "leaving"), clients.Malformed(self, "malformed")]

    def stop(self):
        codes = [p.stop() for p in self.instances]
        for part in self.balancer, self.front, self.store:
            part.stop()
        return codes

    def settled(self):
        for p in self.instances:
            p.wait_ready()
        self.balancer.wait_up()

    # ---- disturbances ----

    def outage(self):
        begin = self.now()
        self.windows.append((begin, float("inf")))
        self.store.stop()
        # Every fourth one outlasts the deadline of an operation.
        self.done.wait(13 if self.events["outage"] % 4 == 3 and self.seconds > 300 else 1.5)
        self.store.start()
        self.settled()
        self.done.wait(AFTER_S)
        self.windows[-1] = (begin, self.now())

    def hang(self):
        self.store.process.send_signal(signal.SIGSTOP)
        time.sleep(1)
        self.store.process.send_signal(signal.SIGCONT)

    def restart(self):
        code = self.instances[1].stop()
        if code != 0:
            raise AssertionError(f"the restarted instance ended with {code}")
        self.instances[1].start()
        self.balancer.wait_up()

    def reload(self):
        for p in self.instances:
            text = p.file.read_text()
            there = text.endswith(self.more)
            p.file.write_text(text[:-len(self.more)] if there else text + self.more)
            p.process.send_signal(signal.SIGHUP)
            end = time.monotonic() + 30
            while p.request("POST", "/more", "{").status != (404 if there else 400):
                if time.monotonic() > end:
                    raise AssertionError("not reloaded in 30 s")
                time.sleep(0.05)

    def disturb(self):
        try:
            while not self.done.is_set():
                for event in self.events:
                    if self.done.wait(self.pause):
                        return
                    self.happens = event
                    getattr(self, event)()
                    self.happens = f"after {event}"
                    self.events[event] += 1
        except Exception as e:  # what a disturbance ran into is part of the verdict
            self.trouble.append(f"{event} at {self.now():.1f} s: {e!r}"[:2000])
            self.done.set()

    # ---- measuring ----

    def row(self, s, answered):
        failed = sum(len(c.failures) for c in self.clients)
        print(f"{s['t']:7.0f} {s['rss_kb']:9} {s['fds']:5} {s['children']:9} {answered:10} "
              f"{failed:8}  {' '.join(f'{k} {n}' for k, n in self.events.items())}", flush=True)

    def watch(self):
        print(f"{'seconds':>7} {'memory kB':>9} {'fds':>5} {'processes':>9} {'answered':>10} "
              f"{'refused':>8}  disturbances", flush=True)
        every = max(1, int(self.seconds / SAMPLE_S / 30))
        while self.now() < self.seconds and not self.done.wait(SAMPLE_S):
            s = {"t": self.now(), **sample(self.instances[0].process.pid)}
            if len(self.samples) % every == 0:
                self.row(s, sum(sum(c.counts.values()) for c in self.clients))
            self.samples.append(s)

    def rush(self):
        """More than what follows, so that no queue, slab or log ring has its first time later:
        writes of many clients at once, then refusals, which need no store, for the log."""
        for body, count in (RUSH, 5000), ("{", 30000):
            subprocess.run([str(BUILD / "penstock-bench"), "--connections", "256", "--count",
                            str(count), "--duration", "20s", "--allow-errors", "100", "--body",
                            body, f"http://127.0.0.1:{self.straight}/music"],
                           check=True, stdout=subprocess.DEVNULL)

    def at_rest(self):
        """Descriptors once the connections that linger have gone: the least of three seconds."""
        pid, least = self.instances[0].process.pid, []
        for _ in range(30):
            least.append(sample(pid)["fds"])
            time.sleep(0.1)
        return min(least)

    def run(self):
        self.rush()
        idle = self.at_rest()
        self.started = time.monotonic()
        disturber = threading.Thread(target=self.disturb, daemon=True)
        for thread in [disturber, *self.clients]:
            thread.start()
        try:
            self.watch()
        finally:
            self.done.set()
            for thread in [disturber, *self.clients]:
                thread.join(60)
        for c in self.clients:
            c.lost()
        self.settled()
        self.balancer.stop()  # which keeps connections for a while
        self.idle = idle, self.at_rest()

    def stored(self):
        client = self.store.client()
        pages = client.get_paginator("scan").paginate(
            TableName=TABLE, ProjectionExpression="Artist, SongTitle")
        return {(i["Artist"]["S"], i["SongTitle"]["S"]) for page in pages for i in page["Items"]}

    def verdict(self):
        there = self.stored()
        counts = collections.Counter({kind: 0 for c in self.clients for kind in c.kinds})
        for c in self.clients:
            counts.update(c.counts)
        told = {name: set().union(*(getattr(c, name) for c in self.clients))
                for name in ("stored", "refused", "unknown")}
        counts["missing"] = len(told["stored"] - there)
        counts["ghosts"] = len(told["refused"] & there)
        failures = [f for c in self.clients for f in c.failures]
        for line in collections.Counter(f["what"].split(" ", 1)[1][:120]
                                        for f in failures).most_common(12):
            print(f"  {line[1]} x {line[0]}")
        answered = sum(sum(c.counts.values()) for c in self.clients)
        print(f"{answered} answered as due, {len(failures)} refused")
        print(f"items: {len(told['stored'])} told stored, {len(told['refused'])} told not, "
              f"{len(told['unknown'])} unknown, {len(there)} there")
        print("by kind: " + ", ".join(f"{k} {n}" for k, n in counts.items()))
        for field in "rss_kb", "fds", "children":
            first, last = judge.tenths(self.samples, self.warm_up, field)
            print(f"{field}: first tenth {first:g}, last tenth {last:g} "
                  f"({(last - first) / first * 100 if first else 0:+.1f} %)")
        print(f"descriptors at rest: {self.idle[0]} before, {self.idle[1]} after")
        return judge.judge(self.samples, self.warm_up, self.windows, counts, failures,
                           self.events, self.idle) + self.trouble


def main():
    with tempfile.TemporaryDirectory(prefix="penstock-soak-") as folder:
        soak = Soak(pathlib.Path(folder), float(sys.argv[1]))
        soak.start()
        wrong = []
        try:
            soak.run()
            wrong += soak.verdict()
        finally:
            codes = soak.stop()
        if codes != [0, 0]:
            wrong.append(f"the instances ended with {codes}")
        for line in wrong:
            print("BAD  " + line)
        print("the soak is " + ("bad" if wrong else "good"))
        return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
