"""The rest of the Invoke API: InvokeWithResponseStream, client context, qualifiers, and handlers
in C by name."""
import base64
import json
import subprocess

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from conftest import NPM, free_port
from test_functions import COMMANDS, HERE, config, wait_for
from test_native_handlers import libraries  # noqa: F401 (a fixture)

LONG = "    timeout_ms: 20000\n"
PYTHON, NODE = COMMANDS["python"], COMMANDS["node"]
STREAM = ("s", NODE + ["app.stream"], LONG)


def add_stream_operation(model):
    """As botocore has it from 1.29.106 on; Debian 12's is older."""
    shapes = model["shapes"]
    text = {"shape": "String"}
    shapes["StreamUpdate"] = {"type": "structure", "event": True, "members": {
        "Payload": {"shape": "Blob", "eventpayload": True}}}
    shapes["StreamComplete"] = {"type": "structure", "event": True, "members": {
        "ErrorCode": text, "ErrorDetails": text, "LogResult": text}}
    shapes["StreamEvent"] = {"type": "structure", "eventstream": True, "members": {
        "PayloadChunk": {"shape": "StreamUpdate"}, "InvokeComplete": {"shape": "StreamComplete"}}}
    shapes["StreamResponse"] = {"type": "structure", "payload": "EventStream", "members": {
        "StatusCode": {"shape": "Integer", "location": "statusCode"},
        "ExecutedVersion": {"shape": "Version", "location": "header",
                            "locationName": "X-Amz-Executed-Version"},
        "EventStream": {"shape": "StreamEvent"}}}
    invoke = model["operations"]["Invoke"]
    model["operations"]["InvokeWithResponseStream"] = {
        "name": "InvokeWithResponseStream", "input": invoke["input"], "errors": invoke["errors"],
        "output": {"shape": "StreamResponse"}, "http": {
            "method": "POST", "responseCode": 200,
            "requestUri": "/2021-11-15/functions/{FunctionName}/response-streaming-invocations"}}


def client_of(port):
    session = botocore.session.get_session()
    loader = session.get_component("data_loader")
    model = loader.load_service_model("lambda", "service-2")
    if "InvokeWithResponseStream" not in model["operations"]:
        add_stream_operation(model)
    return boto3.Session(botocore_session=session).client(
        "lambda", endpoint_url=f"http://127.0.0.1:{port}", region_name="eu-west-1",
        aws_access_key_id="a", aws_secret_access_key="b",
        config=Config(retries={"max_attempts": 0}, read_timeout=60))


@pytest.fixture
def api(penstock, dynoxide):
    def make(text):
        port = free_port()
        p = penstock(dynoxide.url, text, head=f"invoke: 127.0.0.1:{port}\n")
        return p, client_of(port), port
    return make


def read(answer):
    """(payload, the last event)."""
    events = list(answer["EventStream"])
    assert [list(e) for e in events[-1:]] == [["InvokeComplete"]]
    return b"".join(e["PayloadChunk"]["Payload"] for e in events[:-1]), events[-1]["InvokeComplete"]


def test_stream(api, tmp_path):
    p, client, _ = api(config(STREAM, ("echo", PYTHON + ["app.echo"], LONG),
                              ("fail", PYTHON + ["app.fail"], LONG)))
    gate = tmp_path / "gate"
    r = client.invoke_with_response_stream(
        FunctionName="s", LogType="Tail", Payload=json.dumps({"plain": 1, "gate": str(gate)}))
    assert r["StatusCode"] == 200 and r["ExecutedVersion"] == "$LATEST"
    stream = iter(r["EventStream"])
    assert next(stream)["PayloadChunk"]["Payload"] == b"xxxxx"  # it runs still
    gate.touch()
    log = base64.b64decode(next(stream)["InvokeComplete"]["LogResult"]).decode()
    assert log.startswith("START RequestId: ") and "REPORT" in log
    payload, end = read(client.invoke_with_response_stream(
        FunctionName="s", Payload=json.dumps({"plain": 1, "parts": 200, "bytes": 65536})))
    assert payload == b"x" * 200 * 65536 and end == {}
    payload, end = read(client.invoke_with_response_stream(
        FunctionName="s", Payload=json.dumps({"plain": 1, "fail": 1})))
    assert payload == b"xxxxx" and end["ErrorCode"] == "Unhandled"
    assert json.loads(end["ErrorDetails"])["errorType"] == "RangeError"
    payload, end = read(client.invoke_with_response_stream(
        FunctionName="echo", Payload='{"version":"1"}'))  # not made for it
    assert json.loads(payload)["statusCode"] == 201 and end == {}
    payload, end = read(client.invoke_with_response_stream(FunctionName="fail", Payload="{}"))
    assert payload == b"" and json.loads(end["ErrorDetails"])["errorType"] == "KeyError"
    for arguments, code in (({"FunctionName": "nobody"}, "ResourceNotFoundException"),
                            ({"FunctionName": "s", "InvocationType": "Event"},
                             "InvalidParameterValueException")):
        with pytest.raises(ClientError) as caught:
            client.invoke_with_response_stream(**arguments)
        assert caught.value.response["Error"]["Code"] == code


def test_stream_with_the_sdk_for_javascript(api):
    p, _, port = api(config(STREAM))
    r = subprocess.run(["node", f"{HERE}/invoke_sdk.mjs", str(NPM), f"http://127.0.0.1:{port}"],
                       capture_output=True, text=True, timeout=60, input=json.dumps([
                           {"streams": True, "FunctionName": "s",
                            "Payload": json.dumps({"plain": 1, "parts": 3})}]))
    assert r.returncode == 0, r.stderr
    answer = json.loads(r.stdout)[0]
    assert answer["Payload"] == "x" * 15 and answer["InvokeComplete"] == {}


def test_client_context_and_qualifier(api):
    p, client, _ = api(config(("node", NODE + ["app.client"], LONG),
                              ("python", PYTHON + ["app.client"], LONG)))
    context = {"client": {"app_title": "t\u00e4"}, "custom": {"a": "b"}, "env": {"locale": "x"}}
    text = base64.b64encode(json.dumps(context, indent=1).encode()).decode()
    for name in ("node", "python"):
        r = client.invoke(FunctionName=name, ClientContext=text, Qualifier="$LATEST")
        assert json.load(r["Payload"])["context"] == context
        r = client.invoke(FunctionName=name)
        assert json.load(r["Payload"])["context"] is None
    for arguments, code, words in (
            ({"ClientContext": "no base64"}, "InvalidRequestContentException", "Base64-encoded JSON"),
            ({"ClientContext": base64.b64encode(b"[1]").decode()},
             "InvalidRequestContentException", "Base64-encoded JSON"),
            ({"ClientContext": base64.b64encode(b'{"a":"' + b"x" * 3000 + b'"}').decode()},
             "InvalidRequestContentException", "Base64-encoded JSON"),
            ({"Qualifier": "12"}, "ResourceNotFoundException",
             "Function not found: arn:aws:lambda:eu-west-1:000000000000:function:node:12")):
        with pytest.raises(ClientError) as caught:
            client.invoke(FunctionName="node", **arguments)
        assert caught.value.response["Error"]["Code"] == code
        assert words in caught.value.response["Error"]["Message"]


def test_handlers_in_c_by_name(api, libraries):  # noqa: F811
    p, client, _ = api(f"""
tables:
  - name: Visits
    partition_key: {{name: Page, type: S}}
    create_if_missing: true
functions:
  - {{name: greet, library: {libraries}/greet.so, environment: {{GREETING: Good day}}}}
  - {{name: visit, library: {libraries}/visit.so}}
routes:
  - route: GET /greet/{{name}}
    function: greet
""")
    v2 = {"version": "2.0", "rawPath": "/greet/Ada", "pathParameters": {"name": "Ada"},
          "requestContext": {"http": {"method": "GET"}}}
    v1 = {"version": "1.0", "path": "/greet/Ada", "pathParameters": {"name": "Ada"},
          "httpMethod": "GET", "requestContext": {}}
    for event in (v1, v2):
        r = client.invoke(FunctionName="greet", Payload=json.dumps(event), LogType="Tail")
        assert r["StatusCode"] == 200 and "FunctionError" not in r and "LogResult" in r
        answer = json.load(r["Payload"])
        assert answer == {"statusCode": 200, "headers": {"content-type": "application/json"},
                          "body": '{"message":"Good day, Ada"}', "isBase64Encoded": False}
    event = {"version": "2.0", "rawPath": "/", "pathParameters": {"page": "front"},
             "requestContext": {"http": {"method": "POST"}}}
    counts = [json.loads(json.load(client.invoke(
        FunctionName="visit", Payload=json.dumps(event))["Payload"])["body"])["visits"]
        for _ in range(2)]
    assert counts == [counts[0], counts[0] + 1]  # through DynamoDB
    r = client.invoke(FunctionName="visit", InvocationType="Event", Payload=json.dumps(event))
    assert r["StatusCode"] == 202
    wait_for(lambda: json.loads(json.load(client.invoke(
        FunctionName="visit", Payload=json.dumps(event))["Payload"])["body"])["visits"]
        > counts[1] + 1)
    answer = json.load(client.invoke(FunctionName="visit", Payload='{"any":1}')["Payload"])
    assert answer["statusCode"] == 400  # another event has no page
    payload, end = read(client.invoke_with_response_stream(
        FunctionName="greet", Payload=json.dumps(v2)))
    assert json.loads(payload)["statusCode"] == 200 and end == {}
