"""Two instances behind haproxy, restarted one after the other under load: no request fails, and
what was acknowledged is in the table."""
import http.client
import json
import socket
import threading
import time

from conftest import Haproxy, free_port, unique

BALANCER = """
global
  maxconn 4000
  stats socket {folder}/stats.sock
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  # A check may take as long as this machine is busy; else it would have `inter`. A refusal and a
  # 503 count at once.
  timeout check 5s
  option http-keep-alive
frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  balance roundrobin
  option httpchk GET /readyz
  http-check expect status 200
  default-server inter 100ms fall 2 rise 1
{servers}
"""


class Balancer(Haproxy):
    """As one would run it: the traffic to one port, the health checks to the admin port."""

    def __init__(self, folder, instances):
        self.port = free_port()
        self.folder = folder
        servers = "\n".join(f"  server s{i} 127.0.0.1:{p.port} check port {p.admin}"
                            for i, p in enumerate(instances))
        self.config = folder / "balancer.cfg"
        self.config.write_text(BALANCER.format(folder=folder, port=self.port, servers=servers))
        self.start()

    def states(self):
        """UP or DOWN of each server, as haproxy sees it."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(self.folder / "stats.sock"))
            s.sendall(b"show stat\n")
            lines = s.makefile().read().splitlines()
        names = lines[0].lstrip("# ").split(",")
        rows = [dict(zip(names, line.split(","))) for line in lines[1:] if line]
        return [r["status"] for r in rows if r["pxname"] == "b" and r["svname"][0] == "s"]

    def wait_up(self, seconds=30):
        end = time.monotonic() + seconds
        while not all(s.startswith("UP") and "/" not in s for s in self.states()):
            assert time.monotonic() < end, self.states()
            time.sleep(0.05)


class Load(threading.Thread):
    """One client with a keep-alive connection: a POST after the other until told to stop."""

    def __init__(self, port, name):
        super().__init__()
        self.port, self.artist = port, name
        self.stored, self.failed = [], []
        self.done = threading.Event()

    def run(self):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        n = 0
        while not self.done.is_set():
            n += 1
            song = {"Artist": self.artist, "SongTitle": f"{n:06}"}
            try:
                c.request("POST", "/music", json.dumps(song).encode())
                r = c.getresponse()
                body = r.read()
                if r.status == 201:
                    self.stored.append(song["SongTitle"])
                else:
                    self.failed.append((n, r.status, body))
            except (OSError, http.client.HTTPException) as e:
                self.failed.append((n, repr(e)))
                c.close()
        c.close()


def titles(client, table, artist):
    pages = client.get_paginator("query").paginate(
        TableName=table, KeyConditionExpression="Artist = :a",
        ExpressionAttributeValues={":a": {"S": artist}})
    return {i["SongTitle"]["S"] for page in pages for i in page["Items"]}


def test_rolling_restart(penstock, dynoxide, tmp_path):
    table = unique("T")
    # Readiness fails for longer than the balancer needs to notice (200 ms), then the door closes.
    drain = "drain: {wait_ms: 1500, deadline_ms: 10000}\n"
    instances = [penstock(dynoxide.url, table=table, head=drain) for _ in range(2)]
    balancer = Balancer(tmp_path, instances)
    loads = [Load(balancer.port, f"client-{k}") for k in range(4)]
    try:
        balancer.wait_up()
        for load in loads:
            load.start()
        for instance in instances:
            time.sleep(0.5)
            handled = [len(load.stored) for load in loads]
            assert instance.stop() == 0
            assert all(len(load.stored) > n for load, n in zip(loads, handled))
            instance.start()
            balancer.wait_up()
        time.sleep(0.5)
    finally:
        for load in loads:
            load.done.set()
        for load in loads:
            if load.ident:
                load.join()
        balancer.stop()
    assert not any(load.failed for load in loads), [load.failed[:5] for load in loads]
    client = dynoxide.client()
    for load in loads:
        assert len(load.stored) > 20
        assert set(load.stored) <= titles(client, table, load.artist)
    for instance in instances:  # each served before and after its restart
        assert len(instance.log_events("started")) == 2
        assert '"status":201' in instance.log()
