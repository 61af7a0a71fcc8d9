"""Runs wrk and penstock-bench in turn against bench/against_wrk.sh's nginx, and compares.

wrk prints no plain percentiles of a closed loop: before it prints, it adds what it thinks was
omitted (stats_correct in its src/stats.c): with E = runtime / (requests / connections), the mean
time between a connection's requests, each answer that took n >= 2 E adds made-up ones that took
n - E, n - 2 E, ... as long as that is more than E. Like is compared with like: the same is done to
penstock-bench's histogram (which is whole in its --json) before its percentiles are taken; what
penstock-bench itself prints is shown beside it as plain.

The regimes: a load tool that is itself the slowest measures its own queue (and by Little's law a
faster one has shorter latencies then), so percentiles are compared where nginx is slower than the
tools, the rate where it is not.

Whatever else the machine does falls on neighbours alike: the tools take turns, each round is a
ratio of its two runs, and the figure is the median of the ratios of all rounds. Its confidence
interval tells a difference of the tools from the machine's noise."""
import argparse
import collections
import json
import pathlib
import re
import resource
import statistics
import subprocess
import sys

Regime = collections.namedtuple("Regime", "name path connections judged what")
REGIMES = [
    Regime("saturated", "/", 64, ["rate"], "64 connections, nginx at once"),
    Regime("slow", "/slow", 32, ["p50", "p90", "p99"], "32 connections, nginx after 3..30 ms"),
    Regime("mixed", "/mixed", 16, ["p50", "p90", "p99"],
           "16 connections, nginx at once or, 30 % of them, after 3..30 ms"),
    Regime("busy", "/busy", 16, [], "16 connections, nginx asks itself twice"),
    Regime("one", "/", 1, [], "1 connection, nginx at once"),
]
NAMES = ("rate", "p50", "p90", "p99")
APART = 0.1
JUDGED_ROUNDS = 9
OUTER = 1  # of so many ratios: all but the outermost at each end are the interval, 96 % of 9
LUA = """function done(summary, latency)
  io.write(string.format("RESULT %d %d %f %f %f", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(90), latency:percentile(99)))
end"""


def corrected(histogram, expected):
    """What wrk makes of {microseconds: count}."""
    made = collections.Counter(histogram)
    for took, count in histogram.items():
        if took >= 2 * expected:
            for invented in range(took - expected, expected, -expected):
                made[invented] += count
    return made


def percentile(histogram, percent):
    wanted, seen = round(percent / 100 * sum(histogram.values()) + 0.5), 0
    for took in sorted(histogram):
        seen += histogram[took]
        if seen >= wanted:
            return took
    return max(histogram)


class Tools:
    def __init__(self, bench, url, work, seconds):
        self.bench, self.url, self.work, self.seconds = bench, url, pathlib.Path(work), seconds
        (self.work / "done.lua").write_text(LUA)

    def run(self, command, regime):
        """Its output, and its own CPU in seconds."""
        command += [self.url + regime.path]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        r = subprocess.run(command, capture_output=True, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if r.returncode:
            sys.exit(f"{' '.join(command)}\n{r.stdout}{r.stderr}")
        return r.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def wrk(self, regime):
        out, cpu = self.run(["wrk", "-t1", f"-c{regime.connections}", f"-d{self.seconds}s",
                             "-s", str(self.work / "done.lua")], regime)
        n, us, *percentiles = map(float, re.search("RESULT (.*)", out)[1].split())
        return dict(zip(NAMES, [n / us * 1e6, *percentiles]), cpu=cpu / n * 1e6)

    def ours(self, regime):
        file = self.work / "ours.json"
        _, cpu = self.run([self.bench, "-t", "1", "-c", str(regime.connections), "-d",
                           str(self.seconds), "--json", str(file)], regime)
        run = json.loads(file.read_text())
        plain = collections.Counter()
        for us, count in run["histogram_us"]:
            plain[round(us)] += count
        expected = int(run["seconds"] * 1e6) // (run["answered"] // regime.connections)
        like_wrk = corrected(plain, expected)
        return {"rate": run["rate"], "cpu": cpu / run["answered"] * 1e6,
                **{f"p{p}": percentile(like_wrk, p) for p in (50, 90, 99)},
                **{f"plain p{p}": percentile(plain, p) for p in (50, 90, 99)}}


def median(rounds, name):
    return statistics.median(r[name] for r in rounds)


def ratios(wrk, ours, name):
    return sorted(b[name] / a[name] for a, b in zip(wrk, ours))


def judge(regime, wrk, ours):
    """Those of the judged figures that are too far apart, and whether that is beyond doubt."""
    for name in regime.judged:
        r = ratios(wrk, ours, name)
        if statistics.median(r) < 1 - APART:
            yield name, r[-1 - OUTER] < 1 - APART
        elif statistics.median(r) > 1 + APART and name != "rate":
            yield name, r[OUTER] > 1 + APART


def table(regime, wrk, ours):
    print(f"\n{regime.what}; medians of {len(wrk)} interleaved rounds:\n")
    print("| tool | requests/s | p50 us | p90 us | p99 us | own CPU us/request |\n"
          "|---|---|---|---|---|---|")
    columns = (*NAMES, "cpu")

    def row(what, rounds, names):
        cells = [f"{median(rounds, n):.{2 if n == 'cpu' else 0}f}" for n in names]
        print(f"| {what} | " + " | ".join(cells) + " |")
    row("wrk", wrk, columns)
    row("penstock-bench, corrected as wrk's are", ours, columns)
    row("penstock-bench, plain", ours, ("rate", "plain p50", "plain p90", "plain p99", "cpu"))
    print("| ratio of neighbours | "
          + " | ".join(f"{statistics.median(ratios(wrk, ours, n)):.2f}" for n in columns)
          + " |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--judge", action="store_true")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("bench")
    parser.add_argument("url")
    parser.add_argument("work")
    options = parser.parse_args()
    tools = Tools(options.bench, options.url, options.work, 1 if options.judge else options.seconds)
    code = 0
    for regime in REGIMES:
        if options.judge and not regime.judged:
            continue
        wrk, ours = [], []
        for _ in range(JUDGED_ROUNDS if options.judge else options.rounds):
            wrk.append(tools.wrk(regime))
            ours.append(tools.ours(regime))
        table(regime, wrk, ours)
        for name, known in judge(regime, wrk, ours) if options.judge else ():
            print(f"{name}: {'more than 10 % apart' if known else 'the rounds do not tell'}")
            code = max(code, 2 if known else 1)
    sys.exit((0, 77, 1)[code])


main()
