"""No malloc per request in the steady state: counted by bench/malloc_count.c in the program under a
load that has already been served once. Run on a Release build: a sanitizer has a malloc of its own."""
import pathlib
import struct
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))
from conftest import BUILD, MUSIC, penstock, stop  # noqa: E402,F401
from test_sink import Sink  # noqa: E402

BODY = '{"Artist":"{{uuid}}","SongTitle":"s","Year":1999,"Tags":["a","b"],"More":{"x":null}}'
CONFIG = MUSIC.format(table="Music") + f"""
  - route: POST /once
    put_item: {{table: Music, condition: attribute_not_exists(SongTitle)}}
  - route: ANY /empty
    function: empty
functions: [{{name: empty, library: '{BUILD}/penstock-empty.so'}}]
"""
# What the pool opens later allocates: everything it may have is there from the start.
WARM = "  max_connections: 4\n  warm_connections: 4\n"
ROUNDS = 8


class Counter:
    def __init__(self, folder):
        self.file = folder / "mallocs"
        self.file.write_bytes(bytes(8))

    def env(self):
        return {"LD_PRELOAD": str(BUILD / "libmalloc_count.so"), "MALLOC_COUNT": str(self.file)}

    def read(self):
        return struct.unpack("=Q", self.file.read_bytes())[0]


def load(p, path, *options):
    subprocess.run([str(BUILD / "penstock-bench"), "--connections", "64", "--count", "4000",
                    "--allow-errors", "100", *options, f"http://127.0.0.1:{p.port}{path}"],
                   check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("path, options", [
    ("/music", ["--body", BODY]),
    ("/music", ["--body", BODY, "--pipeline", "8"]),
    ("/once", ["--body", BODY]),
    ("/music/a/{{uuid}}", []),
    ("/music/a/{{uuid}}", ["--method", "DELETE"]),
    ("/music/a/{{uuid}}", ["--method", "PATCH", "--body", '{"Year":2001}']),
    ("/music/{{uuid}}", []),
    ("/empty", []),
    ("/nowhere", ["--body", BODY]),
    ("/music", ["--body", "no json"]),
], ids=["put", "pipelined", "conditional", "get", "delete", "update", "query", "native", "404",
        "400"])
def test_no_malloc_per_request(penstock, tmp_path, path, options):  # noqa: F811
    sink, counter = Sink(tmp_path), Counter(tmp_path)
    try:
        p = penstock(sink.url, CONFIG, ca_file=sink.certificate,
                     dynamodb=WARM, head="log: {access: false}\n", env=counter.env())
        load(p, path, *options)  # the crowd's memory, once
        made = []
        while len(made) < ROUNDS and 0 not in made:
            before = counter.read()
            assert before > 0
            load(p, path, *options)
            made.append(counter.read() - before)
        # A larger crowd than ever before in one turn still grows a slab; it does not go on.
        assert made[-1] == 0, made
        assert max(made) < 100, made
    finally:
        stop(sink.process)
