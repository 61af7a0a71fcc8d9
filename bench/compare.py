"""Helper of bench/compare.sh.
row NAME CONNECTIONS ROUND FOLDER: one run as a line of JSON; exit 1 when a write was not stored.
report ROWS PAGE ROUNDS SECONDS SKIPPED: medians as a Markdown table, and as a page with bars."""
import datetime
import html
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys

WHAT = {
    "penstock": "Penstock, coalesced (the default)",
    "penstock-single": "Penstock, one PutItem per POST",
    "floor": "floor: libuv answers 201, stores nothing",
    "go-batched": "Go, SDK v2, batched by hand",
    "nginx-lua": "nginx + Lua, one PutItem per POST",
    "go": "Go, SDK v2, one PutItem per POST",
    "node-batched": "Node, Fastify, SDK v3, batched by hand",
    "node": "Node, Fastify, SDK v3, one PutItem per POST",
}
# name in a row: title, digits, whether less is better
MEASURES = {
    "cpu_us": ("CPU us/write", 1, True),
    "rate": ("writes/s", 0, False),
    "p50_ms": ("p50 ms", 2, True),
    "p99_ms": ("p99 ms", 2, True),
    "peak_mb": ("peak MB", 1, True),
    "first_ms": ("exec to first write, ms", 1, True),
}


def row(name, connections, number, folder):
    folder = pathlib.Path(folder)
    run = json.loads((folder / "run.json").read_text())
    first = re.search(r"median ([\d.]+) ms", (folder / "first").read_text())
    stored = run["statuses"].get("201", 0)
    failed = run["answered"] - stored + sum(run["errors"].values())
    latency = run["accepted_us"]
    result = {
        "name": name, "connections": int(connections), "round": int(number), "stored": stored,
        "failed": failed, "rate": stored / run["seconds"],
        "cpu_us": run["service"]["cpu_us_per_request"] * run["answered"] / max(stored, 1),
        "p50_ms": latency["p50"] / 1e3, "p99_ms": latency["p99"] / 1e3,
        "peak_mb": run["service"]["peak_bytes"] / 1e6, "first_ms": float(first[1]),
        "tool_is_bottleneck": run["tool_cost"]["bottleneck"],
    }
    sink = folder / "sink.json"
    if sink.exists():
        result["items"] = json.loads(sink.read_text())["items"]
        result["batch"] = result["items"] / json.loads(sink.read_text())["requests"]
    print(json.dumps(result))
    if failed or not stored:
        sys.exit(f"error: {name}: {failed} of {stored + failed} requests failed")
    if result.get("items", stored) < stored:
        sys.exit(f"error: {name}: {stored} writes acknowledged, {result['items']} arrived")


def medians(rows):
    """One for each name and number of connections, in the order of the run."""
    groups = {}
    for r in rows:
        groups.setdefault((r["connections"], r["name"]), []).append(r)
    for (connections, name), group in sorted(groups.items(), key=lambda g: g[0][0]):
        middle = {m: statistics.median(r[m] for r in group) for m in MEASURES}
        middle["spread"] = max(r["cpu_us"] for r in group) / min(r["cpu_us"] for r in group) - 1
        middle["batch"] = statistics.median(r.get("batch", 0) for r in group)
        yield {"name": name, "connections": connections, **middle}


def command(*words):
    try:
        done = subprocess.run(words, capture_output=True, text=True)
    except OSError:
        return ""
    return (done.stdout + done.stderr).strip().partition("\n")[0]


def machine():
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    system = re.search(r'PRETTY_NAME="(.*)"', pathlib.Path("/etc/os-release").read_text())
    parts = [cpu[1] if cpu else "unknown processor", f"{os.cpu_count()} CPUs", system[1],
             "Linux " + os.uname().release,
             "Node " + command("node", "--version"), command("go", "version").removeprefix("go version "),
             command("nginx", "-v").removeprefix("nginx version: ")]
    return ", ".join(p for p in parts if p and p != "Node ")


def table(results):
    titles = ["what", "connections", *(m[0] for m in MEASURES.values()), "mean batch"]
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    for r in results:
        cells = [WHAT[r["name"]], str(r["connections"])]
        cells += [f"{r[m]:,.{digits}f}" for m, (_, digits, _) in MEASURES.items()]
        lines.append("| " + " | ".join([*cells, f"{r['batch']:.1f}" if r["batch"] else "-"]) + " |")
    return lines


STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;
color:#1c2430}h2{margin:2rem 0 .5rem;font-size:1.1rem}p,figcaption{color:#586374}
.row{display:grid;grid-template-columns:23rem 1fr 5rem;gap:.6rem;align-items:center;margin:2px 0}
.row b{font-weight:normal;text-align:right;font-variant-numeric:tabular-nums}
.bar{height:1.1rem;background:#9aa7b8;border-radius:2px;min-width:1px}
.ours .bar{background:#0b6bcb}.floor .bar{background:#d3dae3}figure{margin:0 0 1.2rem}"""


def bars(results, measure):
    title, digits, less = MEASURES[measure]
    out = [f"<h2>{title} <small>({'less' if less else 'more'} is better)</small></h2>"]
    for connections in sorted({r["connections"] for r in results}):
        group = [r for r in results if r["connections"] == connections]
        top = max(r[measure] for r in group) or 1
        out.append(f"<figure><figcaption>{connections} connections</figcaption>")
        for r in sorted(group, key=lambda r: r[measure], reverse=not less):
            kind = "ours" if r["name"].startswith("penstock") else r["name"]
            out.append(f'<div class="row {kind}"><span>{html.escape(WHAT[r["name"]])}</span>'
                       f'<div><div class="bar" style="width:{100 * r[measure] / top:.2f}%"></div>'
                       f"</div><b>{r[measure]:,.{digits}f}</b></div>")
        out.append("</figure>")
    return "\n".join(out)


def report(rows_file, page, rounds, seconds, skipped):
    rows = [json.loads(line) for line in open(rows_file)]
    results = list(medians(rows))
    today = datetime.date.today().isoformat()
    notes = [f"Medians of {rounds} interleaved rounds of {seconds} s, {today}. {machine()}."]
    if int(rounds) > 1:
        notes.append("The rounds' CPU per write differs by at most "
                     f"{100 * max(r['spread'] for r in results):.0f} %.")
    full = sorted({r["name"] for r in rows if r["tool_is_bottleneck"]})
    if full:
        notes.append("The load tool was the bottleneck with: " + ", ".join(full) + ".")
    if skipped.strip():
        notes.append("Could not be installed and is missing: " + skipped.strip() + ".")
    print("\n".join([*table(results), "", *notes]))
    charts = "\n".join(bars(results, m) for m in MEASURES)
    text = "\n".join(f"<p>{html.escape(n)}</p>" for n in notes)
    pathlib.Path(page).write_text(
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Penstock beside its '
        f'alternatives</title><link rel="icon" href="data:,"><style>{STYLE}</style></head><body>\n'
        f"<h1>Penstock beside its alternatives</h1>\n{text}\n{charts}\n</body></html>\n")


if __name__ == "__main__":
    {"row": row, "report": report}[sys.argv[1]](*sys.argv[2:])
