"""Speaks to the Akismet door as other software does: forms, and bytes on a socket."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
from msgspec import Struct

from tests.conftest import Site, Winnow

THANKS = "Thanks for making the web a better place."
BLOG = "https://blog.example"
SPAM = (
    "Buy cheap viagra and cialis online without prescription! Best casino bonus, click here "
    "http://cheap-pills.example.com now!!! Free money, work from home http://casino.example.net"
)
HAM = "I agree with your second point, and the chart helped me to understand the first one."
PLAIN = {
    "blog": BLOG,
    "user_ip": "203.0.113.9",
    "user_agent": "Mozilla/5.0",
    "referrer": f"{BLOG}/",
    "permalink": f"{BLOG}/a/1",
    "comment_type": "comment",
    "comment_author": "A reader",
    "comment_author_email": "reader@example.org",
    "comment_content": HAM,
}


class Answered(Struct):
    """What came over a socket."""

    line: str
    headers: dict[str, str]
    body: bytes


def ask(site: Site, path: str, key: str = "", **fields: Any) -> httpx.Response:
    """A form with the key in its field; a field given as None is left out."""
    given = {name: value for name, value in (PLAIN | fields).items() if value is not None}
    if key:
        given["api_key"] = key
    return site.winnow.http.post(path, data=given)


def check(site: Site, key: str, **fields: Any) -> httpx.Response:
    """A comment-check."""
    return ask(site, "/1.1/comment-check", key, **fields)


def say(winnow: Winnow, raw: bytes) -> Answered:
    """Sends bytes and reads until the server closes or its Content-Length is reached."""
    parts = urlsplit(winnow.url)
    with socket.create_connection((parts.hostname, parts.port), 10) as connection:
        connection.sendall(raw)
        got = b""
        while b"\r\n\r\n" not in got:
            got += connection.recv(65536)
        head, _, body = got.partition(b"\r\n\r\n")
        line, *rows = head.decode("latin-1").split("\r\n")
        headers = {n.lower(): v.strip() for n, _, v in (row.partition(":") for row in rows)}
        while len(body) < int(headers["content-length"]):
            body += connection.recv(65536)
    return Answered(line, headers, body)
