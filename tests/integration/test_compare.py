"""bench/compare.sh, with what needs no installing: it must not rot."""
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from conftest import BUILD, ROOT, free_port

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def compare(out, **environment):
    ports = {name: str(free_port()) for name in ("PORT", "ADMIN_PORT", "SINK_PORT")}
    return subprocess.run(
        ["sh", str(ROOT / "bench/compare.sh"), str(BUILD)], capture_output=True, text=True,
        timeout=120, env={**os.environ, **ports, "ROUNDS": "1", "SECONDS_PER_RUN": "1",
                          "CONNECTIONS": "8", "OUT": str(out), **environment})


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    out = tmp_path_factory.mktemp("compare")
    return compare(out, ONLY="penstock floor"), out


def test_table_and_page(smoke):
    run, out = smoke
    assert run.returncode == 0, run.stdout + run.stderr
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in run.stdout.splitlines()
            if line.startswith("| ")]
    assert [row[0] for row in rows] == ["what", "Penstock, coalesced (the default)",
                                        "floor: libuv answers 201, stores nothing"]
    for row in rows[1:]:
        assert row[1] == "8" and all(float(cell.replace(",", "")) > 0 for cell in row[2:8]), row
    assert "Medians of 1 interleaved rounds of 1 s" in run.stdout
    page = (out / "compare.html").read_text()
    assert page.count('class="bar"') == 12 and not re.search(r'(src|href)="(?!data:)', page)


@pytest.mark.skipif(not CHROMIUM, reason="no chromium")
def test_page_in_a_browser(smoke, tmp_path):
    seen = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--no-first-run", "--enable-logging=stderr", f"--user-data-dir={tmp_path}", "--dump-dom",
         (smoke[1] / "compare.html").as_uri()], capture_output=True, timeout=120)
    assert seen.stdout.count(b'class="bar"') == 12 and b"CONSOLE" not in seen.stderr, seen.stderr


def test_what_cannot_be_installed_is_skipped(tmp_path):
    """No apt-get, no go, no npm, no nginx on this PATH."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh env id mktemp rm mkdir dirname curl cat sed awk grep tr sleep cp cmp "
                 "tail find seq uname").split():
        (tools / name).symlink_to(shutil.which(name))
    (tools / "python3").symlink_to(sys.executable)
    run = compare(tmp_path, ONLY="go nginx-lua floor node-batched", PATH=str(tools))
    assert run.returncode == 0, run.stdout + run.stderr
    for name, why in (("go", "no go"), ("nginx-lua", "no nginx"), ("node-batched", "no npm")):
        assert f"skipped: {name}: {why}" in run.stderr
    assert "missing: go nginx-lua node-batched." in run.stdout
    assert run.stdout.count("\n| floor") == 1 and "| Go" not in run.stdout


def test_what_stores_nothing_is_an_error_and_the_others_are_measured(tmp_path):
    """A Go server that only ends."""
    (tmp_path / "go").mkdir()
    server = tmp_path / "go/server"  # newer than its source: not built again
    server.write_text("#!/bin/sh\necho no table >&2\nexit 3\n")
    server.chmod(0o755)
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "apt-get").symlink_to("/bin/false")
    run = compare(tmp_path, ONLY="go floor", PATH=f"{tools}:{os.environ['PATH']}")
    assert run.returncode == 1 and "error: go stores nothing" in run.stderr, run.stderr
    assert "no table" in run.stderr
    assert run.stdout.count("\n| floor") == 1 and "| Go" not in run.stdout


@pytest.mark.parametrize("setting,word", [({"ONLY": "penstock perl"}, "perl"),
                                          ({"ROUNDS": "0"}, "'0'"),
                                          ({"CONNECTIONS": "8 many"}, "many")])
def test_wrong_usage_is_one_line(tmp_path, setting, word):
    run = compare(tmp_path, **setting)
    assert run.returncode == 2 and run.stdout == ""
    assert len(run.stderr.splitlines()) == 1 and word in run.stderr


@pytest.mark.parametrize("statuses,resets,items,word", [
    ({"201": 90}, 0, 90, None), ({"201": 80, "503": 10}, 0, 90, "10 of 90 requests failed"),
    ({"201": 90}, 3, 93, "3 of 93 requests failed"),
    ({"201": 90}, 0, 89, "90 writes acknowledged, 89 arrived")])
def test_failures_and_losses_are_errors(tmp_path, statuses, resets, items, word):
    latency = {"p50": 1000, "p99": 2000}
    (tmp_path / "first").write_text("exec to first stored write: median 14.2 ms, min 1, max 2")
    (tmp_path / "sink.json").write_text(json.dumps({"items": items, "requests": 9}))
    (tmp_path / "run.json").write_text(json.dumps(
        {"statuses": statuses, "answered": 90, "errors": {"reset": resets}, "seconds": 2,
         "accepted_us": latency, "tool_cost": {"bottleneck": False},
         "service": {"cpu_us_per_request": 10, "peak_bytes": 5e6}}))
    run = subprocess.run([sys.executable, str(ROOT / "bench/compare.py"), "row", "penstock", "64",
                          "1", str(tmp_path)], capture_output=True, text=True)
    assert run.returncode == (1 if word else 0) and (word or "") in run.stderr
    assert json.loads(run.stdout)["stored"] == statuses["201"]
