"""What goes wrong upstream gets a distinct log line and the right answer, and service resumes by
itself when the cause goes."""
import http.client
import socket
import threading
import time

import pytest

from conftest import KEYS, MUSIC, ROOT, Store, free_port, unique

SONG = {"Artist": "A", "SongTitle": "s"}


def post(p, song=SONG):
    return p.request("POST", "/music", song)


def until(test, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = test()
        if result:
            return result
        time.sleep(0.1)
    raise AssertionError("did not happen in time")


def test_store_down_then_up(penstock, tmp_path):
    port = free_port()
    p = penstock(f"http://127.0.0.1:{port}", wait=False, dynamodb="  deadline_ms: 1500\n")
    r = until(lambda: post(p))
    assert r.status == 503 and "retry-after" in r.headers
    assert r.json() == {"message": "Service Unavailable"}
    assert "no connection to DynamoDB" in p.ready().body.decode()
    store = Store("dynoxide", port, tmp_path / "data")
    try:
        p.wait_ready()
        assert post(p).status == 201
        store.stop()
        assert until(lambda: post(p).status == 503)
        store.start()
        p.wait_ready()
        assert until(lambda: post(p).status == 201)
    finally:
        store.stop()


@pytest.mark.parametrize("fault, words", [
    ("unknown-ca", "trusted"), ("wrong-name", "name"), ("expired", "expired")])
def test_certificates(penstock, haproxy, authority, dynoxide, tmp_path, fault, words):
    """The wrong certificate is refused with its own reason; the right one makes it resume."""
    good = authority.issue("good")
    if fault == "unknown-ca":
        import subprocess
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "5",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                        "-keyout", "s.key", "-out", "s.crt"], cwd=tmp_path, check=True,
                       capture_output=True)
        bad = tmp_path / "s.pem"
        bad.write_text((tmp_path / "s.crt").read_text() + (tmp_path / "s.key").read_text())
    elif fault == "wrong-name":
        bad = authority.issue("other", host="other.example")
    else:
        bad = authority.issue("old", days=-1)
    front = haproxy([dynoxide.port], certificate=bad)
    table = unique("Cert")
    p = penstock(front.url, config=MUSIC.format(table=table), table=table, wait=False,
                 ca_file=authority.file, dynamodb="  deadline_ms: 1500\n")
    r = until(lambda: post(p))
    assert r.status == 503
    assert until(lambda: [x for x in p.log().splitlines() if words in x and "warn" in x]), p.log()
    front.stop()
    front.config.write_text(front.config.read_text().replace(str(bad), str(good)))
    front.start()
    p.wait_ready()
    assert post(p).status == 201


def test_missing_table_then_created(penstock, dynoxide):
    table = unique("Late")
    config = MUSIC.format(table=table).replace("create_if_missing: true", "create_if_missing: false")
    p = penstock(dynoxide.url, config=config, table=table, wait=False)
    r = until(lambda: post(p))
    assert r.status == 500 and r.json() == {"message": "Internal server error"}
    assert "does not exist" in until(lambda: p.ready().body.decode())
    dynoxide.client().create_table(
        TableName=table, BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "Artist", "KeyType": "HASH"},
                   {"AttributeName": "SongTitle", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": "Artist", "AttributeType": "S"},
                              {"AttributeName": "SongTitle", "AttributeType": "S"}])
    p.wait_ready()
    assert post(p).status == 201


def test_schema_comes_from_describe_table(penstock, dynoxide):
    table = unique("Described")
    dynoxide.client().create_table(
        TableName=table, BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "N"}])
    config = (f"tables: [{{name: {table}}}]\nroutes:\n  - route: POST /things\n"
              f"    put_item: {{table: {table}}}\n  - route: GET /things/{{id}}\n"
              f"    get_item: {{table: {table}}}\n")
    p = penstock(dynoxide.url, config=config, table=table)
    assert p.request("POST", "/things", {"id": 7, "x": 1}).json() == {"id": 7}
    assert p.request("GET", "/things/7").json() == {"id": 7, "x": 1}
    r = p.request("POST", "/things", {"id": "7"})
    assert r.status == 400 and "id" in r.json()["message"]


def test_keys_that_differ_are_said(penstock, dynoxide):
    table = unique("Differ")
    dynoxide.client().create_table(
        TableName=table, BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}])
    p = penstock(dynoxide.url, config=MUSIC.format(table=table), table=table, wait=False)
    assert until(lambda: "keys differ" in p.ready().body.decode())


def test_no_credentials_then_a_file(penstock, dynoxide, tmp_path):
    table = unique("Cred")
    none = {k: "" for k in KEYS if k != "AWS_REGION"}
    p = penstock(dynoxide.url, config=MUSIC.format(table=table), table=table, wait=False,
                 env={**none, "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials")},
                 dynamodb="  deadline_ms: 1500\n")
    r = until(lambda: post(p))
    assert r.status in (500, 503)
    assert "no credentials" in p.ready().body.decode()
    (tmp_path / "credentials").write_text(
        "[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
    p.wait_ready()
    assert post(p).status == 201


def test_drain_finishes_what_is_in_flight(penstock, dynoxide):
    table = unique("Drain")
    p = penstock(dynoxide.url, config=MUSIC.format(table=table), table=table, workers=2)
    stored, failed, stopping = [], [], threading.Event()

    def client(n):
        i = 0
        while True:
            try:
                r = p.request("POST", "/music", {"Artist": f"c{n}", "SongTitle": str(i)}, timeout=20)
            except OSError as e:
                if not stopping.is_set():
                    failed.append(repr(e))
                return
            if r.status == 201:
                stored.append((f"c{n}", str(i)))
            elif r.status != 503:
                failed.append(r)
            i += 1

    clients = [threading.Thread(target=client, args=(n,)) for n in range(8)]
    for c in clients:
        c.start()
    time.sleep(1)
    stopping.set()
    assert p.stop() == 0, p.log()[-3000:]
    for c in clients:
        c.join(30)
        assert not c.is_alive()
    assert not failed, failed[:3]
    assert len(stored) > 50
    table = dynoxide.client()
    found = set()
    for page in table.get_paginator("scan").paginate(TableName=p.table):
        found |= {(i["Artist"]["S"], i["SongTitle"]["S"]) for i in page["Items"]}
    assert set(stored) <= found


SLOW = """
functions:
  - name: slow
    command: [/usr/bin/python3, {root}/src/lambda/runtimes/runtime.py, slow.handler]
    directory: {folder}
    timeout_ms: 60000
routes:
  - route: GET /slow
    function: slow
  - route: GET /quick
    function: slow
"""


def slow_service(penstock, dynoxide, folder, drain):
    (folder / "slow.py").write_text(
        "import time\ndef handler(event, context):\n"
        "    time.sleep(4 if event['rawPath'] == '/slow' else 0)\n    return {'statusCode': 200}\n")
    p = penstock(dynoxide.url, config=SLOW.format(root=ROOT, folder=folder),
                 head=f"drain: {{{drain}}}\n")
    assert p.request("GET", "/quick").status == 200
    c = http.client.HTTPConnection("127.0.0.1", p.port, timeout=30)
    c.request("GET", "/slow")
    return p, c


def test_order_of_a_drain(penstock, dynoxide, tmp_path):
    """Readiness fails while the door is open; then it closes, what is in flight ends with
    Connection: close, and the process exits 0."""
    p, c = slow_service(penstock, dynoxide, tmp_path, "wait_ms: 1500, deadline_ms: 20000")
    p.process.terminate()
    assert until(lambda: p.ready().status == 503)
    assert "draining" in p.ready().body.decode()
    assert p.request("GET", "/healthz", port=p.admin).status == 200
    assert p.request("GET", "/nowhere").status == 404  # still served, on a new connection

    def refused():
        try:
            socket.create_connection(("127.0.0.1", p.port), 5).close()
            return False
        except ConnectionRefusedError:
            return True
    assert until(refused)
    r = c.getresponse()
    assert r.status == 200 and r.headers["Connection"] == "close"
    assert p.process.wait(20) == 0


def test_deadline_of_a_drain(penstock, dynoxide, tmp_path):
    p, c = slow_service(penstock, dynoxide, tmp_path, "wait_ms: 0, deadline_ms: 200")
    p.process.terminate()
    assert p.process.wait(20) == 0
    assert [e["workers"] for e in p.log_events("drain_deadline")] == [1]
    with pytest.raises((OSError, http.client.HTTPException)):
        c.getresponse()


def test_second_signal_ends_at_once(penstock, dynoxide):
    p = penstock(dynoxide.url, head="drain: {wait_ms: 60000}\n")
    p.process.terminate()
    assert until(lambda: p.ready().status == 503)
    assert "draining" in p.ready().body.decode()
    p.process.terminate()
    assert p.process.wait(20) == 0
