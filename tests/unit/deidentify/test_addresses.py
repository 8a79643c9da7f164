"""Paths and hosts keep words alone: no part that may be a person's."""

from __future__ import annotations

import pytest

from anonymization.deidentify.addresses import host, path

PATHS = {
    "/": "/", "/news": "/news", "/news/": "/news/", "/about-us/index.html": "/about-us/index.html", "/foo bar": "/foo bar",
    "/foo%20bar": "/foo bar", "/日本/": "/日本/", "/%E6%97%A5%E6%9C%AC/": "/日本/", "/html5/getUserName": "/html5/getUserName",
    "/p/1": "/p/*", "/p/1234": "/p/*", "/member/m0001/profile": "/member/*/profile", "/user/zqcanary7751": "/user/*",
    "/u/taro@example.jp": "/u/*", "/r/%74aro%40example.jp": "/r/*", "/r/%2574aro%2540example.jp": "/r/*", "/~taro/x": "/*/x",
    "/a;jsessionid=0123456789ABCDEF": "/a", "/a;jsessionid=abc/b": "/a/b", "/tel/090-7751-7751": "/tel/*", "/tel/０９０７７５１７７５１": "/tel/*",
    "/reset/enFjYW5hcnk3NzUx": "/reset/*", "/t/aBcDeFgHiJ": "/t/*", "/t/abcdefghijklmnopqrstuvwxyz": "/t/*", "/2001:db8::1": "/*",
    "/ｚｑｃａｎａｒｙ7751": "/*", "/山田太郎/": "/*/", "/%ff": "/*", "/x%00y": "/xy", "/a" * 14: "/a" * 12 + "/*",
    "/東京都千代田区千代田1-1": "/*",
}  # fmt: skip
HOSTS = {
    "www.example.com": "www.example.com", "example.jp": "example.jp", "www.example.co.jp": "www.example.co.jp", "163.com": "163.com",
    "zqcanary7751.blog.example": "*.blog.example", "m0001.example.co.jp": "*.example.co.jp", "198.18.7.9": "*", "2001:db8::1": "*",
    "WWW.Example.COM.": "www.example.com", "localhost": "localhost",
}  # fmt: skip


@pytest.mark.parametrize(("raw", "told"), PATHS.items())
def test_a_path_keeps_its_words(raw, told):
    assert path(raw) == told
    assert path(told) == told


@pytest.mark.parametrize(("raw", "told"), HOSTS.items())
def test_a_host_keeps_its_words(raw, told):
    assert host(raw) == told


def test_of_a_log(intake):
    requests = {
        "GET /u/taro@example.jp HTTP/1.1": "/u/*", "GET /foo bar HTTP/1.1": "/foo bar", "GET /foo bar": "/foo bar", "GET /a?q=1 HTTP/1.1": "/a",
        "GET /a;jsessionid=0123456789ABCDEF HTTP/1.1": "/a", "GET /r/%74aro%40example.jp HTTP/1.1": "/r/*", "GET /": "/",
        "-": "unknown", "OPTIONS * HTTP/1.0": "unknown",
    }  # fmt: skip
    referrers = ["https://zq7751.blog.example/", "http://a@b@c.example/", "http://[2001:db8::1]:80/"]
    line = '198.18.7.9 - - [03/Oct/2026:13:00:00 +0900] "{}" 200 12 "{}" "x"\n'
    text = "".join(line.format(request, "-") for request in requests) + "".join(
        line.format("GET / HTTP/1.1", one) for one in referrers
    )
    events = intake.events(intake.take("weblogs", text.encode(), "a.log"))
    assert sorted(event["page"] for event in events) == sorted([*requests.values(), "/", "/", "/"])
    assert sorted({event["referrer_host"] for event in events}) == ["*", "*.blog.example", "c.example", "unknown"]
