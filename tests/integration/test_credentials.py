"""The program with credentials that must be fetched: a role from STS over TLS, and the container's
endpoint whose keys the service stops to accept. What arrives is verified with botocore."""
import datetime
import http.server
import json
import ssl
import threading
import time
import urllib.parse

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
TABLE = {"TableName": "Music", "TableStatus": "ACTIVE",
         "AttributeDefinitions": [{"AttributeName": "Artist", "AttributeType": "S"},
                                  {"AttributeName": "SongTitle", "AttributeType": "S"}],
         "KeySchema": [{"AttributeName": "Artist", "KeyType": "HASH"},
                       {"AttributeName": "SongTitle", "KeyType": "RANGE"}]}


class Server:
    """answer(handler, body) -> (status, text); over TLS with a certificate."""

    def __init__(self, answer, certificate=None):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, text = answer(self, body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())
            do_GET = do_POST = do_PUT = do

            def log_message(self, *args):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.http.server_port
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()

    def stop(self):
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def serve():
    made = []

    def make(*args, **kwargs):
        made.append(Server(*args, **kwargs))
        return made[-1]
    yield make
    for s in made:
        s.stop()


def signed_with(handler, body, host, keys):
    """Whether the request is what botocore would have signed with these keys."""
    names = handler.headers["Authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    request = AWSRequest(handler.command, f"{host}{handler.path}", data=body,
                         headers={n: handler.headers[n] for n in names if "security" not in n})
    service, region = handler.headers["Authorization"].split("/")[3], "eu-west-1"
    auth = SigV4Auth(Credentials(*keys), service, region)
    request.context["timestamp"] = handler.headers["X-Amz-Date"]
    auth._modify_request_before_signing(request)
    to_sign = auth.string_to_sign(request, auth.canonical_request(request))
    auth._inject_signature_to_request(request, auth.signature(to_sign, request))
    return request.headers["Authorization"] == handler.headers["Authorization"]


class Table:
    """A DynamoDB that knows one table, verifies signatures and counts puts by access key."""

    def __init__(self):
        self.keys = {}
        self.refused = set()
        self.puts = []

    def answer(self, handler, body):
        key = handler.headers["Authorization"].split("Credential=")[1].split("/")[0]
        host = f"http://{handler.headers['Host']}"
        if key in self.refused:
            return 400, json.dumps({"__type": "com.amazon.coral.service#ExpiredTokenException",
                                    "message": "The security token included in the request is expired"})
        if not signed_with(handler, body, host, (key, *self.keys[key])):
            return 400, json.dumps({"__type": "com.amazon.coral.service#InvalidSignatureException",
                                    "message": "no"})
        operation = handler.headers["X-Amz-Target"].split(".")[1]
        if operation == "DescribeTable":
            return 200, json.dumps({"Table": TABLE})
        self.puts.append((operation, key))
        return 200, json.dumps({"UnprocessedItems": {}} if operation == "BatchWriteItem" else {})


def expiration(seconds=3600):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def post(p):
    return p.request("POST", "/music", {"Artist": "a", "SongTitle": "b"})


def test_role_over_tls(penstock, serve, authority, tmp_path):
    table = Table()
    table.keys["ASIAROLE"] = ("role-secret", "role/token==")
    asked = []

    def sts(handler, body):
        fields = dict(urllib.parse.parse_qsl(body.decode()))
        good = signed_with(handler, body, f"https://{handler.headers['Host']}",
                           ("AKBASE", "base-secret"))
        asked.append((good, fields))
        return 200, ("<AssumeRoleResponse><AssumeRoleResult><Credentials>"
                     "<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>role-secret"
                     "</SecretAccessKey><SessionToken>role/token==</SessionToken>"
                     f"<Expiration>{expiration()}</Expiration></Credentials>"
                     "</AssumeRoleResult></AssumeRoleResponse>")

    dynamodb = serve(table.answer)
    service = serve(sts, certificate=authority.issue("sts"))
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").write_text(
        "[default]\nrole_arn = arn:aws:iam::123456789012:role/app\nsource_profile = base\n"
        "duration_seconds = 3600\n")
    (tmp_path / ".aws/credentials").write_text(
        "[base]\naws_access_key_id = AKBASE\naws_secret_access_key = base-secret\n")
    p = penstock(f"http://127.0.0.1:{dynamodb.port}", ca_file=authority.file,
                 env={**NO_KEYS, "AWS_ENDPOINT_URL_STS": f"https://localhost:{service.port}"})
    assert post(p).status == 201
    assert table.puts == [("PutItem", "ASIAROLE")] or table.puts == [("BatchWriteItem", "ASIAROLE")]
    assert asked == [(True, {"Action": "AssumeRole", "Version": "2011-06-15",
                             "RoleArn": "arn:aws:iam::123456789012:role/app",
                             "RoleSessionName": "penstock", "DurationSeconds": "3600"})]
    assert [e["source"] for e in p.log_events("credentials")] == ["profile:default"]
    assert "secret" not in p.log() and "role/token" not in p.log()


def test_refused_keys_are_fetched_anew(penstock, serve):
    table = Table()
    table.keys = {"AK1": ("s1", "t1"), "AK2": ("s2", "t2")}
    current = ["AK1"]

    def container(handler, body):
        assert handler.headers["Authorization"] == "Bearer x"
        secret, token = table.keys[current[0]]
        return 200, json.dumps({"AccessKeyId": current[0], "SecretAccessKey": secret,
                                "Token": token, "Expiration": expiration()})

    endpoint = serve(container)
    p = penstock(f"http://127.0.0.1:{serve(table.answer).port}",
                 env={**NO_KEYS, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Bearer x",
                      "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{endpoint.port}/c"})
    assert post(p).status == 201
    current[0] = "AK2"
    table.refused.add("AK1")
    end = time.monotonic() + 10
    while post(p).status != 201:
        assert time.monotonic() < end, p.log()[-3000:]
        time.sleep(0.1)
    assert table.puts[0][1] == "AK1" and table.puts[-1][1] == "AK2"
    assert len(p.log_events("credentials")) == 2
