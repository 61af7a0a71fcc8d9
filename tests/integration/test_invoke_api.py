"""The Lambda Invoke API, as AWS's own client speaks it."""
import base64
import http.client
import json

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from conftest import free_port
from test_command_line import GOOD, check
from test_functions import COMMANDS, config, no_interpreter, wait_for

LONG = "    timeout_ms: 20000\n"
PYTHON = COMMANDS["python"]


@pytest.fixture
def api(penstock, dynoxide):
    """(penstock, boto3 client) for functions."""
    def make(*functions, drain_ms=25000, **kwargs):
        port = free_port()
        p = penstock(dynoxide.url, config(*functions), **kwargs,
                     head=f"invoke: 127.0.0.1:{port}\ndrain: {{deadline_ms: {drain_ms}}}\n")
        client = boto3.client("lambda", endpoint_url=f"http://127.0.0.1:{port}",
                              region_name="eu-west-1", aws_access_key_id="a",
                              aws_secret_access_key="b",
                              config=Config(retries={"max_attempts": 0}, read_timeout=60))
        return p, client, port
    return make


def test_request_response(api):
    p, client, _ = api(("echo", PYTHON + ["app.echo"], LONG), workers=2)
    for name in ("echo", "echo:$LATEST", "000000000000:function:echo",
                 "arn:aws:lambda:eu-west-1:000000000000:function:echo",
                 "arn:aws:lambda:eu-west-1:000000000000:function:echo:$LATEST"):
        r = client.invoke(FunctionName=name, Payload=json.dumps({"version": "x", "body": "hi"}))
        assert r["StatusCode"] == 200 and r["ExecutedVersion"] == "$LATEST"
        assert "FunctionError" not in r and "LogResult" not in r
        answer = json.load(r["Payload"])
        assert answer["headers"] == {"X-Version": "x"} and answer["body"].startswith("hello hi ")
    r = client.invoke(FunctionName="echo", InvocationType="DryRun")
    assert r["StatusCode"] == 204
    r = client.invoke(FunctionName="echo")  # no payload is {}: the function asks for more
    assert r["FunctionError"] == "Unhandled"


def test_log_tail(api):
    p, client, _ = api(("echo", PYTHON + ["app.echo"], LONG), ("talk", PYTHON + ["app.talk"], LONG))
    r = client.invoke(FunctionName="echo", LogType="Tail", Payload='{"version":"1"}')
    log = base64.b64decode(r["LogResult"]).decode()
    request_id = r["ResponseMetadata"]["RequestId"]
    assert log.startswith(f"START RequestId: {request_id} Version: $LATEST\n")
    assert f"handling {request_id}\n" in log and f"END RequestId: {request_id}\n" in log
    assert f"REPORT RequestId: {request_id}\tDuration: " in log
    r = client.invoke(FunctionName="talk", LogType="Tail", Payload="{}")
    log = base64.b64decode(r["LogResult"])
    assert len(log) == 4096 and b"line 999\n" in log and b"START" not in log


def test_function_errors_are_200(api, tmp_path):
    nowhere = no_interpreter(tmp_path)
    p, client, _ = api(("fail", PYTHON + ["app.fail"], LONG), ("die", PYTHON + ["app.die"], LONG),
                       ("killed", PYTHON + ["app.killed"], LONG), ("nowhere", [nowhere]),
                       ("import", PYTHON + ["nothing.handler"], LONG),
                       ("hang", COMMANDS["node"] + ["app.hang"],
                        "    timeout_ms: 2000\n    warm: 1\n"), ("none", ["false"]),
                       ("echo", PYTHON + ["app.echo"], LONG))
    wait_for(lambda: any(e["function"] == "hang" for e in p.log_events("function_ready")))
    for name, kind, words in (
            ("fail", "KeyError", "it broke"),
            ("die", "Runtime.ExitError", "Runtime exited with error: exit status 7"),
            ("killed", "Runtime.ExitError", "Runtime exited with error: signal: killed"),
            ("none", "Runtime.ExitError", "Runtime exited with error: exit status 1"),
            ("nowhere", "Runtime.InvalidEntrypoint", f"fork/exec {nowhere}: no such file"),
            ("import", "ModuleNotFoundError", "No module named 'nothing'"),  # it posts init/error
            ("hang", "Sandbox.Timedout", "Task timed out after 2.00 seconds")):
        r = client.invoke(FunctionName=name, Payload="{}", LogType="Tail")
        assert r["StatusCode"] == 200 and r["FunctionError"] == "Unhandled", name
        error = json.load(r["Payload"])
        assert error["errorType"] == kind and words in error["errorMessage"], error
        log = base64.b64decode(r["LogResult"]).decode()
        assert "END RequestId" in log and "Duration: " in log.splitlines()[-1], log
        if name not in ("fail", "import"):  # their own words
            assert words in log and error["errorMessage"].startswith("RequestId: "), log
    r = client.invoke(FunctionName="echo", Payload='{"version":"1"}')
    assert "FunctionError" not in r


THROWN = [("'boom'", "string", "boom"), ("null", "object", "null"),
          ("Object.create(null)", "object", "an error that cannot be told in words"),
          ("new (class extends Error { get name() { return 'Größe\\n'; } })('x')", "Größe\n", "x")]


def test_node_throws_anything(api, tmp_path):
    """In a handler, after which it goes on, and while it is loaded, which is told, too."""
    node = COMMANDS["node"]
    for n, (what, _, _) in enumerate(THROWN):
        (tmp_path / f"load{n}.mjs").write_text(f"throw {what};\n")
    p, client, _ = api(("odd", node + ["app.odd"], LONG), *(
        (f"load{n}", node + [f"{tmp_path}/load{n}.handler"], LONG) for n in range(len(THROWN))))
    for n, (what, kind, message) in enumerate(THROWN):
        for name in ("odd", f"load{n}"):
            r = client.invoke(FunctionName=name, Payload=json.dumps({"what": what}))
            error = json.load(r["Payload"])
            assert (error["errorType"], error["errorMessage"]) == (kind, message), (name, what)
    assert len([e for e in p.log_events("function_start") if e["function"] == "odd"]) == 1
    assert not [e for e in p.log_events("function_exit") if e["function"] == "odd"]


def test_python_tells_half_a_character(api):
    p, client, _ = api(("odd", PYTHON + ["app.odd"], LONG))
    r = client.invoke(FunctionName="odd", Payload='{"raise":false,"half":"\\udfb5"}')
    assert json.load(r["Payload"]) == {"half": "\ud83c", "same": "\udfb5", "whole": "ä🎵"}
    r = client.invoke(FunctionName="odd", Payload='{"raise":true}')
    error = json.load(r["Payload"])
    assert (error["errorType"], error["errorMessage"]) == ("错误", "half \ud83c")
    assert len(p.log_events("function_start")) == 1


@pytest.mark.parametrize("arguments, status, code", [
    ({"FunctionName": "nobody"}, 404, "ResourceNotFoundException"),
    ({"FunctionName": "echo:12"}, 404, "ResourceNotFoundException"),
    ({"FunctionName": "echo", "InvocationType": "Later"}, 400, "InvalidParameterValueException"),
    ({"FunctionName": "echo", "Payload": "{"}, 400, "InvalidRequestContentException"),
    ({"FunctionName": "echo", "Payload": "{} x"}, 400, "InvalidRequestContentException"),
    ({"FunctionName": "echo", "Payload": '"' + "x" * 6291456 + '"'}, 413,
     "RequestTooLargeException"),
    ({"FunctionName": "echo", "InvocationType": "Event", "Payload": '"' + "x" * 1048576 + '"'},
     413, "RequestTooLargeException"),
    ({"FunctionName": "echo", "Payload": b"x" * 9000000}, 413, "RequestTooLargeException"),
    ({"FunctionName": "echo", "Payload": b"x" * 50000000}, 413, "RequestTooLargeException"),
    ({"FunctionName": "echo", "InvocationType": "Event", "Payload": b"x" * 9000000}, 413,
     "RequestTooLargeException"),
])
def test_refusals(api, arguments, status, code):
    p, client, _ = api(("echo", PYTHON + ["app.echo"]))
    with pytest.raises(ClientError) as caught:
        client.invoke(**arguments)
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert response["Error"]["Code"] == code and response["Error"]["Message"]


@pytest.mark.parametrize("size", [6400000, 9000000, 50000000])
def test_chunked_payload_is_too_large(api, size):
    """The whole of it is sent before the answer is read."""
    p, client, port = api(("echo", PYTHON + ["app.echo"]))
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    c.request("POST", "/2015-03-31/functions/echo/invocations",
              (b"x" * 50000 for _ in range(size // 50000)), encode_chunked=True,
              headers={"Transfer-Encoding": "chunked"})
    r = c.getresponse()
    assert (r.status, r.headers["X-Amzn-ErrorType"]) == (413, "RequestTooLargeException")
    assert json.load(r)["message"]


def test_throttled(api):
    p, client, _ = api(("hang", COMMANDS["node"] + ["app.hang"],
                        "    timeout_ms: 60000\n    queue_max: 1\n"), drain_ms=100)
    for _ in range(2):  # one runs, one waits
        assert client.invoke(FunctionName="hang", InvocationType="Event")["StatusCode"] == 202
        wait_for(lambda: "START" in p.log())
    with pytest.raises(ClientError) as caught:
        client.invoke(FunctionName="hang")
    assert caught.value.response["Error"]["Code"] == "TooManyRequestsException"
    assert p.stop() == 0  # at the deadline of the drain the events are dropped, and named
    assert len(p.log_events("invoke_event_dropped")) == 2


def test_events(api, tmp_path):
    marks = tmp_path / "marks"
    p, client, _ = api(("mark", PYTHON + ["app.mark"], LONG), ("fail", PYTHON + ["app.fail"], LONG))
    for n in range(3):
        r = client.invoke(FunctionName="mark", InvocationType="Event",
                          Payload=json.dumps({"file": str(marks), "text": f"{n}\n"}))
        assert r["StatusCode"] == 202 and r["Payload"].read() == b""
    wait_for(lambda: marks.exists() and marks.read_text() == "0\n1\n2\n")
    # Fails twice, then does it.
    client.invoke(FunctionName="mark", InvocationType="Event", Payload=json.dumps(
        {"file": str(marks), "text": "late\n", "failures": 2, "counter": str(tmp_path / "n")}))
    wait_for(lambda: marks.read_text().endswith("late\n"))
    # Fails always: tried three times, then dropped with a line in the log.
    client.invoke(FunctionName="fail", InvocationType="Event", Payload="{}")
    wait_for(lambda: p.log_events("invoke_event_dropped"))
    dropped = p.log_events("invoke_event_dropped")[0]
    assert dropped["function"] == "fail" and dropped["attempts"] == 3
    # What was accepted is done before the end.
    client.invoke(FunctionName="mark", InvocationType="Event",
                  Payload=json.dumps({"file": str(marks), "text": "last\n"}))
    assert p.stop() == 0
    assert marks.read_text().endswith("last\n")


def test_other_requests(api):
    p, client, port = api(("echo", PYTHON + ["app.echo"]))
    for method, path, status in (("GET", "/2015-03-31/functions/echo/invocations", 405),
                                 ("POST", "/2015-03-31/functions//invocations", 400),
                                 ("POST", "/2015-03-31/functions/echo", 404), ("GET", "/", 404),
                                 ("POST", "/2015-03-31/functions/%zz/invocations", 400)):
        assert p.request(method, path, port=port).status == status, path


@pytest.mark.parametrize("address", ["0.0.0.0:9001", "192.0.2.1:9001", "here", "unix:/tmp/x"])
def test_loopback_only(address):
    r = check(f"invoke: {address}\n" + GOOD)
    assert r.returncode == 2 and "-:1:9: invoke: expected 127.0.0.1:port" in r.stderr
