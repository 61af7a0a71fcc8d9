"""Truth under fire: many clients, the program, an endpoint that fails by script (tests/tools), and
what each of them says happened, held against each other.

    python3 tests/integration/fire.py [--ops N] [--seeds FIRST..LAST] [--plain] [--keep]

What must hold, for each operation and each key (fire_work.h says how operations are numbered):

1. Told 201, 204: applied at least once. More than once only for an unconditional put or a delete,
   whose repetition changes nothing and is what the retry matrix does after a lost answer.
2. Told no (any other status without "x-penstock-outcome: unknown"): never applied. Nothing is
   forgiven here: an operation that may have been applied in an earlier attempt stays unknown,
   whatever a later attempt was told.
3. A conditional put is applied at most once, whatever was told; told 409, the key was there.
4. Told unknown, or gone with its connection: anything, but 3 and 5 hold.
5. Order per key: in the endpoint's record the numbers of a key never fall; the same number again
   is a repeat of that write before any later one.
6. A read is told what the writes before it, and none after it, have left: at least the newest
   acknowledged one.
7. Every operation is answered once, unless the client left, the server had said "Connection:
   close", or SIGTERM was on its way.
8. After SIGTERM the program exits with 0: by its own assertions queues and slabs are empty and
   submitted = settled.
"""
import argparse
import collections
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

from conftest import BUILD, Authority, Penstock, free_port, stop, wait_port

GONE, DROPPED, SILENT, WRONG = 0, -1, -2, -3
EXPECTED = {"P": {201}, "C": {201, 409}, "X": {400}, "D": {204}, "G": {200, 404}}
EXCUSES = {429, 502, 503, 504}  # of any operation

CONFIG = """
tables: [{{name: {table}, partition_key: {{name: k, type: S}}, create_if_missing: {create}}}]
log: {{access: false, level: error}}
routes:
  - route: POST /fire
    put_item: {{table: {table}}}
  - route: POST /once
    put_item: {{table: {table}, condition: attribute_not_exists(k)}}
  - route: GET /fire/{{k}}
    get_item: {{table: {table}}}
  - route: DELETE /fire/{{k}}
    delete_item: {{table: {table}}}
"""

# The endpoint stalls for 1500 ms.
UPSTREAM = """  connect_timeout_ms: 400
  response_timeout_ms: 800
  deadline_ms: {deadline}
  max_connections: {connections}
  pipeline_depth: {depth}
  queue_ops: {queue}
  max_attempts: {attempts}
  batch: {{max_items: {items}}}
"""

Op = collections.namedtuple("Op", "number kind key status unknown seen")


def config(table="Fire", create="false"):
    return CONFIG.format(table=table, create=create)


def read_ops(path):
    ops = []
    with open(path) as lines:
        for line in lines:
            n, kind, key, status, unknown, seen = line.split()
            ops.append(Op(int(n), kind, key, int(status), unknown == "1", int(seen)))
    return ops


def read_record(path):
    """For each key the numbers applied, in order; None stands for its delete."""
    record = collections.defaultdict(list)
    with open(path) as lines:
        for line in lines:
            words = line.split()
            record[words[1]].append(int(words[2]) if words[0] == "P" else None)
    return record


def check_op(op, times, key_written):
    if op.status in (DROPPED, SILENT, WRONG):
        return {DROPPED: "dropped by the server", SILENT: "never answered",
                WRONG: "answered with something else"}[op.status]
    if op.kind == "C" and times > 1:
        return f"conditional, applied {times} times"
    if op.status == GONE:
        return None
    if op.status not in EXPECTED[op.kind] | EXCUSES:
        return "no answer of ours"
    if op.kind == "G":
        return None
    if op.unknown:
        return None if op.status in (502, 504) else "unknown, with a status that is not"
    if op.status in (201, 204):
        return None if times else "acknowledged, not applied"
    if times:
        return f"refused, applied {times} times"
    if op.status == 409 and not key_written:
        return "condition failed on a key nobody wrote"
    return None


def check_order(ops, applied):
    numbers = {op.number: op for op in ops}
    delete = next((op.number for op in ops if op.kind == "D"), None)
    last = 0
    for number in applied:
        number = delete if number is None else number
        if number not in numbers:
            return f"{number} was never asked for"
        if number < last:
            return f"{number} applied after {last}: {applied}"
        last = number
    return None


def check_reads(ops):
    """Between the newest acknowledged write before a read and the newest asked for before it."""
    for i, read in enumerate(ops):
        if read.kind != "G" or read.status not in (200, 404):
            continue
        possible = set()
        for op in ops[:i]:
            if op.kind == "G":
                continue
            if op.status in (201, 204):
                possible.clear()
            if op.status in (201, 204, GONE) or op.unknown:
                possible.add(op.number if op.kind in "PCX" else 0)
        certain = any(op.status in (201, 204) for op in ops[:i])
        if not certain:
            possible.add(0)
        if (read.seen if read.status == 200 else 0) not in possible:
            return f"read {read.seen} at {read.number}, possible were {sorted(possible)}"
    return None


def check(ops, record):
    """What is wrong, as lines; none is good."""
    wrong = []
    keys = collections.defaultdict(list)
    for op in ops:
        keys[op.key].append(op)
    for key, of_key in keys.items():
        applied = record.get(key, [])
        times = collections.Counter(applied)
        for op in of_key:
            n = times[None] if op.kind == "D" else times[op.number]
            fault = check_op(op, n, bool(applied))
            if fault:
                wrong.append(f"{fault}: {op}; applied to the key: {applied}")
        fault = check_order(of_key, applied) or check_reads(of_key)
        if fault:
            wrong.append(f"{fault}: key {key}: {of_key}")
    strangers = set(record) - set(keys)
    if strangers:
        wrong.append(f"keys nobody asked for: {sorted(strangers)[:5]}")
    return wrong


def check_stored(ops, stored):
    """The same against a store that keeps no record: stored is {key: version} at the end. The
    newest acknowledged write of a key is there, or one after it that was not refused."""
    wrong = []
    keys = collections.defaultdict(list)
    for op in ops:
        keys[op.key].append(op._replace(kind="P") if op.kind == "X" else op)
    for key, of_key in keys.items():
        last = stored.get(key, 0)
        possible = {0}
        for op in of_key:
            if op.kind == "G":
                continue
            if op.status in (201, 204):
                possible.clear()
            if op.status in (201, 204, GONE) or op.unknown:
                possible.add(0 if op.kind == "D" else op.number)
            fault = check_op(op, op.status in (201, 204) or op.number == last, True)
            if fault:
                wrong.append(f"{fault}: {op}; stored: {last}")
        if last not in possible:
            wrong.append(f"stored {last}, possible were {sorted(possible)}: key {key}: {of_key}")
        fault = check_reads(of_key)
        if fault:
            wrong.append(f"{fault}: key {key}: {of_key}")
    strangers = set(stored) - set(keys)
    if strangers:
        wrong.append(f"keys nobody asked for: {sorted(strangers)[:5]}")
    return wrong


class Endpoint:
    """tests/tools/fire_endpoint."""

    def __init__(self, folder, seed, certificate=None, percent=100):
        self.port = free_port()
        self.record = pathlib.Path(folder) / "endpoint.record"
        self.output = pathlib.Path(folder) / "endpoint.out"
        tls = ["--certificate", certificate, "--key", certificate] if certificate else []
        with open(self.output, "wb") as out:
            self.process = subprocess.Popen(
                [str(BUILD / "tools" / "fire_endpoint"), "--listen", f"127.0.0.1:{self.port}",
                 "--seed", str(seed), "--percent", str(percent), "--record", str(self.record),
                 *map(str, tls)], stdout=out, stderr=subprocess.STDOUT)
        wait_port(self.port, self.process)
        self.url = f"https://localhost:{self.port}" if certificate else \
            f"http://127.0.0.1:{self.port}"

    def stop(self):
        code = stop(self.process)
        text = self.output.read_text()
        assert code == 0, text[-3000:]
        return text


def mixture(seed, ops):
    """The program's own settings, drawn from the seed. Many operations need many clients: each
    key waits for its own, and a connection's answers for each other."""
    draw = random.Random(f"fire {seed}")
    return {"workers": draw.choice([1, 1, 2]), "depth": draw.choice([1, 1, 4]),
            "connections": draw.choice([4, 16, 64]), "queue": draw.choice([256, 4096, 16384]),
            "items": draw.choice([25, 25, 25, 5, 1]), "attempts": draw.choice([2, 4, 10]),
            "deadline": draw.choice([3000, 10000]), "clients": draw.choice([16, 64, 256]) * (1 if ops < 50000 else 4),
            "leave": draw.choice([0, 5, 50]), "terminate": draw.random() < 0.5}


def run(folder, seed, ops, authority=None, percent=100):
    """One seed from start to end; returns what is wrong and a line of figures."""
    folder = pathlib.Path(folder)
    m = mixture(seed, ops)
    certificate = authority.issue(f"fire{seed}") if authority else None
    endpoint = Endpoint(folder, seed, certificate, percent)
    p = Penstock(folder, endpoint.url, config=config(), table="Fire",
                 workers=m["workers"], ca_file=authority and authority.file,
                 dynamodb=UPSTREAM.format(**m))
    record = folder / "clients.record"
    asked_for = ops * 10 // 9 if m["terminate"] else ops
    command = [str(BUILD / "tools" / "fire_clients"), "--connect", f"127.0.0.1:{p.port}",
               "--record", str(record), "--ops", str(asked_for), "--seed", str(seed),
               "--connections", str(m["clients"]), "--leave", str(m["leave"])]
    if m["terminate"]:
        command += ["--term-pid", str(p.process.pid), "--term-after", str(ops)]
    wrong = []
    try:
        started = time.monotonic()
        clients = subprocess.run(command, capture_output=True, text=True)
        seconds = time.monotonic() - started
        if clients.returncode != 0:
            wrong.append(f"clients ended with {clients.returncode}: "
                         f"{clients.stdout}{clients.stderr}")
        if m["terminate"]:  # a second signal would end it at once
            p.process.wait(60)
    finally:
        code = p.stop()
        told = endpoint.stop()
    if code != 0:
        wrong.append(f"penstock ended with {code}: {p.log()[-3000:]}")
    if not record.exists():
        return wrong, f"seed {seed}: the clients wrote no record", told
    asked = read_ops(record)
    applied = read_record(endpoint.record)
    wrong += check(asked, applied)
    counts = collections.Counter(op.status for op in asked)
    unknown = sum(op.unknown for op in asked)
    figures = (f"seed {seed}: {len(asked)} ops in {seconds:.1f} s, {m}; "
               f"{dict(sorted(counts.items()))}, {unknown} unknown; "
               f"{sum(map(len, applied.values()))} applied")
    return wrong, figures, told


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ops", type=int, default=200000)
    parser.add_argument("--seeds", default="1..10")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--percent", type=int, default=100)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--keep", action="store_true", help="keep the folder of a bad seed")
    args = parser.parse_args()
    first, _, last = args.seeds.partition("..")
    bad = 0
    with tempfile.TemporaryDirectory() as top:
        authority = None if args.plain else Authority(top)
        for seed in range(int(first), int(last or first) + 1):
            folder = tempfile.mkdtemp(prefix=f"fire{seed}-")
            wrong, figures, told = run(folder, seed, args.ops, authority, args.percent)
            print(("BAD  " if wrong else "good ") + figures, flush=True)
            if args.verbose:
                print(told, flush=True)
            for line in wrong[:10]:
                print("   ", line[:2000], flush=True)
            bad += bool(wrong)
            if wrong and args.keep:
                print("    kept:", folder)
            else:
                subprocess.run(["rm", "-rf", folder], check=True)
    print(f"{bad} seeds bad")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
