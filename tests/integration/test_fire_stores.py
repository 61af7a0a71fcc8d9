"""The truth tests against real stores behind haproxy with TLS, which is restarted under load."""
import os
import subprocess
import time

import fire
from conftest import BUILD, unique

OPS = int(os.environ.get("PENSTOCK_FIRE_STORE_OPS", 3000))
DYNAMODB = """  connect_timeout_ms: 500
  response_timeout_ms: 3000
  deadline_ms: 8000
  max_connections: 16
  pipeline_depth: {depth}
"""


def scan(store, table):
    stored = {}
    for page in store.client().get_paginator("scan").paginate(TableName=table):
        stored.update({i["k"]["S"]: int(i["v"]["N"]) for i in page["Items"]})
    return stored


def reload(front):
    """A new process takes the port over, the old one finishes what it has."""
    old = front.process
    front.process = subprocess.Popen(
        ["haproxy", "-f", str(front.config), "-sf", str(old.pid)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return old


def test_haproxy_restarted_under_load(store, penstock, haproxy, authority, tmp_path):
    front = haproxy([store.port], certificate=authority.issue("stores"))
    table = unique("Fire")
    p = penstock(front.url, config=fire.config(table, "true"), table=table,
                 ca_file=authority.file, dynamodb=DYNAMODB.format(depth=1))
    record = tmp_path / "clients.record"
    clients = subprocess.Popen(
        [str(BUILD / "tools" / "fire_clients"), "--connect", f"127.0.0.1:{p.port}", "--record",
         str(record), "--ops", str(OPS), "--connections", "32"], stdout=subprocess.PIPE)
    restarts, old = 0, []
    while clients.poll() is None:
        if restarts % 2:
            old.append(reload(front))
        else:
            front.process.kill()
            front.process.wait()
            time.sleep(0.2)
            front.start()
        restarts += 1
        time.sleep(1)
    for process in old:
        process.kill()
        process.wait()
    assert clients.returncode == 0, clients.stdout.read()
    p.wait_ready()
    ops = fire.read_ops(record)
    stored = scan(store, table)
    told = [op for op in ops if op.status in (201, 204)]
    print(f"{store.kind}: {len(ops)} ops, {len(told)} acknowledged, "
          f"{sum(op.unknown for op in ops)} unknown, {restarts} restarts, {len(stored)} stored")
    wrong = fire.check_stored(ops, stored)
    assert not wrong, "\n".join(wrong[:10])
    assert restarts > 1 and len(told) > OPS // 2
