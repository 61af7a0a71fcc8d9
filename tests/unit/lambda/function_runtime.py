"""A runtime that behaves as it is told, for function_test.c: the event says what to do.

usage: python3 function_runtime.py [serve | exit | never | init_error | slow SECONDS | flaky FILE]
"""
import base64
import http.client
import json
import os
import socket
import sys
import threading
import time

API = "/2018-06-01/runtime/"
HOST = os.environ["AWS_LAMBDA_RUNTIME_API"]


class Api:
    def __init__(self):
        self.c = http.client.HTTPConnection(HOST)

    def call(self, method, path, body=None, headers=None):
        self.c.request(method, API + path, body, headers or {})
        r = self.c.getresponse()
        return r, r.read()

    def next(self):
        r, body = self.call("GET", "invocation/next")
        return r.headers, body


def say(value):
    print(value if isinstance(value, str) else json.dumps(value), flush=True)


def respond(api, rid, event):
    what = event.get("do")
    path = f"invocation/{rid}/response"
    if what == "exit":
        say("last words")
        if "signal" in event:
            os.kill(os.getpid(), event["signal"])
        os._exit(event.get("status", 3))
    if what == "print":
        for piece in event["pieces"]:
            sys.stdout.write(piece)
            sys.stdout.flush()
            time.sleep(0.05)
        os._exit(1)
    if what == "sleep":
        time.sleep(event["seconds"])
    if what == "spawn":
        # A grandchild that would hold the pipes open for a minute.
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        say(f"grandchild {child}.")
        os._exit(0)
    if what == "error":
        body = json.dumps({"errorMessage": "it broke", "errorType": "Broken"})
        r, text = api.call("POST", f"invocation/{rid}/error", body,
                           {"Lambda-Runtime-Function-Error-Type": "Function.Broken"})
        say([r.status, text.decode()])
        return
    if what == "wrong_id":
        r, text = api.call("POST", "invocation/00000000-0000-4000-8000-00000000ffff/response", "1")
        say([r.status, text.decode()])
    if what == "next_again":
        r, text = api.call("GET", "invocation/next")
        say([r.status, text.decode()])
    if what == "init_error_late":
        r, text = api.call("POST", "init/error", "{}")
        say([r.status, text.decode()])
    if what == "unknown_path":
        r, text = api.call("GET", "nothing")
        say([r.status, text.decode()])
    if what == "bad_mode":
        r, text = api.call("POST", path, "1", {"Lambda-Runtime-Function-Response-Mode": "odd"})
        say([r.status, text.decode()])
        return
    if what == "big":
        r, text = api.call("POST", path, b'"' + b"x" * (event["bytes"] - 2) + b'"')
        say([r.status, text.decode()])
        return
    if what == "huge":
        # Announced only: it is refused unread.
        s = socket.create_connection(HOST.split(":"))
        s.sendall(f"POST {API}invocation/{rid}/{event.get('to', 'response')} HTTP/1.1\r\nHost: x\r\n"
                  "Content-Length: 99000000\r\n\r\n".encode())
        say(s.recv(1000).decode().replace("\r\n", " "))
        return
    if what == "chunked":
        # All of it is sent before the answer is read, as most clients do.
        r, text = api.call("POST", f"invocation/{rid}/{event['to']}",
                           (b"x" * 65536 for _ in range(event["bytes"] // 65536)))
        say([r.status, text.decode()])
        return
    if what == "stale_next":
        # Asks for work and gives up, several times: only the last request counts.
        for _ in range(5):
            s = socket.create_connection(HOST.split(":"))
            s.sendall(f"POST {API}{path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1".encode()
                      if _ == 0 else f"GET {API}invocation/next HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            if _ == 0:
                s.recv(1000)
        time.sleep(0.05)
        return
    if what == "truncated":
        s = socket.create_connection(HOST.split(":"))
        s.sendall(f"POST {API}invocation/{rid}/{event['to']} HTTP/1.1\r\nHost: x\r\n"
                  "Content-Length: 10\r\n\r\n123".encode())
        s.close()
        time.sleep(0.05)
    if what == "parts":
        stream_parts(api, path, event)
        return
    if what == "environment":
        answer = dict(os.environ)
    elif what == "headers":
        answer = event["headers"]
    else:
        answer = {"echo": event, "pid": os.getpid(), "rid": rid}
    body = json.dumps(answer)
    headers = {}
    if what == "stream":
        headers = {"Lambda-Runtime-Function-Response-Mode": "streaming"}
        body = iter([b"str", b"eam", b"ed"])
    r, text = api.call("POST", path, body, headers)
    if what == "twice":
        first = [r.status, text.decode()]
        r, text = api.call("POST", path, body)
        say([first, r.status, text.decode()])
    elif r.status != 202:
        say([r.status, text.decode()])


def stream_parts(api, path, event):
    """count parts of so many bytes, then what `end` says."""
    s = socket.create_connection(HOST.split(":"))
    s.sendall(f"POST {API}{path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
              "Content-Type: text/x\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n\r\n".encode())
    part = b"x" * event.get("bytes", 5)
    for _ in range(event.get("count", 1)):
        s.sendall(b"%x\r\n%s\r\n" % (len(part), part))
    end = event.get("end")
    if end == "again":
        time.sleep(0.1)  # else this one is the first
        r, text = api.call("POST", path, "1")
        say([r.status, text.decode()])
    if end == "hang":
        time.sleep(600)
    if end == "cut":
        s.close()
        return
    trailer = ""
    if end == "error":
        body = base64.b64encode(json.dumps({"errorMessage": "it broke"}).encode()).decode()
        trailer = ("Lambda-Runtime-Function-Error-Type: Function.Broken\r\n"
                   f"lambda-runtime-function-error-body: {body}\r\n")
    s.sendall(b"0\r\n" + trailer.encode() + b"\r\n")
    say(s.recv(4096).decode().split("\r\n")[0])


def serve():
    api = Api()
    while True:
        headers, body = api.next()
        event = json.loads(body)
        if event.get("do") == "headers":
            event["headers"] = dict(headers)
        respond(api, headers["Lambda-Runtime-Aws-Request-Id"], event)


def main():
    mode = sys.argv[1] if len(sys.argv) > 1 else "serve"
    if mode == "exit":
        print("no luck", file=sys.stderr)
        sys.exit(7)
    if mode == "never":
        time.sleep(600)
    if mode == "slow":
        time.sleep(float(sys.argv[2]))
    if mode == "init_error":
        r, text = Api().call("POST", "init/error", json.dumps({"errorMessage": "no", "errorType": "No"}),
                             {"Lambda-Runtime-Function-Error-Type": "Runtime.NoSuchHandler"})
        say([r.status, text.decode()])
        time.sleep(600)
    if mode == "flaky":
        try:
            os.open(sys.argv[2], os.O_CREAT | os.O_EXCL)
            sys.exit(1)  # the first time only
        except FileExistsError:
            pass
    for _ in range(int(os.environ.get("AWS_LAMBDA_MAX_CONCURRENCY", "1")) - 1):
        threading.Thread(target=serve, daemon=True).start()
    serve()


main()
