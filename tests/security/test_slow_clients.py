"""Requirements on bodies and connections: large, slow, packed and endless ones harm nobody else."""

from __future__ import annotations

import select
import socket
import time
from contextlib import ExitStack, suppress

import pytest

from tests.conftest import Winnow, until
from tests.security.sockets import answer_of, raw, rss_mb

MIB = 1024 * 1024
RISE_MB = 20
"""What any of these may add to a process's memory (reliability.md, section 3)."""
SLOWLORIS = 500
ENDLESS = 1024 * MIB


def post(path: str, *headers: str, key: str = "sk_none") -> bytes:
    """A POST's head."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {key}", *headers]
    return "\r\n".join([*lines, "Content-Type: application/json", "", ""]).encode()


def web_pid(winnow: Winnow) -> int:
    """The only web process."""
    return winnow.children("service.process")[0]


@pytest.fixture
def key(limited: Winnow) -> str:
    return limited.site().secret


@pytest.mark.parametrize(
    "path", ["/v1/comments", "/v1/score", "/v1/decisions", "/coral/moderation"]
)
def test_a_body_said_to_be_too_large_is_refused_unread(
    limited: Winnow, key: str, path: str
) -> None:
    target = f"{path}?key={key}" if path.startswith("/coral") else path
    with raw(limited) as connection:
        connection.sendall(post(target, f"Content-Length: {ENDLESS}", key=key))
        answer = answer_of(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close\r\n" in answer


def test_a_body_without_a_length_is_read_up_to_the_limit_only(limited: Winnow, key: str) -> None:
    """1 GiB in chunks: refused after 64 KiB, and the connection ends instead of reading on."""
    pid = web_pid(limited)
    before = rss_mb(pid)
    sent = 0
    with raw(limited) as connection:
        connection.sendall(post("/v1/comments", "Transfer-Encoding: chunked", key=key))
        chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        try:
            while sent < ENDLESS:
                connection.sendall(chunk)
                sent += 65_536
        except OSError:
            pass
        answer = answer_of(connection)
    assert sent < 16 * MIB
    assert not answer or answer.startswith(b"HTTP/1.1 413 ")
    assert rss_mb(pid) - before < RISE_MB


def test_json_nested_a_hundred_thousand_deep_is_refused(limited: Winnow, key: str) -> None:
    pid = web_pid(limited)
    before = rss_mb(pid)
    for path in ("/v1/comments", "/v1/score"):
        for opened, closed in (("[", "]"), ('{"a":', "}")):
            bomb = opened * 100_000 + "1" + closed * 100_000
            answer = limited.ask(
                "POST",
                path,
                key,
                content=bomb[:65_000],
                headers={"Content-Type": "application/json"},
            )
            assert answer.status_code in (400, 422), answer.text
    assert rss_mb(pid) - before < RISE_MB


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "gzip, identity"])
def test_packed_bodies_are_refused_and_never_unpacked(
    limited: Winnow, key: str, encoding: str
) -> None:
    answer = limited.ask(
        "POST", "/v1/comments", key, content=b"\x1f\x8b", headers={"Content-Encoding": encoding}
    )
    assert answer.status_code == 415
    assert answer.json()["code"] == "unsupported_media_type"


def test_a_body_that_trickles_in_is_given_up_in_ten_seconds(limited: Winnow, key: str) -> None:
    """One byte a second, at the API, a door and a page: 408, and the connection ends."""
    paths = ("/v1/comments", "/v1/score", "/1.1/verify-key", "/console/sign-in")
    with ExitStack() as stack:
        open_ = [stack.enter_context(raw(limited)) for _ in paths]
        began = time.monotonic()
        for connection, path in zip(open_, paths, strict=True):
            form = "Content-Type: application/x-www-form-urlencoded" if path[1] == "c" else "X-A: b"
            head = post(path, form, "Content-Length: 500", "Sec-Fetch-Site: none", key=key)
            connection.sendall(head)
        for _ in range(9):
            time.sleep(1)
            for connection in open_:
                connection.sendall(b" ")
        answers = [answer_of(connection) for connection in open_]
    assert time.monotonic() - began < 25
    for answer, path in zip(answers, paths, strict=True):
        assert answer.split(b" ")[1] in (b"408", b"503"), (path, answer)
        assert b"connection: close\r\n" in answer


def test_a_head_that_trickles_in_is_given_up_in_ten_seconds(limited: Winnow) -> None:
    """Slowloris: 500 connections that never finish their heads cost little and end; meanwhile
    everybody else is served."""
    pid = web_pid(limited)
    before = rss_mb(pid)
    with ExitStack() as stack:
        open_ = [stack.enter_context(raw(limited)) for _ in range(SLOWLORIS)]
        began = time.monotonic()
        for connection in open_:
            connection.sendall(b"GET /livez HTTP/1.1\r\nX-A: b\r\n")
        worst = 0.0
        for _ in range(8):
            asked = time.monotonic()
            assert limited.http.get("/livez").status_code == 200
            worst = max(worst, time.monotonic() - asked)
            time.sleep(0.5)
            for connection in open_[::50]:
                connection.sendall(b"X-B: c\r\n")
        rise = rss_mb(pid) - before
        answers = [answer_of(connection) for connection in open_]
        took = time.monotonic() - began
    print(f"slowloris: {SLOWLORIS} connections, {rise:.1f} MiB, slowest answer {worst:.3f} s")
    assert {answer.split(b"\r\n")[0] for answer in answers} == {b"HTTP/1.1 408 Request Timeout"}
    assert took < 30
    assert rise < RISE_MB
    assert worst < 5


def test_a_head_without_end_is_refused(limited: Winnow) -> None:
    for line in (b"GET /" + b"a" * 400_000, b"GET / HTTP/1.1\r\n" + b"X-A: bbbbbbbb\r\n" * 40_000):
        with raw(limited) as connection:
            try:
                connection.sendall(line)
            except OSError:
                continue  # it was refused before we had said all
            answer = answer_of(connection)
        assert not answer or answer.startswith(b"HTTP/1.1 4"), answer[:100]


def test_trailers_behind_a_body_are_not_kept(limited: Winnow, key: str) -> None:
    with raw(limited) as connection:
        connection.sendall(post("/v1/score", "Transfer-Encoding: chunked", key=key))
        connection.sendall(b"2\r\n{}\r\n0\r\nX-Admin: yes\r\n\r\n")
        connection.settimeout(10)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 422 ")


def test_many_requests_in_one_breath_are_answered_or_cut_off(limited: Winnow) -> None:
    """Pipelined requests wait in memory: a few may, thousands may not."""
    with raw(limited) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 5)
        connection.settimeout(10)
        said = b""
        while said.count(b"HTTP/1.1 200 ") < 5:
            said += connection.recv(65_536)
    pid = web_pid(limited)
    before = rss_mb(pid)
    with raw(limited) as connection:
        with suppress(OSError):
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 5000)
        assert answer_of(connection).count(b"HTTP/1.1 200 ") < 100
    assert rss_mb(pid) - before < RISE_MB


def test_an_idle_connection_is_closed_without_a_word(limited: Winnow) -> None:
    """Browsers open connections in advance: what is said on one would answer the next request."""
    with raw(limited) as connection:
        assert answer_of(connection) == b""


def test_no_client_takes_all_places(limited: Winnow, key: str, somewhere: str) -> None:
    """Of 40 places one network gets 20; all others, and the probes, are served meanwhile."""
    headers = (f"X-Forwarded-For: {somewhere}", "Content-Length: 500")
    with ExitStack() as stack:
        held = [stack.enter_context(raw(limited)) for _ in range(24)]
        for connection in held:
            connection.sendall(post("/v1/score", *headers, key=key))
        # None of our own requests may come between: it would take a place, and give it back.
        until(lambda: len(select.select(held, [], [], 0)[0]) >= 4)
        answer = limited.ask("GET", "/v1/queues", key, headers={"X-Forwarded-For": somewhere})
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert 2 <= int(answer.headers["retry-after"]) <= 3
        assert limited.ask("GET", "/v1/queues", key).status_code == 200
        for probe in ("/livez", "/readyz"):
            assert (
                limited.http.get(probe, headers={"X-Forwarded-For": somewhere}).status_code == 200
            )
    until(lambda: limited.ask("GET", "/v1/queues", key, headers={"X-Forwarded-For": somewhere})
          .status_code == 200, 15)  # fmt: skip


def test_streams_have_places_of_their_own_and_end_after_their_time(
    limited: Winnow, key: str, somewhere: str
) -> None:
    """Of 8 places for streams one network gets 4; each ends after the two seconds set here."""
    asked = (
        "GET /v1/events HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {key}\r\nX-Forwarded-For: {somewhere}\r\n\r\n"
    ).encode()
    began = time.monotonic()
    with ExitStack() as stack:
        streams = []
        for _ in range(4):
            streams.append(stack.enter_context(raw(limited)))
            streams[-1].sendall(asked)
            assert streams[-1].recv(4096).startswith(b"HTTP/1.1 200 ")
        with raw(limited) as more:
            more.sendall(asked)
            more.settimeout(10)
            fifth = more.recv(4096)
        if time.monotonic() - began < 1.5:
            assert fifth.startswith(b"HTTP/1.1 503 ")
        assert limited.ask("GET", "/v1/queues", key).status_code == 200
        for stream in streams:
            said = b""
            while b"0\r\n\r\n" not in said and (part := stream.recv(65_536)):
                said += part
            assert said.endswith(b"0\r\n\r\n"), "the stream ends as a whole, not cut off"
    assert 1.8 < time.monotonic() - began < 20


def test_beyond_its_connections_a_process_says_so_and_hangs_up(
    launch_winnow: object, limited: Winnow
) -> None:
    """900 connections; a proxy may have them all."""
    with ExitStack() as stack:
        held: list[socket.socket] = []
        answer = b""
        for _ in range(920):
            held.append(stack.enter_context(raw(limited)))
        for connection in held[-25:]:
            connection.settimeout(0.5)
            try:
                answer = answer or connection.recv(4096)
            except TimeoutError:
                continue
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: " in answer
    until(lambda: limited.http.get("/livez").status_code == 200, 20)
