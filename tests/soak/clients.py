"""The clients of a soak. Each knows what it was told of every item it sent: stored, refused (then
it must not be there) or unknown."""
import http.client
import json
import random
import socket
import struct
import threading
import time

REFUSED = {429, 502, 503, 504}
RAW = {  # sent as they are, straight to an instance; what must come back
    b"GET / HTTP/1.1\r\n\r\n": b"400",
    b"POST /music HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n":
        b"400",
    b"GET /music HTTP/9.9\r\nHost: x\r\n\r\n": b"400",
    b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 20000 + b"\r\n\r\n": b"431",
    b"POST /music HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n": b"413",
}


class Unexpected(Exception):
    """The answer is wrong; refusal: it is one that an outage may bring."""

    def __init__(self, what, refusal=False):
        super().__init__(what)
        self.refusal = refusal


class Client(threading.Thread):
    """Does one thing after another until `done` is set; failures are noted and it goes on."""

    kinds = ()
    think_s = 0.01  # mean pause between requests

    def __init__(self, soak, name):
        super().__init__(name=name, daemon=True)
        self.soak = soak
        self.random = random.Random(f"{soak.seed} {name}")
        self.counts = {kind: 0 for kind in self.kinds}
        self.failures = []
        self.stored, self.refused, self.unknown = set(), set(), set()
        self.sequence = 0

    def run(self):
        while not self.soak.done.is_set():
            kind = self.random.choice(self.kinds)
            begin = self.soak.now()
            try:
                getattr(self, kind)()
                self.counts[kind] += 1
            except Unexpected as e:
                self.failed(kind, begin, str(e), e.refusal)
            except (OSError, http.client.HTTPException) as e:
                self.failed(kind, begin, repr(e), True)
                self.lost()
            except (ValueError, KeyError) as e:
                self.failed(kind, begin, f"not the answer of that request: {e!r}", False)
            time.sleep(self.random.expovariate(1 / self.think_s))

    def failed(self, kind, begin, what, refusal):
        self.failures.append({"begin": begin, "end": self.soak.now(), "refusal": refusal,
                              "what": f"{self.name} {kind}: {what} ({self.soak.happens})"})

    def lost(self):
        """The connection broke."""

    def item(self):
        """A new item: no two are alike, 40 to a partition."""
        self.sequence += 1
        return {"Artist": f"{self.name}-{self.sequence // 40}", "SongTitle": f"{self.sequence:07}",
                "v": self.sequence, "pad": "x" * self.random.randrange(20, 400)}

    def told(self, item, status, unknown):
        key = item["Artist"], item["SongTitle"]
        if status == 201:
            self.stored.add(key)
        elif status is None or unknown:
            self.unknown.add(key)
        else:
            self.refused.add(key)


class Mixed(Client):
    """Through the balancer, over a connection that is kept: what well-behaved clients do."""

    kinds = ("put",) * 8 + ("get",) * 4 + (
        "many", "lines", "query", "once", "patch_delete", "function", "wrong")

    def __init__(self, soak, name):
        super().__init__(soak, name)
        self.connection = http.client.HTTPConnection("127.0.0.1", soak.port, timeout=40)
        self.last = None  # the newest item known to be stored

    def lost(self):
        self.connection.close()

    def ask(self, method, path, body=None, headers=None):
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        self.connection.request(method, path, body, headers or {})
        r = self.connection.getresponse()
        text = r.read()
        # Without the id it is the balancer's word, and nobody knows what became of the write.
        unknown = r.headers.get("x-penstock-outcome") == "unknown" or \
            r.headers.get("x-amzn-requestid") is None
        return r.status, text, unknown

    def expect(self, status, method, path, body=None, headers=None):
        got, text, _ = self.ask(method, path, body, headers)
        if got != status:
            raise Unexpected(f"{got} {text[:200]}", got in REFUSED)
        return json.loads(text) if text else None

    def write(self, item, path="/music"):
        try:
            status, text, unknown = self.ask("POST", path, item)
        except (OSError, http.client.HTTPException):
            self.told(item, None, True)
            raise
        self.told(item, status, unknown)
        if status != 201:
            raise Unexpected(f"{status} {text[:200]}", status in REFUSED)

    def put(self):
        item = self.item()
        self.write(item)
        self.last = item

    def get(self):
        if self.last:
            path = f"/music/{self.last['Artist']}/{self.last['SongTitle']}"
            if self.expect(200, "GET", path) != self.last:
                raise Unexpected("not the item that was stored")

    def several(self, encode):
        items = [self.item() for _ in range(self.random.randrange(2, 60))]
        try:
            status, text, unknown = self.ask("POST", "/music", encode(items))
        except (OSError, http.client.HTTPException):
            status, text, unknown = None, b"", True
        if status != 200:
            for item in items:
                self.told(item, status, unknown)
            raise Unexpected(f"{status} {text[:200]}", status in REFUSED or status is None)
        results = json.loads(text)["results"]
        if len(results) != len(items):
            raise Unexpected(f"{len(results)} results of {len(items)} items")
        for item, result in zip(items, results):
            self.told(item, result["status"], result.get("outcome") == "unknown")
        bad = [r for r in results if r["status"] != 201]
        if bad:
            raise Unexpected(f"{len(bad)} of {len(items)}: {bad[0]}",
                             all(r["status"] in REFUSED for r in bad))

    def many(self):
        self.several(lambda items: items)

    def lines(self):
        self.several(lambda items: b"\n".join(json.dumps(i).encode() for i in items))

    def query(self):
        if self.last:
            items = self.expect(200, "GET", f"/music/{self.last['Artist']}?order=desc")["items"]
            if self.last["SongTitle"] not in {i["SongTitle"] for i in items}:
                raise Unexpected("the item that was stored is not in its partition")

    def once(self):
        item = self.item()
        self.write(item, "/once")
        self.expect(409, "POST", "/once", item)

    def patch_delete(self):
        item = self.item()
        self.write(item)
        path = f"/music/{item['Artist']}/{item['SongTitle']}"
        self.expect(200, "PATCH", path, {"v": 1, "pad": None})
        key = item["Artist"], item["SongTitle"]
        self.stored.discard(key)
        self.unknown.add(key)  # until the answer says that it has gone
        self.expect(204, "DELETE", path)
        self.unknown.discard(key)
        self.refused.add(key)
        self.expect(404, "GET", path)

    def function(self):
        text = f"{self.random.random()}"
        answer = self.expect(200, "POST", "/echo", {"said": text},
                             {"Content-Type": "application/json"})  # else it comes as base64
        if answer["said"] != text:
            raise Unexpected("somebody else's answer")

    def wrong(self):
        self.expect(*self.random.choice([
            (400, "POST", "/music", b"{"), (400, "POST", "/music", {"Artist": "x"}),
            (400, "POST", "/music", {"Artist": "x", "SongTitle": 7}), (404, "GET", "/nothing"),
            (405, "PUT", "/music", b"{}"), (404, "GET", "/music/nobody/nothing")]))


class Straight(Client):
    """Raw sockets to the instance that is never restarted: no balancer mends what these do."""

    think_s = 0.03

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.soak.straight), timeout=40)

    def post(self, item):
        body = json.dumps(item).encode()
        return (b"POST /music HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n"
                b"\r\n%s" % (len(body), body))


class Slow(Straight):
    """Sends a few bytes at a time, reads a few bytes at a time, and is served."""

    kinds = ("slow_put",)

    def slow_put(self):
        item = self.item()
        text = self.post(item)
        self.told(item, None, True)
        with self.connect() as s:
            for start in range(0, len(text), 40):
                s.sendall(text[start:start + 40])
                if self.soak.done.wait(0.1):
                    return
            answer = b""
            while True:
                data = s.recv(16)
                if not data:
                    break
                answer += data
        self.unknown.discard((item["Artist"], item["SongTitle"]))
        status = int(answer[9:12]) if answer else None
        self.told(item, status, b"x-penstock-outcome: unknown" in answer.lower())
        if status != 201:
            raise Unexpected(f"{answer[:200]}", status in REFUSED or status is None)


class Leaving(Straight):
    """Goes away before the answer, or in the middle of the request: with a FIN or a RST."""

    kinds = ("leave",)

    def leave(self):
        item = self.item()
        self.told(item, None, True)
        text = self.post(item)
        with self.connect() as s:
            s.sendall(text[:self.random.choice([0, 10, len(text) // 2, len(text)])])
            if self.random.random() < 0.5:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Malformed(Straight):
    kinds = ("malformed",)

    def malformed(self):
        text, status = self.random.choice(list(RAW.items()))
        with self.connect() as s:
            s.sendall(text)
            answer = s.recv(4096)
        if answer[9:12] != status:
            raise Unexpected(f"{answer[:100]} to {text[:60]}")
