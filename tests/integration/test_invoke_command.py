"""penstock event and penstock invoke: sample events, one handler run on one of them."""
import base64
import json
import re
import subprocess

import pytest

from conftest import BINARY, KEYS, MUSIC, ROOT, unique
from test_functions import COMMANDS, config
from test_native_handlers import CONFIG as NATIVE, libraries  # noqa: F401


def run(*args, text=None, home="/nowhere"):
    return subprocess.run([str(BINARY), *args], input=text, capture_output=True, text=True,
                          timeout=60, env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": home,
                                           "AWS_EC2_METADATA_DISABLED": "true", **KEYS})


def event(*args):
    r = run("event", *args)
    assert r.returncode == 0 and r.stderr == "", r
    return r.stdout


def invoke(tmp_path, name, text, config_text, endpoint="http://127.0.0.1:1"):
    file = tmp_path / "p.yaml"
    file.write_text("listen: [{address: '127.0.0.1:8080'}]\n"
                    f"dynamodb: {{endpoint: '{endpoint}'}}\n{config_text}")
    (tmp_path / "event.json").write_text(text)
    return run("invoke", name, "-e", str(tmp_path / "event.json"), "-c", str(file))


def test_events():
    e = json.loads(event("http-v2", "--method", "POST", "--path", "/a/b?x=1&y=2", "--body", "{}"))
    assert e["version"] == "2.0" and e["rawPath"] == "/a/b" and e["rawQueryString"] == "x=1&y=2"
    assert e["requestContext"]["http"]["method"] == "POST" and e["body"] == "{}"
    assert e["queryStringParameters"] == {"x": "1", "y": "2"}
    e = json.loads(event("http-v1", "--path", "/a"))
    assert e["version"] == "1.0" and e["path"] == "/a" and e["httpMethod"] == "GET"
    assert e["body"] is None and e["queryStringParameters"] is None


def fields(value, but=()):
    """The names of the members, at every depth, with the types of their values."""
    if isinstance(value, dict):
        return {k: fields(v) for k, v in value.items() if k not in but}
    return type(value)


@pytest.mark.parametrize("version, name, args, others", [
    ("1", "plain", ["--path", "/music"], {"headers", "multiValueHeaders"}),
    ("2", "plain", ["--path", "/music"], {"headers"}),
    # What a sample has not: cookies, a route with parameters, a stage with variables.
    ("1", "rich", ["--path", "/a?b=2&a=1&b=3&empty=&sp=x+y%26z", "--body", "{}"],
     {"headers", "multiValueHeaders", "pathParameters", "stageVariables"}),
    ("2", "rich", ["--path", "/a?b=2&a=1&b=3&empty=&sp=x+y%26z", "--body", "{}"],
     {"headers", "cookies", "pathParameters", "stageVariables"})])
def test_events_have_the_fields_of_the_golden_ones(version, name, args, others):
    golden = json.loads((ROOT / f"tests/unit/lambda/golden/{name}.{version}.json").read_text())
    sample = json.loads(event(f"http-v{version}", "--method", "POST", *args))
    assert fields(sample, others) == fields(golden, others)
    for member in ("queryStringParameters", "multiValueQueryStringParameters", "rawQueryString"):
        assert sample.get(member) == golden.get(member)


@pytest.mark.parametrize("args", [["event"], ["event", "http-v3"], ["invoke"], ["invoke", "x"],
                                  ["event", "http-v1", "--path", "x"],
                                  ["event", "http-v1", "--path", "*"],
                                  ["event", "http-v1", "--path", "/a?b=%zz"],
                                  ["event", "http-v1", "--path", "/a/../b"],
                                  ["event", "http-v1", "-e", "x"], ["event", "http-v1", "more"]])
def test_wrong_usage(args):
    r = run(*args)
    assert r.returncode == 2 and r.stdout == "" and r.stderr


def test_function(tmp_path):
    text = config(("echo", COMMANDS["python"] + ["app.echo"], "    timeout_ms: 20000\n"),
                  ("fail", COMMANDS["python"] + ["app.fail"], "    timeout_ms: 20000\n"))
    for name in ("echo", "ANY /echo"):
        r = invoke(tmp_path, name, event("http-v2", "--body", "hi"), text)
        assert r.returncode == 0, r.stderr
        assert json.loads(r.stdout)["body"].startswith("hello hi ")
        assert "handling" in r.stderr and "REPORT" in r.stderr
        assert re.search(r"^Duration: [\d.]+ ms$", r.stderr, re.M)
    r = invoke(tmp_path, "fail", "{}", text)
    assert r.returncode == 1 and json.loads(r.stdout)["errorType"] == "KeyError"
    assert "function_error" in r.stderr
    for name, body in (("nobody", "{}"), ("echo", "{")):
        r = invoke(tmp_path, name, body, text)
        assert r.returncode == 2 and r.stdout == "" and r.stderr


def test_built_in_and_native(tmp_path, dynoxide, libraries):  # noqa: F811
    song = json.dumps({"Artist": "A", "SongTitle": "T", "Rating": 5})
    music = MUSIC.format(table=unique("Music"))
    for version in ("http-v1", "http-v2"):
        e = event(version, "--method", "POST", "--path", "/music", "--body", song)
        r = invoke(tmp_path, "POST /music", e, music, dynoxide.url)
        assert r.returncode == 0 and r.stdout.startswith("HTTP/1.1 201 "), r
        assert '{"Artist":"A","SongTitle":"T"}' in r.stdout and "Duration: " in r.stderr
        e = event(version, "--path", "/music/A/T")
        r = invoke(tmp_path, "GET /music/{Artist}/{SongTitle}", e, music, dynoxide.url)
        assert r.returncode == 0 and '"Rating":5' in r.stdout, r
    e = json.loads(e)
    e["body"], e["isBase64Encoded"] = base64.b64encode(song.encode()).decode(), True
    e["requestContext"]["http"]["method"], e["rawPath"] = "POST", "/music"
    r = invoke(tmp_path, "POST /music", json.dumps(e), music, dynoxide.url)
    assert r.returncode == 0 and r.stdout.startswith("HTTP/1.1 201 "), r
    e["body"] = "!"
    r = invoke(tmp_path, "POST /music", json.dumps(e), music, dynoxide.url)
    assert r.returncode == 2 and "base64" in r.stderr
    r = invoke(tmp_path, "POST /music", "{}", music, dynoxide.url)
    assert r.returncode == 2 and "no method and path" in r.stderr
    native = NATIVE.format(libraries)
    r = invoke(tmp_path, "greet", event("http-v2", "--path", "/greet/Ada"), native, dynoxide.url)
    assert r.returncode == 0 and '{"message":"Good day, Ada"}' in r.stdout, r
    r = invoke(tmp_path, "GET /greet/{name}", event("http-v2", "--path", "/greet/Bob"), native, dynoxide.url)
    assert r.returncode == 0 and '{"message":"Good day, Bob"}' in r.stdout, r
