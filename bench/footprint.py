"""Helper of footprint.sh and compare.sh: idle connections, and exec to first stored write."""
import os
import resource
import socket
import subprocess
import sys
import time

BODY = b'{"Artist":"A","SongTitle":"s","AlbumTitle":"' + b"x" * 200 + b'"}'
POST = (b"POST /music HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY))


def resident_kb(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise ValueError("no VmRSS")


def idle(pid, port, count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    before = resident_kb(pid)
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    for s in sockets:  # each has been served once: what a keep-alive client looks like
        s.sendall(POST)
        assert s.recv(4096).startswith(b"HTTP/1.1 201"), "a write failed"
    time.sleep(1)
    after = resident_kb(pid)
    print(f"idle connections: {count}, {(after - before) * 1024 / count:.0f} bytes each "
          f"({before} kB before, {after} kB after)")


def post_until_stored(port, process):
    while process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port)) as s:
                while True:
                    s.sendall(POST)
                    answer = s.recv(4096)
                    if answer.startswith(b"HTTP/1.1 201"):
                        return
                    if not answer:
                        break
        except OSError:
            time.sleep(0.0005)
    sys.exit(f"{process.args} ended with {process.returncode}")


def first_write(port, rounds, command):
    times = []
    for _ in range(rounds):
        start = time.monotonic()
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        post_until_stored(port, process)
        times.append((time.monotonic() - start) * 1000)
        process.kill()  # nothing is in flight, and a drain would only cost time
        process.wait()
    times.sort()
    print(f"exec to first stored write: median {times[len(times) // 2]:.1f} ms, "
          f"min {times[0]:.1f}, max {times[-1]:.1f} ({rounds} rounds)")


if __name__ == "__main__":
    os.environ.pop("LD_PRELOAD", None)
    if sys.argv[1] == "idle":
        idle(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        first_write(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
