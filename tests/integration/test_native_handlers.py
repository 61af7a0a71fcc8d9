"""The example handlers, built as a user's own project is, and served."""
import os
import subprocess

import pytest

from conftest import ROOT
from test_command_line import GOOD, check

CONFIG = """
tables:
  - name: Visits
    partition_key: {{name: Page, type: S}}
    create_if_missing: true
functions:
  - name: greet
    library: {0}/greet.so
    environment: {{GREETING: Good day}}
  - name: visit
    library: {0}/visit.so
routes:
  - route: GET /greet/{{name}}
    function: greet
  - route: POST /visits/{{page}}
    function: visit
"""


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    build = tmp_path_factory.mktemp("handlers")
    for step in (["-S", str(ROOT / "src/handlers/examples"), "-B", str(build),
                  f"-DPENSTOCK_INCLUDE={ROOT}/src"], ["--build", str(build)]):
        r = subprocess.run(["cmake", *step], capture_output=True, text=True,
                           env={**os.environ, "CFLAGS": "-Werror"})
        assert r.returncode == 0, r.stdout + r.stderr
    return build


def test_examples_are_served(penstock, dynoxide, libraries):
    p = penstock(dynoxide.url, CONFIG.format(libraries), workers=2)
    r = p.request("GET", "/greet/Ada%20L")
    assert (r.status, r.json()) == (200, {"message": "Good day, Ada L"})
    assert r.headers["content-type"] == "application/json"
    assert p.request("GET", "/greet/a%22b").status == 400
    counts = [p.request("POST", "/visits/front").json()["visits"] for _ in range(3)]
    assert counts == list(range(counts[0], counts[0] + 3))
    assert p.request("POST", "/visits/other").json() == {"visits": 1}
    assert p.request("POST", "/visits/a%20b").status == 400
    assert p.request("POST", f"/visits/{'x' * 201}").status == 400


@pytest.mark.parametrize("entry, words", [
    ("{name: greet, library: /no/such.so}", "/no/such.so"),
    ("{name: nobody, library: GREET}", "nobody"),
    ("{name: greet, library: /etc/hostname}", "/etc/hostname"),
])
def test_check_refuses_with_the_reason(libraries, entry, words):
    entry = entry.replace("GREET", str(libraries / "greet.so"))
    r = check(GOOD + f"functions:\n  - {entry}\n")
    assert r.returncode == 2 and "functions[].library: " in r.stderr and words in r.stderr


def test_init_that_fails_ends_the_start(tmp_path, libraries):
    from test_command_line import run
    file = tmp_path / "p.yaml"
    file.write_text(CONFIG.format(libraries).replace("Good day", "'a\\b'") +
                    "listen: [{address: '127.0.0.1:0'}]\nadmin: 'off'\n"
                    "dynamodb: {endpoint: 'http://127.0.0.1:1', region: x}\n")
    r = run("run", "-c", str(file))
    assert r.returncode == 1 and "GREETING must be plain text" in r.stderr, r.stderr
