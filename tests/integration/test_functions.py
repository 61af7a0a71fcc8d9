"""Routes served by functions: the runtimes we ship, AWS's own for Node and a loop around curl,
killed, hung and made to answer nonsense; what is left behind; what the log says. Nothing here
asserts a duration."""
import concurrent.futures
import os
import pathlib
import re
import signal
import time

import pytest

from conftest import NPM, ROOT
from test_command_line import GOOD, check

HERE = pathlib.Path(__file__).parent / "functions"
RUNTIMES = ROOT / "src/lambda/runtimes"
COMMANDS = {"node": ["node", f"{RUNTIMES}/runtime.mjs"],
            "python": ["/usr/bin/python3", f"{RUNTIMES}/runtime.py"],
            "ric": ["node", f"{NPM}/aws-lambda-ric/bin/index.mjs"],
            "shell": ["./bootstrap.sh"]}


def function(name, command, more=""):
    quoted = ", ".join(f"'{c}'" for c in command)
    return (f"  - name: {name}\n    command: [{quoted}]\n    directory: {HERE}\n"
            f"    environment: {{GREETING: hello}}\n{more}")


def config(*functions, routes=""):
    """functions: (name, command, more); each gets a route of its name."""
    text = "functions:\n" + "".join(function(*f) for f in functions) + "routes:\n"
    return text + "".join(f"  - route: ANY /{f[0]}\n    function: {f[0]}\n"
                          for f in functions) + routes


def children(pid):
    """Processes whose parent is pid: (pid, command line)."""
    found = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                found[int(stat.parent.name)] = (stat.parent / "cmdline").read_text()
        except (OSError, IndexError):
            continue
    return found


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_for(what, seconds=20):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "never happened"
        time.sleep(0.05)


@pytest.mark.parametrize("runtime", COMMANDS)
def test_runtimes(penstock, dynoxide, runtime):
    command = COMMANDS[runtime]
    long, short = "    timeout_ms: 20000\n", "    timeout_ms: 1500\n    init_timeout_ms: 30000\n"
    p = penstock(dynoxide.url, config(
        ("echo", command + ["app.echo"], long), ("die", command + ["app.die"], long),
        ("killed", command + ["app.killed"], long),
        ("hang", command + ["app.hang"], short), ("nonsense", command + ["app.nonsense"], long),
        routes="  - route: POST /old\n    function: echo\n    payload_format: '1.0'\n"))
    r = p.request("POST", "/echo", "ping", {"Content-Type": "text/plain"})
    assert r.status == 201 and r.headers["x-version"] == "2.0" and r.body.startswith(b"hello ping ")
    pid = int(r.body.split()[-1])
    r = p.request("POST", "/old", "ping", {"Content-Type": "text/plain"})
    assert r.status == 201 and r.headers["x-version"] == "1.0"
    assert int(r.body.split()[-1]) == pid  # one function, one process, two formats

    for path, status, message in (("/die", 502, "Internal server error"),
                                  ("/killed", 502, "Internal server error"),
                                  ("/hang", 504, "Endpoint request timed out"),
                                  ("/nonsense", 502, "Internal server error")):
        request_id = ""
        for _ in range(2):  # a new process takes the next one
            r = p.request("GET", path)
            assert (r.status, r.json()) == (status, {"message": message}), path
            request_id = r.headers["x-amzn-requestid"]
        wait_for(lambda: request_id in p.log())
        r = p.request("POST", "/echo", "still", {"Content-Type": "text/plain"})
        assert r.status == 201 and int(r.body.split()[-1]) == pid  # unharmed

    os.kill(pid, signal.SIGKILL)  # between calls: the next is served by another
    wait_for(lambda: not alive(pid))
    r = p.request("POST", "/echo", "again", {"Content-Type": "text/plain"})
    assert r.status in (201, 502), r
    r = p.request("POST", "/echo", "again", {"Content-Type": "text/plain"})
    assert r.status == 201 and int(r.body.split()[-1]) != pid


def test_log_lines(penstock, dynoxide):
    p = penstock(dynoxide.url, config(("echo", COMMANDS["python"] + ["app.echo"],
                                       "    timeout_ms: 20000\n"),
                                      ("fail", COMMANDS["python"] + ["app.fail"],
                                       "    timeout_ms: 20000\n")))
    request_id = p.request("GET", "/echo").headers["x-amzn-requestid"]
    assert p.request("GET", "/fail").status == 502
    wait_for(lambda: "REPORT Duration" in p.log() and "handling" in p.log()
             and "it broke" in p.log())
    lines = [line for line in p.log().splitlines() if request_id in line]
    for words in ('"START"', '"END"', "REPORT Duration: ", "handling"):
        assert any(words in line for line in lines), (words, lines)
    report = next(line for line in lines if "REPORT" in line)
    assert re.search(r"Billed Duration: \d+ ms\\tMemory Size: 128 MB", report)


def test_wrong_answers(penstock, dynoxide):
    long = "    timeout_ms: 20000\n"
    p = penstock(dynoxide.url, config(
        ("wrong", ["./bootstrap.sh", "wrong_id"], long),
        ("twice", ["./bootstrap.sh", "twice"], long)))
    assert p.request("GET", "/wrong").status == 502  # it got 400 and gave up
    for _ in range(2):  # the second answer is refused to the runtime, and harms no call
        assert p.request("GET", "/twice").json() == {"times": 1}
    wait_for(lambda: "InvalidRequestID" in p.log() and "InvalidStateTransition" in p.log())


def no_interpreter(folder):
    """A program that is there when the configuration is read, and cannot be started."""
    program = folder / "no-interpreter"
    program.write_text("#!/nowhere/sh\n")
    program.chmod(0o755)
    return str(program)


def test_commands_that_are_none(penstock, dynoxide, tmp_path):
    p = penstock(dynoxide.url, config(
        ("nowhere", [no_interpreter(tmp_path)]), ("exits", ["false"]),
        ("mute", ["sleep", "600"], "    init_timeout_ms: 300\n    timeout_ms: 20000\n"),
        ("echo", COMMANDS["python"] + ["app.echo"], "    timeout_ms: 20000\n")))
    for path in ("/nowhere", "/exits", "/mute", "/exits"):
        r = p.request("GET", path)
        assert (r.status, r.json()) == (502, {"message": "Internal server error"}), path
    assert p.request("GET", "/echo").status == 201


def test_many_at_once(penstock, dynoxide):
    p = penstock(dynoxide.url, config(("echo", COMMANDS["python"] + ["app.echo"],
                                       "    timeout_ms: 60000\n    concurrency: 2\n"
                                       "    warm: 2\n")), workers=2)

    def one(n):
        r = p.request("POST", "/echo", f"n{n}", {"Content-Type": "text/plain"}, timeout=90)
        return r.status, r.body.split()[1]
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(one, range(100)))
    assert answers == [(201, f"n{n}".encode()) for n in range(100)]  # none crossed


@pytest.mark.parametrize("state", ["idle", "running"])
def test_nothing_is_left_behind(penstock, dynoxide, state):
    p = penstock(dynoxide.url, config(
        ("node", COMMANDS["node"] + ["app.hang"], "    warm: 1\n    timeout_ms: 60000\n"),
        ("shell", ["./bootstrap.sh", "echo"], "    warm: 2\n    concurrency: 2\n")),
        head="drain: {deadline_ms: 300}\n")
    wait_for(lambda: len(p.log_events("function_ready")) == 3)
    mine = children(p.process.pid)
    assert len(mine) == 3
    if state == "running":
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            call = pool.submit(p.request, "GET", "/node")
            wait_for(lambda: "START" in p.log())
            assert p.stop() == 0
            with pytest.raises(Exception):
                call.result()  # the deadline of the drain cut it off
    else:
        assert p.stop() == 0
    assert not [pid for pid in mine if alive(pid)]


@pytest.mark.parametrize("entry, words", [
    ("{name: f}", "exactly one of library, command"),
    ("{name: f, command: [node], library: x.so}", "exactly one of library, command"),
    ("{name: f, command: []}", "names no program"),
    ("{name: f, command: ['']}", "names no program"),
    ("{name: f, command: [/no/such/program]}", "/no/such/program: No such file"),
    (f"{{name: f, command: [{HERE}/app.py]}}", "app.py: Permission denied"),
    ("{name: f, command: [sh], directory: /no/such}", "/no/such: No such file"),
    ("{name: f/g, command: [sh]}", "functions[].name"),
    ("{name: f, command: sh}", "expected a list"),
    ("{name: f, command: [sh], concurency: 2}", "did you mean concurrency?"),
    ("{name: f, library: /no/such.so}", "/no/such.so"),
])
def test_check_names_what_is_wrong(entry, words):
    r = check(GOOD + f"functions:\n  - {entry}\n")
    assert r.returncode == 2 and words in r.stderr, r.stderr


def test_check_is_silent_about_good_functions():
    r = check(GOOD + f"functions:\n  - {{name: f, command: [./bootstrap.sh], directory: {HERE}}}\n"
              "  - {name: g, command: [node, x.mjs], concurrency: 4, warm: 1}\n")
    assert (r.returncode, r.stderr) == (0, "")
