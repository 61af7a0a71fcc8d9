"""More than the upstream takes: everyone is answered, early and honestly, and it ends when the
load does. Figures are bench/overload.sh's business."""
import json
import signal
import subprocess

import fire
from conftest import BUILD

BODY = '{"k":"{{uuid}}","v":1}'


def load(p, rate, seconds, folder):
    report = folder / "load.json"
    subprocess.run(
        [str(BUILD / "penstock-bench"), "--connections", "128", "--rate", str(rate),
         "--duration", f"{seconds}s", "--allow-errors", "100", "--json", str(report), "--body", BODY,
         f"http://127.0.0.1:{p.port}/fire"], check=True, stdout=subprocess.DEVNULL)
    return json.loads(report.read_text())


def one(p):
    return p.request("POST", "/fire", {"k": "one", "v": 1})


def test_too_many_are_refused_and_the_others_served(penstock, tmp_path):
    endpoint = fire.Endpoint(tmp_path, 1, percent=0)
    p = penstock(endpoint.url, config=fire.config(), table="Fire",
                 dynamodb="  max_connections: 1\n  queue_ops: 50\n  batch: {max_items: 5}\n")
    try:
        told = load(p, 8000, 2, tmp_path)
        assert set(told["statuses"]) <= {"201", "503"}, told["statuses"]
        assert told["statuses"]["201"] > 0 and not any(
            v for k, v in told["errors"].items() if k != "unsent"), told["errors"]
        assert one(p).status == 201
        assert p.stop() == 0
    finally:
        endpoint.stop()
    applied = fire.read_record(endpoint.record)
    assert len(applied) == told["statuses"]["201"] + 1  # all that were told so, and no other


def test_full_throttling_and_its_end(penstock, tmp_path):
    endpoint = fire.Endpoint(tmp_path, 1, percent=0)
    p = penstock(endpoint.url, config=fire.config(), table="Fire",
                 dynamodb="  deadline_ms: 1000\n  max_attempts: 3\n")
    try:
        assert one(p).status == 201
        endpoint.process.send_signal(signal.SIGUSR2)
        told = load(p, 500, 3, tmp_path)
        refused = one(p)
        assert refused.status in (429, 503) and "retry-after" in refused.headers
        assert set(told["statuses"]) <= {"429", "503"}, told["statuses"]
        endpoint.process.send_signal(signal.SIGUSR2)
        p.wait_ready()
        told = load(p, 500, 3, tmp_path)
        assert told["statuses"].get("201", 0) > 0
        assert one(p).status == 201
    finally:
        text = endpoint.stop()
    assert "requests" in text
