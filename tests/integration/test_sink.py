"""penstock-sink with AWS's own client, and with raw sockets where that client is too polite."""
import json
import signal
import socket
import subprocess
import time
import zlib

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, SSLError

from conftest import BUILD, free_port, stop, wait_port

SINK = BUILD / "penstock-sink"
KEY = {"Artist": {"S": "Acme Band"}, "SongTitle": {"S": "Happy Day"}}


class Sink:
    def __init__(self, folder, *options, plain=False):
        self.port = free_port()
        self.plain = plain
        self.certificate = folder / "sink.pem"
        self.json_file = folder / "sink.json"
        self.out = folder / "sink.out"
        own = ["--plain"] if plain else ["--cert-out", str(self.certificate)]
        with open(self.out, "wb") as out:
            self.process = subprocess.Popen(
                [str(SINK), "--listen", f"127.0.0.1:{self.port}", "--threads", "2", "--count-keys",
                 "--table", "Music:Artist:SongTitle", "--json", str(self.json_file), *own, *options],
                stdout=out, stderr=subprocess.STDOUT)
        wait_port(self.port, self.process)

    @property
    def url(self):
        return f"http{'' if self.plain else 's'}://localhost:{self.port}"

    def client(self, secret="secret", verify=None, attempts=1):
        return boto3.client("dynamodb", endpoint_url=self.url, region_name="eu-west-1",
                            aws_access_key_id="test", aws_secret_access_key=secret,
                            verify=verify or (None if self.plain else str(self.certificate)),
                            config=Config(retries={"total_max_attempts": attempts}))

    def summary(self):
        """Stops it; what it counted."""
        code = stop(self.process)
        text = self.out.read_text()
        assert code == 0 and "Sanitizer" not in text and "runtime error" not in text, text
        return json.loads(self.json_file.read_text())


@pytest.fixture
def sink(tmp_path):
    made = []

    def make(*options, **kwargs):
        made.append(Sink(tmp_path, *options, **kwargs))
        return made[-1]
    yield make
    for s in made:
        s.summary()


def put(n):
    return {"PutRequest": {"Item": {"Artist": {"S": f"a{n}"}, "SongTitle": {"S": 'q"\\}'},
                                    "L": {"L": [{"M": {"x": {"NULL": True}}}, {"S": "]}"}]}}}}


def test_writes_over_verified_tls_are_counted(sink):
    s = sink()
    c = s.client()
    r = c.put_item(TableName="Music", Item={**KEY, "Rating": {"N": "5"}})
    headers = r["ResponseMetadata"]["HTTPHeaders"]
    assert int(headers["x-amz-crc32"]) == zlib.crc32(b"{}")  # botocore has checked it, too
    assert len(r["ResponseMetadata"]["RequestId"]) == 52 and headers["date"].endswith("GMT")
    c.put_item(TableName="Music", Item=KEY)
    r = c.batch_write_item(RequestItems={"Music": [put(n) for n in range(24)]
                                         + [{"DeleteRequest": {"Key": KEY}}]})
    assert r["UnprocessedItems"] == {}
    c.delete_item(TableName="Music", Key=KEY)
    got = s.summary()
    assert (got["items"], got["distinct_keys"], got["ok"], got["requests"]) == (28, 25, 4, 4)
    assert (got["puts"], got["batches"], got["deletes"]) == (2, 1, 1)
    assert "stores nothing" in s.out.read_text()


def test_a_stranger_does_not_trust_it(sink):
    with pytest.raises(SSLError):
        sink().client(verify="/etc/ssl/certs/ca-certificates.crt").describe_table(TableName="Music")


def test_reads_find_nothing(sink):
    c = sink(plain=True).client()
    assert "Item" not in c.get_item(TableName="Music", Key=KEY)
    assert c.query(TableName="Music", KeyConditionExpression="Artist=:a",
                   ExpressionAttributeValues={":a": {"S": "x"}})["Items"] == []
    r = c.update_item(TableName="Music", Key=KEY, UpdateExpression="SET a=:a",
                      ExpressionAttributeValues={":a": {"N": "1"}}, ReturnValues="ALL_NEW")
    assert r["Attributes"] == KEY


def test_tables(sink):
    c = sink("--table", "Scores:Player:At=N", plain=True).client()
    t = c.describe_table(TableName="Scores")["Table"]
    assert t["TableStatus"] == "ACTIVE"
    assert t["KeySchema"] == [{"AttributeName": "Player", "KeyType": "HASH"},
                              {"AttributeName": "At", "KeyType": "RANGE"}]
    assert {a["AttributeName"]: a["AttributeType"] for a in t["AttributeDefinitions"]} == {
        "Player": "S", "At": "N"}
    new = {"TableName": "New", "BillingMode": "PAY_PER_REQUEST",
           "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
           "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "B"}]}
    assert c.create_table(**new)["TableDescription"]["TableStatus"] == "ACTIVE"
    c.put_item(TableName="New", Item={"id": {"B": b"x"}})
    with pytest.raises(c.exceptions.ResourceInUseException):
        c.create_table(**new)
    for call in (lambda: c.put_item(TableName="None", Item=KEY),
                 lambda: c.describe_table(TableName="None"),
                 lambda: c.batch_write_item(RequestItems={"None": [put(1)]})):
        with pytest.raises(c.exceptions.ResourceNotFoundException, match="None not found"):
            call()


@pytest.mark.parametrize("call, message", [
    (lambda c: c.put_item(TableName="Music", Item={"Artist": {"S": "x"}}), "missing"),
    (lambda c: c.batch_write_item(RequestItems={"Music": [{"PutRequest": {"Item": {
        "SongTitle": {"S": "x"}}}}]}), "missing"),
    (lambda c: c.batch_write_item(RequestItems={"Music": [put(1), put(2), put(1)]}), "duplicates"),
    (lambda c: c.batch_write_item(RequestItems={"Music": [put(n) for n in range(26)]}), "Too many"),
    (lambda c: c.scan(TableName="Music"), "UnknownOperation"),
])
def test_refusals(sink, call, message):
    s = sink(plain=True)
    with pytest.raises(ClientError, match=message):
        call(s.client())
    got = s.summary()
    assert (got["refused"], got["items"], got["distinct_keys"]) == (1, 0, 0)


def test_throttle_and_fail(sink):
    s = sink("--throttle", "30", "--fail", "20", "--seed", "1", plain=True)
    c = s.client()
    seen = {"ok": 0, "ProvisionedThroughputExceededException": 0, "InternalServerError": 0}
    for _ in range(300):
        try:
            c.put_item(TableName="Music", Item=KEY)
            seen["ok"] += 1
        except ClientError as e:
            seen[e.response["Error"]["Code"]] += 1
    assert 30 <= seen["InternalServerError"] <= 95 and 45 <= seen["ok"] <= 220
    c.describe_table(TableName="Music")  # never fails
    got = s.summary()
    assert got["items"] == seen["ok"] and got["failed"] == seen["InternalServerError"]
    assert got["throttled"] == seen["ProvisionedThroughputExceededException"] > 40


def test_unprocessed_items_come_back_as_they_were(sink):
    s = sink("--unprocessed", "40", plain=True)
    c = s.client()
    todo = [put(n) for n in range(25)]
    rounds = 0
    while todo and rounds < 200:
        rounds += 1
        try:
            left = c.batch_write_item(RequestItems={"Music": todo})["UnprocessedItems"]
        except c.exceptions.ProvisionedThroughputExceededException:
            continue  # all of them
        left = left.get("Music", [])
        assert all(request in todo for request in left)
        todo = left
    got = s.summary()
    assert not todo and rounds > 1 and got["unprocessed"] > 0
    assert (got["items"], got["distinct_keys"]) == (25, 25)


def test_signatures_are_sampled(sink):
    s = sink("--verify-secret", "secret", plain=True)
    good, bad = s.client(), s.client(secret="wrong")
    for _ in range(200):
        good.put_item(TableName="Music", Item=KEY)
    refused = 0
    for _ in range(200):
        try:
            bad.put_item(TableName="Music", Item=KEY)
        except ClientError as e:
            assert e.response["Error"]["Code"] == "InvalidSignatureException"
            refused += 1
    got = s.summary()
    assert refused == got["bad_signatures"] > 0
    assert refused < got["checked_signatures"] < 100


def post(target, body):
    return (f"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: DynamoDB_20120810.{target}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()


def read_all(sock):
    data = b""
    while True:
        piece = sock.recv(65536)
        if not piece:
            return data
        data += piece


def test_pipelined_requests_are_answered_in_order_after_their_latency(sink):
    s = sink("--latency-ms", "5-60", plain=True)
    item = json.dumps({"TableName": "Music", "Item": KEY})
    describe = json.dumps({"TableName": "Music"})
    sock = socket.create_connection(("127.0.0.1", s.port), 10)
    began = time.monotonic()
    sock.sendall(b"".join(post("PutItem", item) + post("DescribeTable", describe)
                          for _ in range(20)))
    sock.shutdown(socket.SHUT_WR)
    answers = [a.split(b"\r\n\r\n")[1] for a in read_all(sock).split(b"HTTP/1.1 200 OK")[1:]]
    assert time.monotonic() - began >= 0.02
    assert len(answers) == 40
    assert all(a == b"{}" for a in answers[::2])
    assert all(a.startswith(b'{"Table":') for a in answers[1::2])


@pytest.mark.parametrize("body, name", [
    ("", "SerializationException"), ("[]", "SerializationException"),
    ('{"TableName":"Music","Item":', "SerializationException"),
    ('{"TableName":"Music","Item":{"Artist":{"S":"', "SerializationException"),
    ('{"TableName":"Music","Item":[]}', "SerializationException"),
    ('{"TableName":"Music"}', "SerializationException"),
    ('{"Item":{}}', "ResourceNotFoundException"),
    ('{"TableName":"Music","Item":{}}', "ValidationException"),
    ('"\\', "SerializationException"), ('{"\\"', "SerializationException"), ("}", "SerializationException"),
])
def test_bad_json(sink, body, name):
    s = sink(plain=True)
    for target in ("PutItem", "BatchWriteItem"):
        with socket.create_connection(("127.0.0.1", s.port), 10) as sock:
            sock.sendall(post(target, body))
            answer = sock.recv(65536)
            assert answer.startswith(b"HTTP/1.1 400 ")
            if target == "PutItem":
                assert name.encode() in answer


def test_bad_http_is_answered_once_and_closed(sink):
    s = sink(plain=True)
    with socket.create_connection(("127.0.0.1", s.port), 10) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\nPOST / HTTP/1.1\r\n\r\n")
        answer = read_all(sock)
    assert answer.count(b"HTTP/1.1 ") == 1 and answer.startswith(b"HTTP/1.1 400 Bad Request")
    assert b"Connection: close" in answer
    assert s.summary()["bad_http"] == 1


def test_summary_on_signal_while_it_runs(sink):
    s = sink(plain=True)
    s.client().put_item(TableName="Music", Item=KEY)
    s.process.send_signal(signal.SIGUSR1)
    end = time.monotonic() + 10
    while not s.json_file.exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert json.loads(s.json_file.read_text())["items"] == 1
    assert s.process.poll() is None
    assert "1 items of 1 distinct keys" in s.out.read_text()


@pytest.mark.parametrize("options", [
    ["--nonsense"], ["nonsense"], ["--threads"], ["--threads", "0"], ["--threads=x"],
    ["--latency-ms", "8-3"], ["--throttle", "101"], ["--fail", "-1"], ["--fail", "nan"],
    ["--plain=1"], ["--listen", "localhost"], ["--table", "Music"], ["--table", "Music:"],
    ["--table", "M:a", "--table", "M:a"], ["--table", "M:a=X"], ["--key", "k.pem"],
    ["--certificate", "c.pem"], ["--plain", "--cert-out", "x.pem"],
])
def test_wrong_usage_is_one_line_and_2(options, tmp_path):
    r = subprocess.run([str(SINK), *options], capture_output=True, text=True, cwd=tmp_path, timeout=20)
    assert r.returncode == 2 and r.stdout == ""
    assert r.stderr.count("\n") == 1 and r.stderr.startswith("penstock-sink: "), r.stderr
    assert list(tmp_path.iterdir()) == []


def test_help_and_failures(tmp_path):
    r = subprocess.run([str(SINK), "--help"], capture_output=True, text=True, timeout=20)
    assert r.returncode == 0 and "stores nothing" in r.stdout
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        r = subprocess.run([str(SINK), "--plain", "--listen", f"127.0.0.1:{taken.getsockname()[1]}"],
                           capture_output=True, text=True, timeout=20)
    assert r.returncode == 1 and "in use" in r.stderr, r.stderr
    r = subprocess.run([str(SINK), "--listen", "127.0.0.1:0", "--cert-out", "/nowhere/x.pem"],
                       capture_output=True, text=True, timeout=20)
    assert r.returncode == 1 and "/nowhere/x.pem: No such file" in r.stderr
    r = subprocess.run([str(SINK), "--listen", "127.0.0.1:0", "--certificate", "/nowhere/c.pem",
                        "--key", "/nowhere/k.pem"], capture_output=True, text=True, timeout=20)
    assert r.returncode == 1 and r.stderr.startswith("penstock-sink: TLS: "), r.stderr


def test_a_second_sink_does_not_share_the_port(sink):
    s = sink(plain=True)
    r = subprocess.run([str(SINK), "--plain", "--listen", f"127.0.0.1:{s.port}"],
                       capture_output=True, text=True, timeout=20)
    assert r.returncode == 1 and "in use" in r.stderr


def test_unix_socket(tmp_path):
    path = tmp_path / "sink.sock"
    process = subprocess.Popen([str(SINK), "--plain", "--listen", f"unix:{path}", "--threads", "3"],
                               stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 10
        while not path.exists() and time.monotonic() < end:
            time.sleep(0.02)
        for _ in range(10):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(str(path))
                sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                assert b"stores nothing" in read_all(sock)
    finally:
        assert stop(process) == 0
