"""The command line and the configuration's errors: FILE:LINE:COLUMN and the nearest known key."""
import re
import subprocess

import pytest

from conftest import BINARY, ROOT

GOOD = """\
listen:
  - address: 127.0.0.1:8080
tables:
  - name: Music
    partition_key: {name: Artist, type: S}
routes:
  - route: POST /music
    put_item: {table: Music}
"""


def run(*args, text=None):
    return subprocess.run([str(BINARY), *args], input=text, capture_output=True, text=True,
                          timeout=30, env={"PATH": "/usr/bin"})


def check(text):
    return run("check", "-c", "-", text=text)


def test_good_file_prints_nothing():
    r = check(GOOD)
    assert (r.returncode, r.stdout, r.stderr) == (0, "", "")


def test_packaged_sample_is_good():
    r = run("check", "-c", str(ROOT / "systemd/penstock.yaml"))
    assert (r.returncode, r.stdout, r.stderr) == (0, "", "")


@pytest.mark.parametrize("old, new, where, words", [
    ("tables:", "tabels:", "-:3:1:", "unknown key tabels; did you mean tables?"),
    ("put_item:", "put_itme:", "-:8:5:", "did you mean put_item?"),
    ("put_item: {table: Music}", "put_item: {table: Musik}", "-:8:23:", "no table Musik"),
    ("put_item: {table: Music}", "put_item: {}", "-:8:15:", "routes[].put_item.table is missing"),
    ("put_item: {table: Music}", "body_bytes: 10", "-:7:5:", "exactly one of put_item"),
    ("type: S", "type: Q", "-:5:41:", "expected one of S|N|B"),
    ("127.0.0.1:8080", "example.com:8080", "-:2:14:", "expected IPv4:port"),
    ("POST /music", "POST music", "-:7:12:", "route"),
    ("POST /music", "POST /{a}/{a}", "-:7:12:", "route"),
    ("name: Music", "name: Mu", "-:4:11:", "3 to 255"),
    ("listen:", "workers: none\nlisten:", "-:1:10:", "expected a whole number from 1 to 1024"),
    ("listen:", "limits: {idle_timeout_ms: 0}\nlisten:", "-:1:27:", "milliseconds"),
    ("listen:", "limits: {idle_timout_ms: 5}\nlisten:", "-:1:10:", "did you mean idle_timeout_ms?"),
    ("listen:", "limits: [1]\nlisten:", "-:1:9:", "expected a map"),
    ("listen:", "stage: {name: a b}\nlisten:", "-:1:15:", "stage.name"),
    ("listen:", "listen: []\nx:", "-:2:1:", "unknown key x"),
    ("listen:", "admin: here\nlisten:", "-:1:8:", "admin: expected address"),
    ("listen:", "log: {level: loud}\nlisten:", "-:1:14:", "debug|info|warn|error|off"),
    ("listen:", "a: {b: [}\nlisten:", "-:1:9:", "not valid YAML"),
    ("listen:", "admin: 127.0.0.1:8080\nlisten:", "-:1:8:", "127.0.0.1:8080 has another use already"),
    ("listen:", "invoke: 127.0.0.1:8080\nlisten:", "-:1:9:", "127.0.0.1:8080 has another use already"),
    ("listen:", "invoke: 127.0.0.1:9100\nlisten:", "-:1:9:", "127.0.0.1:9100 has another use already"),
    ("127.0.0.1:8080", "127.0.0.1:9100", "-:1:1:", "admin: 127.0.0.1:9100 has another use already"),
    ("routes:", "functions:\n  - name: f\n    command: [sh]\n    environment: {'A=B': c}\nroutes:", "-:9:19:",
     "is no variable's name"),
    ("tables:", "listen: []\ntables:", "-:3:1:", "stands here twice"),
    ("tables:", "  - address: 127.0.0.1:8080\ntables:", "-:3:14:", "127.0.0.1:8080 stands here twice"),
    ("type: S}", "type: S}\n    sort_key: {name: Artist}", "-:6:15:", "partition key already"),
    ("listen:", "dynamodb: {endpoint: 'ftp://x'}\nlisten:", "-:1:22:", "https://host[:port]"),
    ("listen:", "dynamodb: {region: eu west}\nlisten:", "-:1:20:", "not a region's name"),
    ("listen:", "dynamodb: {ca_file: /nope}\nlisten:", "-:1:21:", "no CA file"),
    ("listen:", "dynamodb: {ca_file: /}\nlisten:", "-:1:21:", "no CA file"),
])
def test_errors_say_where_and_what(old, new, where, words):
    r = check(GOOD.replace(old, new, 1))
    assert r.returncode == 2 and r.stdout == ""
    lines = [x for x in r.stderr.splitlines() if x.startswith(where) and words in x]
    assert lines, r.stderr
    assert all(re.match(r"-:(\d+:\d+: )?", x) for x in r.stderr.splitlines())


def test_all_errors_in_one_run():
    r = check(GOOD.replace("tables", "tabels").replace("listen", "lisen"))
    assert len(r.stderr.splitlines()) >= 3  # two unknown keys, one missing


@pytest.mark.parametrize("old, new, where, words", [
    ("8080", "8080\n    tls:", "-:3:9:", "listen[].tls: certificate and key are needed"),
    ("8080", "8080\n    proxy_protocol:", "-:3:20:", "at least one network is needed"),
    ("{table: Music}", "{table: Music}\n    throttle:", "-:9:14:", "throttle.rate is missing"),
    ("put_item: {table: Music}", "put_item:", "-:8:14:", "routes[].put_item.table is missing"),
])
def test_nothing_under_a_key_is_not_a_missing_key(old, new, where, words):
    """What is asked for and not described is not left out: no HTTP where TLS was meant."""
    r = check(GOOD.replace(old, new, 1))
    assert r.returncode == 2 and r.stderr.startswith(where) and words in r.stderr, r.stderr


def bomb():
    """Ten to the tenth values in ten lines."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    return "\n".join(lines + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)])


@pytest.mark.parametrize("text, where, words", [
    ("", "1:1", "the file is empty"),
    ("# nothing\n---\n...\n", "3:1", "expected a map"),
    ("- a\n- b\n", "1:1", "expected a map"),
    ("listen: &a [*a]\n", "1:9", "too deep or too large"),
    pytest.param("a: [" + ",".join(f"&a{n} b" for n in range(50000)) + "]\n", r"1:\d+",
                 "more than 1000 anchors", id="anchors"),
    (bomb(), r"\d+:\d+", "too deep or too large"),
    ("".join(" " * n + "a:\n" for n in range(40)), r"\d+:\d+", "too deep or too large"),
    ("a: " + "[" * 5000, r"\d+:\d+", "not valid YAML"),
    (GOOD + "---\nworkers: 2\n", "10:1", "a second YAML document"),
    ("workers: *w\n" + GOOD, "1:10", "undefined alias"),
    (GOOD.replace("Music}", "Mu\0sic}"), "8:25", "control characters are not allowed"),
    (GOOD.replace("Music}", '"Music\\0"}'), "8:23", "must not hold a NUL character"),
    (GOOD.replace("listen:", '"listen\\0":'), "1:1", "must not hold a NUL character"),
    (GOOD.encode() + b"# \xff\n", "9:3", "invalid leading UTF-8 octet"),
    (GOOD.encode() + b"# \xed\xa0\x80\n", "9:3", "invalid Unicode character"),
])
def test_hostile_files(text, where, words):
    """One line for it, with the place."""
    r = subprocess.run([str(BINARY), "check", "-c", "-"], timeout=30, capture_output=True,
                       input=text if isinstance(text, bytes) else text.encode())
    said = r.stderr.decode()
    assert r.returncode == 2 and re.fullmatch(f"-:{where}: .*{words}.*\n", said), said


@pytest.mark.parametrize("old, new", [
    ("tables:", r'"ta\nbles": 1' + "\ntables:"), ("tables:", r'"\e[31m\x9b\x7f": 1' + "\ntables:"),
    ("{table: Music}", r'{table: "Mu\r\npenstock.yaml:1:1: all is well"}'),
    ("tables:", "é" * 300 + ": 1\ntables:"), ("tables:", "e" + "é" * 300 + ": 1\ntables:"),
])
def test_what_a_file_holds_is_no_message_of_ours(old, new):
    r = check(GOOD.replace(old, new, 1))
    assert r.returncode == 2 and len(r.stderr.splitlines()) == 1, r.stderr
    assert r.stderr[-1] == "\n" and r.stderr[:-1].isprintable(), r.stderr


@pytest.mark.parametrize("number", ["-1", "+5", "0x10", "1e3", "2.0", "1_000", "10s", "4KB", "1 000", "''",
                                    "~", "18446744073709551617", "9" * 400])
def test_numbers_that_are_none(number):
    """The message names the unit."""
    r = check(f"limits: {{idle_timeout_ms: {number}}}\n" + GOOD)
    assert r.returncode == 2 and r.stderr.startswith("-:1:27: limits.idle_timeout_ms: expected a whole"), r.stderr
    assert "(milliseconds between requests" in r.stderr


def test_missing_file():
    r = run("check", "-c", "/nowhere/penstock.yaml")
    assert r.returncode == 2 and r.stderr.startswith("/nowhere/penstock.yaml: cannot be opened")


def test_routes_lists_by_priority(tmp_path):
    r = run("routes", "-c", str(ROOT / "systemd/penstock.yaml"))
    assert r.returncode == 0
    assert re.search(r"POST /music +put_item +Music", r.stdout)
    assert len(r.stdout.splitlines()) == 5


def test_version_and_help():
    assert re.fullmatch(r"penstock \d+\.\d+\.\d+\n", run("version").stdout)
    r = run("--help")
    assert r.returncode == 0 and "penstock COMMAND" in r.stdout
    r = run("--help-config")
    assert r.returncode == 0
    assert re.search(r"limits\.idle_timeout_ms .*default 75000", r.stdout)
    for command in ("run", "check", "routes", "version"):
        assert run(command, "--help").returncode == 0


@pytest.mark.parametrize("args", [[], ["sevre"], ["run", "-c"], ["run", "-x"], ["check", "a", "b"]])
def test_wrong_usage(args):
    r = run(*args)
    assert r.returncode == 2 and r.stdout == "" and r.stderr


@pytest.mark.parametrize("args", [(), ("score",), ("-e", "event.json")])
def test_invoke_says_what_it_wants(args):
    """Before it looks for a configuration, which need not be there."""
    r = run("invoke", *args)
    assert r.returncode == 2 and "expected NAME_OR_ROUTE -e EVENT.json" in r.stderr


def test_start_failures_say_why(tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text(GOOD.replace("8080", "1"))
    r = run("run", "-c", str(file))
    assert r.returncode == 1 and "region" in r.stderr
    file.write_text(GOOD + "dynamodb: {endpoint: 'https://localhost:1', region: x, ca_file: /nope}\n")
    r = run("run", "-c", str(file))
    assert r.returncode == 1 and "/nope" in r.stderr
