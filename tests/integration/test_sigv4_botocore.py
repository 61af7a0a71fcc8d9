"""Our signatures against botocore's, over thousands of random DynamoDB requests: the general
signer's Authorization value, and every byte of the fast path."""
import base64
import datetime
import os
import pathlib
import random
import re
import string
import subprocess
import uuid

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

REQUESTS = 6000
SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PENSTOCK_BUILD", SOURCE / "build"))
TOOL = BUILD / "tools" / "sigv4_sign"
OPERATIONS = ["PutItem", "BatchWriteItem", "GetItem", "Query", "UpdateItem", "DeleteItem",
              "CreateTable", "DescribeTable", "Scan", "TransactWriteItems"]
REGIONS = ["us-east-1", "eu-west-1", "cn-north-1", "us-gov-west-1", "ap-southeast-4"]


class Mood:
    """What stays the same for a while, as it does in a worker's life."""

    def __init__(self, rng):
        self.rng = rng
        self.place()
        self.credentials()
        self.epoch = rng.randrange(1_000_000_000, 2_000_000_000)

    def place(self):
        self.region = self.rng.choice(REGIONS)
        self.host = self.rng.choice([f"dynamodb.{self.region}.amazonaws.com", "localhost:8000",
                                     f"dynamodb-fips.{self.region}.api.aws", "127.0.0.1:4566"])

    def credentials(self):
        rng = self.rng
        self.access = "AKIA" + "".join(rng.choices(string.ascii_uppercase + string.digits,
                                                   k=rng.randrange(1, 60)))
        self.secret = "".join(rng.choices(string.ascii_letters + string.digits + "+/=",
                                          k=rng.choice([1, 20, 40, 59, 60, 61, 64, 100])))
        self.token = "" if rng.random() < 0.5 else "".join(
            rng.choices(string.ascii_letters + string.digits + "+/=", k=rng.randrange(1, 1500)))

    def move(self):
        rng = self.rng
        if rng.random() < 0.02:
            self.place()
        if rng.random() < 0.05:
            self.credentials()
        if rng.random() < 0.3:
            self.epoch += rng.randrange(0, 3)
        if rng.random() < 0.02:
            self.epoch += rng.choice([86400, 3600 * 5, 86400 * 400, -86400])


def random_body(rng):
    size = rng.choice([0, 1, rng.randrange(400), rng.randrange(400), rng.randrange(20000)])
    if rng.random() < 0.2:
        return rng.randbytes(size)
    return ('{"TableName":"Music","Item":{"a":{"S":"%s"}}}' % ("é" * size)).encode()[:size]


def botocore_authorization(mood, operation, body):
    request = AWSRequest("POST", f"https://{mood.host}/", data=body, headers={
        "Host": mood.host, "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": f"DynamoDB_20120810.{operation}", "User-Agent": "not signed"})
    when = datetime.datetime.fromtimestamp(mood.epoch, datetime.timezone.utc)
    request.context["timestamp"] = when.strftime("%Y%m%dT%H%M%SZ")
    credentials = Credentials(mood.access, mood.secret, mood.token or None)
    auth = SigV4Auth(credentials, "dynamodb", mood.region)
    auth._modify_request_before_signing(request)
    to_sign = auth.string_to_sign(request, auth.canonical_request(request))
    auth._inject_signature_to_request(request, auth.signature(to_sign, request))
    return request.headers["Authorization"], request.context["timestamp"]


def expected_bytes(mood, operation, ids, body, authorization, date):
    head = ["POST / HTTP/1.1", f"Host: {mood.host}", "User-Agent: penstock",
            "Accept-Encoding: identity", "Content-Type: application/x-amz-json-1.0",
            f"X-Amz-Target: DynamoDB_20120810.{operation}", f"X-Amz-Date: {date}"]
    if mood.token:
        head.append(f"X-Amz-Security-Token: {mood.token}")
    head += [f"Authorization: {authorization}", f"amz-sdk-invocation-id: {ids[0]}",
             f"amz-sdk-request: attempt={ids[1]}; max={ids[2]}", f"Content-Length: {len(body)}"]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@pytest.mark.parametrize("seed", [1, 2])
def test_agrees_with_botocore(seed):
    assert TOOL.exists(), f"{TOOL} is not there: build first, or set PENSTOCK_BUILD"
    rng = random.Random(seed)
    mood = Mood(rng)
    lines, wanted = [], []
    for _ in range(REQUESTS // 2):
        mood.move()
        operation = rng.choice(OPERATIONS[:rng.choice([2, len(OPERATIONS)])])
        body = random_body(rng)
        ids = (str(uuid.UUID(int=rng.getrandbits(128))), rng.randrange(1, 12), rng.randrange(1, 99))
        authorization, date = botocore_authorization(mood, operation, body)
        wanted.append((authorization, expected_bytes(mood, operation, ids, body, authorization, date)))
        lines.append("\t".join([mood.host, mood.region, mood.access, mood.secret, mood.token,
                                str(mood.epoch), operation, ids[0], str(ids[1]), str(ids[2]),
                                base64.b64encode(body).decode()]))
    run = subprocess.run([TOOL], input="\n".join(lines) + "\n", capture_output=True, text=True,
                         check=True, timeout=120)
    answers = run.stdout.splitlines()
    assert len(answers) == len(wanted)
    for answer, (authorization, request) in zip(answers, wanted):
        general, fast = answer.split("\t")
        assert general == authorization
        got = re.sub(rb"User-Agent: penstock/[0-9.]+", b"User-Agent: penstock", bytes.fromhex(fast))
        assert got == request
