"""The Lambda Invoke API, as `aws lambda invoke` and AWS's SDK for JavaScript speak it."""
import base64
import json
import re
import subprocess

import pytest

from conftest import KEYS, NPM, free_port
from test_functions import COMMANDS, HERE, config, wait_for

LONG = "    timeout_ms: 20000\n"
PYTHON = COMMANDS["python"]


def with_cli(url, inputs, folder):
    """Debian's aws, once for each input."""
    return [one_with_cli(url, one, folder) for one in inputs]


def one_with_cli(url, given, folder):
    (folder / "payload").write_text(given["Payload"])
    out = folder / "out"
    out.write_text("")
    args = ["/usr/bin/aws", "lambda", "invoke", "--endpoint-url", url,
            "--payload", f"fileb://{folder}/payload"]
    for option, name in (("--function-name", "FunctionName"), ("--log-type", "LogType"),
                         ("--invocation-type", "InvocationType")):
        args += [option, given[name]] if name in given else []
    r = subprocess.run([*args, str(out)], capture_output=True, text=True, timeout=60,
                       env={"PATH": "/usr/bin:/bin", "HOME": str(folder), **KEYS,
                            "AWS_MAX_ATTEMPTS": "1"})
    if r.returncode != 0:
        return {"Code": re.search(r"An error occurred \((\w+)\)", r.stderr).group(1)}
    return {**json.loads(r.stdout), "Payload": out.read_text()}


def with_sdk(url, inputs, folder):
    r = subprocess.run(["node", f"{HERE}/invoke_sdk.mjs", str(NPM), url], capture_output=True,
                       text=True, input=json.dumps(inputs), timeout=60)
    assert r.returncode == 0, r.stderr
    return json.loads(r.stdout)


@pytest.mark.parametrize("invoke", [with_cli, with_sdk])
def test_client(penstock, dynoxide, tmp_path, invoke):
    port = free_port()
    marks = tmp_path / "marks"
    p = penstock(dynoxide.url, config(("echo", PYTHON + ["app.echo"], LONG),
                                      ("fail", PYTHON + ["app.fail"], LONG),
                                      ("mark", PYTHON + ["app.mark"], LONG)),
                 head=f"invoke: 127.0.0.1:{port}\n")
    event = json.dumps({"version": "x", "body": "hi"})
    answers = invoke(f"http://127.0.0.1:{port}", [
        {"FunctionName": "echo", "Payload": event},
        {"FunctionName": "echo", "Payload": event, "LogType": "Tail"},
        {"FunctionName": "mark", "InvocationType": "Event",
         "Payload": json.dumps({"file": str(marks), "text": "once"})},
        {"FunctionName": "echo", "InvocationType": "DryRun", "Payload": "{}"},
        {"FunctionName": "fail", "Payload": "{}"},
        {"FunctionName": "nobody", "Payload": "{}"},
        {"FunctionName": "echo", "Payload": json.dumps("x" * 6291456)},
        {"FunctionName": "echo", "Payload": json.dumps("x" * 20000000)},
    ], tmp_path)
    plain, tail, later, dry, failed, nobody, *large = answers
    for answer in (plain, tail):
        assert answer["StatusCode"] == 200 and answer["ExecutedVersion"] == "$LATEST"
        assert "FunctionError" not in answer
        assert json.loads(answer["Payload"])["body"].startswith("hello hi ")
    assert "LogResult" not in plain
    log = base64.b64decode(tail["LogResult"]).decode()
    assert log.startswith("START RequestId: ") and "handling " in log and "REPORT " in log
    assert later["StatusCode"] == 202 and later["Payload"] == ""
    wait_for(lambda: marks.exists() and marks.read_text() == "once")
    assert dry["StatusCode"] == 204
    assert failed["StatusCode"] == 200 and failed["FunctionError"] == "Unhandled"
    assert json.loads(failed["Payload"])["errorType"] == "KeyError"
    assert nobody["Code"] == "ResourceNotFoundException"
    assert [a["Code"] for a in large] == 2 * ["RequestTooLargeException"]
