"""Bodies that DynamoDB would refuse, or that two parsers could read differently: 400 that names the
attribute, nothing sent, the next request unharmed."""
import pytest

from conftest import MUSIC, unique

KEY = '"Artist":"A","SongTitle":"s"'


@pytest.fixture(scope="module")
def service(dynoxide, tmp_path_factory):
    from conftest import Penstock
    table = unique("Bad")
    p = Penstock(tmp_path_factory.mktemp("bad"), dynoxide.url, config=MUSIC.format(table=table),
                 table=table)
    yield p
    assert p.stop() == 0, p.log()[-3000:]


@pytest.mark.parametrize("body, words", [
    ("", "JSON"), ("nonsense", "JSON"), ("{", "JSON"), ("{}", "Artist"), ("42", ""), ('"x"', ""),
    ("{" + KEY + "} x", ""), ("{" + KEY + ",}", ""), ("\ufeff{" + KEY + "}", ""),
    ('{"Artist":"A"}', "SongTitle"), ('{"Artist":1,"SongTitle":"s"}', "Artist"),
    ('{"Artist":"","SongTitle":"s"}', "Artist"), ('{"Artist":null,"SongTitle":"s"}', "Artist"),
    ("{" + KEY + ',"a":' + "[" * 40 + "]" * 40 + "}", "a"),
    ("[" * 100000, ""), ('{"a":' * 100000, ""),
    ("{" + KEY + ',"dup":1,"dup":2}', "dup"), ("{" + KEY + ',"m":{"x":1,"x":2}}', "x"),
    ("{" + KEY + ',"a\\u0000b":1}', "NUL"), ("{" + KEY + ',"n":' + "1" * 39 + "}", "n"),
    ("{" + KEY + ',"n":1e400}', "n"), ("{" + KEY + ',"n":1e-200}', "n"), ("{" + KEY + ',"n":01}', ""),
    ("{" + KEY + ',"n":1.}', ""), ("{" + KEY + ',"n":NaN}', ""), ("{" + KEY + ",'q':1}", ""),
    ("{" + KEY + ',"s":"a\tb"}', ""), ("{" + KEY + ',"s":"\\ud800"}', ""), ("{" + KEY + ',"s":"\\x"}', ""),
    ("{" + KEY + ',"big":"' + "x" * 410000 + '"}', "409600"),
    ('{"Artist":"' + "k" * 2049 + '","SongTitle":"s"}', "Artist"),
    ('{"Artist":"A","SongTitle":"' + "k" * 1025 + '"}', "SongTitle"),
])
def test_refused_by_name(service, body, words):
    r = service.request("POST", "/music", body)
    assert r.status == 400, r
    assert words in r.json()["message"], r
    assert service.request("POST", "/music", "{" + KEY + "}").status == 201


@pytest.mark.parametrize("raw", [b'{"Artist":"\xff","SongTitle":"s"}', b'{"Artist":"\xc0\xaf","SongTitle":"s"}',
                                 b'{"Artist":"\xed\xa0\x80","SongTitle":"s"}', b'{"Artist":"a\x00","SongTitle":"s"}'])
def test_bad_utf8(service, raw):
    assert service.request("POST", "/music", raw).status == 400


def test_38_digits_are_good(service):
    n = "1" * 38
    r = service.request("POST", "/music", "{" + KEY + ',"n":' + n + "}")
    assert r.status == 201
    assert n in service.request("GET", "/music/A/s").body.decode()


def test_no_such_route_or_method(service):
    r = service.request("GET", "/nowhere")
    assert r.status == 404 and r.json() == {"message": "Not Found"}
    r = service.request("PUT", "/music")
    assert r.status == 405 and "POST" in r.headers["allow"]
    assert "x-amzn-requestid" in r.headers


def test_paths_are_read_once(service):
    for path in ("/music/../music/A/s", "/music/%2e%2e/A", "/music//s", "/music/%00/s", "/music/%zz/s"):
        assert service.request("GET", path).status in (400, 404), path
