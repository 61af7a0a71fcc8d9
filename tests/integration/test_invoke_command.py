"""penstock event and penstock invoke: sample events, one handler run on one of them."""
import base64
import json
import re
import subprocess

import pytest

from conftest import BINARY, KEYS, MUSIC, ROOT, unique
from test_access import plain as guarded
from test_functions import COMMANDS, config
from test_native_handlers import CONFIG as NATIVE, STAGE, libraries, things, without_ids  # noqa: F401


def run(*args, text=None, home="/nowhere", env=KEYS):
    return subprocess.run([str(BINARY), *args], input=text, capture_output=True, text=True,
                          timeout=60, env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": home,
                                           "AWS_EC2_METADATA_DISABLED": "true", **env})


def event(*args):
    r = run("event", *args)
    assert r.returncode == 0 and r.stderr == "", r
    return r.stdout


def invoke(tmp_path, name, text, config_text, endpoint="http://127.0.0.1:1", region="", env=KEYS):
    file = tmp_path / "p.yaml"
    file.write_text("listen: [{address: '127.0.0.1:8080'}]\n"
                    f"dynamodb: {{endpoint: '{endpoint}'{region}}}\n{config_text}")
    (tmp_path / "event.json").write_text(text)
    return run("invoke", name, "-e", str(tmp_path / "event.json"), "-c", str(file), env=env)


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
                                  ["event", "http-v1", "--method", "A B"],
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
    r = invoke(tmp_path, "nobody", "{}", text)
    assert r.returncode == 2 and r.stdout == "" and "no such function or route" in r.stderr
    for wrong in ("{", "", "{} x", "{}{}", "{'a':1}"):
        r = invoke(tmp_path, "echo", wrong, text)
        assert r.returncode == 2 and r.stdout == "" and "is not one JSON value" in r.stderr, wrong


def test_function_gets_the_very_bytes(tmp_path):
    text = config(("raw", COMMANDS["shell"] + ["app.raw"], "    timeout_ms: 20000\n"))
    for given in ('{"n":1.10000000000000000001,"b":1e2,"a":"\\u00e4","b":-0}', "null", ' [ 1 ]', '"x"'):
        r = invoke(tmp_path, "raw", given, text)
        assert r.returncode == 0 and r.stdout == given + "\n", r
    r = run("invoke", "raw", "-e", "-", "-c", str(tmp_path / "p.yaml"), text="[1.0]")
    assert r.returncode == 0 and r.stdout == "[1.0]\n", r


@pytest.mark.parametrize("region, env, expected", [
    (", region: eu-north-1", {"AWS_REGION": "eu-west-1"}, "eu-north-1"),
    ("", {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-1"),
    ("", {"AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2"), ("", {}, "us-east-1")])
def test_function_gets_the_region(tmp_path, region, env, expected):
    text = config(("region", COMMANDS["shell"] + ["app.region"], "    timeout_ms: 20000\n"))
    r = invoke(tmp_path, "region", "{}", text, region=region, env=env)
    assert r.returncode == 0 and r.stdout == f'"{expected}"\n', r


def test_streamed_response(tmp_path):
    text = config(("stream", COMMANDS["node"] + ["app.stream"], "    timeout_ms: 20000\n"))
    r = invoke(tmp_path, "stream", "{}", text)
    assert r.returncode == 0 and r.stdout.startswith("HTTP/1.1 201 Created\n"), r
    assert r.stdout.endswith("\n\nxxxxx\n") and "\0" not in r.stdout
    for line in ("Content-Type: text/plain", "set-cookie: a=1", "set-cookie: b=2"):
        assert f"\n{line}\n" in r.stdout, r
    r = invoke(tmp_path, "stream", '{"plain":1}', text)
    assert r.returncode == 0 and r.stdout == "xxxxx\n", r
    r = invoke(tmp_path, "stream", '{"status":"99"}', text)
    assert r.returncode == 1 and "bad_status_code" in r.stderr


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
    e = json.loads(event("http-v2", "--path", "/greet/Ada"))
    e["pathParameters"] = {"name": "Ada"}  # by name no route finds it
    r = invoke(tmp_path, "greet", json.dumps(e), native, dynoxide.url)
    assert r.returncode == 0 and json.loads(json.loads(r.stdout)["body"]) == {
        "message": "Good day, Ada"}, r
    r = invoke(tmp_path, "greet", json.dumps({**e, "body": "?", "isBase64Encoded": True}), native,
               dynoxide.url)
    assert r.returncode == 1 and "not base64" in json.loads(r.stdout)["errorMessage"], r
    r = invoke(tmp_path, "GET /greet/{name}", event("http-v2", "--path", "/greet/Bob"), native, dynoxide.url)
    assert r.returncode == 0 and '{"message":"Good day, Bob"}' in r.stdout, r


@pytest.mark.parametrize("version", ["http-v1", "http-v2"])
def test_stage(tmp_path, dynoxide, version):
    """A sample is of no stage, a recorded event of its own: the route is the same."""
    song = json.dumps({"Artist": "A/B", "SongTitle": "T"})
    music = STAGE + MUSIC.format(table=unique("Music"))
    sample = event(version, "--method", "POST", "--path", "/music", "--body", song)
    recorded = json.loads(sample)
    recorded["requestContext"]["stage"] = "prod"
    where, name = (recorded, "rawPath") if version == "http-v2" else (recorded["requestContext"], "path")
    where[name] = "/prod/music"
    for e in (sample, json.dumps(recorded)):
        r = invoke(tmp_path, "POST /music", e, music, dynoxide.url)
        assert r.returncode == 0 and r.stdout.startswith("HTTP/1.1 201 "), r
    e = event(version, "--path", "/music/A%2FB/T")
    r = invoke(tmp_path, "GET /music/{Artist}/{SongTitle}", e, music, dynoxide.url)
    assert r.returncode == 0 and '"Artist":"A/B"' in r.stdout, r
    r = invoke(tmp_path, "GET /music/{Artist}/{SongTitle}", event(version, "--path", "/music/A/no"), music,
               dynoxide.url)
    assert r.returncode == 0 and r.stdout.startswith("HTTP/1.1 404 "), r  # the handler's own
    for args in (["--path", "/music"], ["--path", "/nowhere", "--method", "POST"],
                 ["--path", "/prod/music", "--method", "POST"]):
        r = invoke(tmp_path, "POST /music", event(version, *args), music, dynoxide.url)
        assert r.returncode == 2 and r.stdout == "", r
        assert "that is no request of the route POST /music" in r.stderr


def test_callers_are_not_asked_for_keys(tmp_path, dynoxide):
    state = tmp_path / "state"
    state.mkdir()
    text = guarded(unique("Keys"), state=state)
    song = json.dumps({"Artist": "A", "SongTitle": "T"})
    for route, args in (("POST /music", ["--method", "POST", "--path", "/music", "--body", song]),
                        ("GET /music/{Artist}/{SongTitle}", ["--path", "/music/A/T"])):
        r = invoke(tmp_path, route, event("http-v2", *args), text, dynoxide.url)
        assert r.returncode == 0 and '"Artist":"A"' in r.stdout, r
    assert not list(state.iterdir())


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_native_by_name_and_by_route(tmp_path, dynoxide, things, version):  # noqa: F811
    given = json.loads((ROOT / f"tests/unit/lambda/golden/rich.{version[0]}.json").read_text())
    given["pathParameters"] = {"what": f"event-{version}"}
    r = invoke(tmp_path, "things", json.dumps(given), things, dynoxide.url)
    assert r.returncode == 0, r
    seen = json.loads(json.loads(r.stdout)["body"])
    assert without_ids(seen) == without_ids(given)
    r = invoke(tmp_path, "things", '"' + 6291456 * "x" + '"', things, dynoxide.url)
    assert r.returncode == 1 and "Request must be smaller" in json.loads(r.stdout)["Message"], r
    large = {**json.loads(event("http-v2", "--path", "/bytes")), "body": 20000000 * "x"}
    r = invoke(tmp_path, "GET /{what}", json.dumps(large), things, dynoxide.url)
    assert r.stdout.startswith("HTTP/1.1 413 "), r  # it comes before all is sent
    r = invoke(tmp_path, "GET /{what}", event("http-v2", "--path", "/bytes"), things, dynoxide.url)
    assert r.returncode == 0 and r.stdout.endswith("\n\na\0b\n"), r
