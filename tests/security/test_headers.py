"""Requirements on headers: what every answer carries, and that no caller writes one of them."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from html.parser import HTMLParser
from urllib.parse import quote, urlsplit

import httpx
import pytest

from tests.conftest import ORIGIN, PAGE, Site, Winnow, comment
from tests.security.routes import Route, declared, doors, everything, pages
from tests.security.sockets import answer_of, raw

BASE = "https://comments.example"
INJECTED = "X-Injected"
LINE_BREAKS = (
    "\r\nX-Injected: yes", "\nX-Injected: yes", "\rX-Injected: yes", "%0d%0aX-Injected: yes",
    "%0aX-Injected:%20yes", "\u560a\u560dX-Injected: yes", "\u2028X-Injected: yes",
    "\u0085X-Injected: yes", "\x0bX-Injected: yes", "%E5%98%8A%E5%98%8DX-Injected: yes",
    "\r\n\r\n<script>alert(1)</script>", "%250d%250aX-Injected: yes",
)  # fmt: skip
"""Ways to end a header and begin another (HTTP response splitting, CWE-113)."""


@pytest.fixture(scope="module")
def secure(launch_winnow: Callable[..., Winnow]) -> Winnow:
    """An installation the world reaches by https."""
    return behind_https(launch_winnow)


def behind_https(launch: Callable[..., Winnow], **environ: str) -> Winnow:
    """A service whose own address is another than the one it is asked at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = launch(WINNOW_BASE_URL=BASE, WINNOW_WEB_PROCESSES="1", WINNOW_PORT=str(port), **environ)
    made.http.close()
    made.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20)
    return made


def every_get() -> list[Route]:
    """Every GET there is."""
    return sorted(route for route in everything() if route.method == "GET")


def check_headers(route: Route, answer: httpx.Response, *, personal: bool) -> None:
    headers, where = answer.headers, f"{route.method} {route.path} -> {answer.status_code}"
    assert headers["x-content-type-options"] == "nosniff", where
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy, where
    assert "unsafe" not in policy, where
    assert "nonce-" not in policy, f"{where}: nothing is inline, so nothing needs a nonce"
    assert headers["cross-origin-resource-policy"] in ("same-origin", "cross-origin"), where
    assert headers["referrer-policy"], where
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", headers["x-request-id"]), where
    assert headers.get_list("content-security-policy") == [policy], where
    if "text/html" in headers.get("content-type", ""):
        assert "frame-ancestors 'none'" in policy, where
        assert "require-trusted-types-for 'script'" in policy, where
        assert headers["cache-control"] == "no-store", where
    if personal:
        kept = headers["cache-control"]
        assert "no-store" in kept or "no-cache" in kept or "private" in kept, where
    assert "server" not in headers, where


def test_every_answer_carries_the_security_headers(winnow: Winnow, site: Site) -> None:
    """Every operation of the document, every page, door and file, as it is and as it refuses."""
    names = {"comment_id": site.submitted()["id"]}
    for route in [*every_get(), *declared()]:
        if (route.path, route.method) in (("/v1/events", "GET"), ("/v1/sites/{site}", "DELETE")):
            continue
        for key in (winnow.admin_key, ""):
            answer = winnow.ask(route.method, route.at(site.id, **names), key)
            check_headers(route, answer, personal=bool(key) and route.scope != "")
    for path in ("/nothing", "/v1/nothing", "/console/static/nothing.js", "//", "/%00"):
        check_headers(Route(path, "GET"), winnow.http.get(path), personal=False)
    assert len(every_get()) > 60


class Outside(HTMLParser):
    """Asserts that a page's tags hold neither code nor styles; its words may speak of both."""

    def __init__(self, route: str) -> None:
        super().__init__()
        self.route = route

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        where, found = f"{self.route}: {tag}", dict(attrs)
        assert tag != "style", where
        assert tag != "script" or found.get("src"), where
        assert not [name for name in found if name == "style" or name.startswith("on")], where
        assert not [v for v in found.values() if (v or "").strip().startswith("javascript:")], where


def test_a_page_has_nothing_inline(winnow: Winnow, site: Site) -> None:
    """So the policy needs no nonce, and no injected script would run."""
    receipt = urlsplit(site.submitted()["receipt"]).path
    for route in [r.path for r in pages("GET") if "{" not in r.path] + [receipt]:
        text = winnow.http.get(route).text
        if text.startswith("<!doctype html>"):
            Outside(route).feed(text)


def test_https_is_for_ever_where_there_is_https_and_nowhere_else(
    secure: Winnow, winnow: Winnow
) -> None:
    for path in ("/livez", "/console", "/v1/queues", "/docs"):
        told = secure.http.get(path).headers["strict-transport-security"]
        assert int(re.search(r"max-age=(\d+)", told)[1]) >= 31_536_000  # type: ignore[index]
        assert "strict-transport-security" not in winnow.http.get(path).headers


def test_the_session_cookie_is_bound_to_the_host_and_to_https(secure: Winnow) -> None:
    person = {"name": "A", "email": "a@x.example", "role": "admin", "sites": []}
    link = secure.admin("POST", "/v1/moderators", json=person).json()["sign_in"]
    token = {"token": link.partition("token=")[2]}
    answer = secure.http.post(
        "/console/sign-in", data=token, headers={"Sec-Fetch-Site": "same-origin"}
    )
    parts = [part.strip().lower() for part in answer.headers["set-cookie"].split(";")]
    assert parts[0].startswith("__host-winnow=")
    assert {"secure", "httponly", "samesite=strict", "path=/"} <= set(parts)
    assert not any(part.startswith("domain") for part in parts)
    assert "max-age=43200" in parts


def test_no_link_is_made_of_the_host_that_was_asked_for(winnow: Winnow, site: Site) -> None:
    """Behind a cache or in a mail, it would lead to whoever sent the request."""
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    for path in ("/v1/queues", "/console", "/docs", "/openapi.json", "/v1/sites", "/embed.js"):
        answer = winnow.admin("GET", path, headers=evil)
        assert "evil.example" not in answer.text + str(answer.headers)
    assert "evil.example" not in site.submit(headers=evil).text


def test_an_installation_that_names_its_hosts_answers_to_no_other(
    launch_winnow: Callable[..., Winnow],
) -> None:
    own = behind_https(launch_winnow, WINNOW_HOSTS="Other.example,third.example:8443")
    assert own.http.get("/docs").status_code == 421
    assert own.http.get("/livez").status_code == 200, "probes ask by address"
    for host, status in {
        "comments.example": 200, "OTHER.example": 200, "third.example:8443": 200,
        "third.example": 421, "evil.example": 421, "comments.example.evil.example": 421, "": 421,
    }.items():  # fmt: skip
        answer = own.http.get("/docs", headers={"Host": host})
        assert answer.status_code == status, host
    problem = own.http.get("/v1/queues", headers={"Host": "evil.example"}).json()
    assert problem["code"] == "misdirected"
    own.stop()


def test_a_foreign_page_may_ask_the_api_and_nothing_else(winnow: Winnow) -> None:
    for route in every_get():
        answer = winnow.http.get(route.at("demo"), headers={"Origin": "https://evil.example"})
        open_ = route.path.startswith(("/v1/", "/v1alpha1/", "/embed"))
        allowed = answer.headers.get("access-control-allow-origin")
        if not open_ and route.path not in doors() and not route.path.startswith("/docs"):
            assert allowed is None, route
        assert "access-control-allow-credentials" not in answer.headers, route


# ---------------------------------------------------------------------- line breaks


def head_of(winnow: Winnow, request: bytes) -> bytes:
    """The head of the answer to a request as it is."""
    with raw(winnow, timeout_s=15) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return answer_of(connection).partition(b"\r\n\r\n")[0]


@pytest.mark.parametrize("number", range(len(LINE_BREAKS)))
def test_nobody_writes_a_header_by_what_they_send(winnow: Winnow, site: Site, number: int) -> None:
    """Landing pages, Location, Link, file names, echoed ids: a line break stays text or is
    refused."""
    text = LINE_BREAKS[number]
    fields = {"key": site.publishable, "name": f"N{text}", "page": f"{PAGE}{text}"}
    answers = [
        winnow.http.post(
            "/v1/comments",
            data=comment(**fields) | {"body": f"form {number}"},
            headers={"Origin": ORIGIN},
            follow_redirects=False,
        ),
        site.submit(page=f"{PAGE}{text}", body=f"json {number}"),
        site.ask("GET", "/v1/queues/pending", params={"page": f"{PAGE}{text}", "limit": "1"}),
        site.ask("GET", "/v1/pages/comments", params={"page": f"{PAGE}{text}", "limit": "1"}),
        winnow.admin("GET", f"/v1/sites/{site.id}{quote(text)}/export"),
        winnow.admin("POST", "/v1/sites", json={"id": f"x{text}", "origins": []}),
        winnow.http.get("/r/" + quote(text, safe="")),
        winnow.http.get("/console/sign-in", params={"token": text}),
        winnow.http.get("/console", params={"site": text, "done": text}),
        winnow.http.get("/demo", params={"after": text, "reply": text}),
    ]
    for answer in answers:
        assert answer.status_code < 500, (answer.request.url, answer.status_code)
        assert INJECTED.lower() not in answer.headers, answer.request.url
        for name, value in answer.headers.raw:
            assert not re.search(rb"[\r\n\0]", name + value)
    escaped = text.encode("utf-8")
    head = head_of(
        winnow, b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Request-Id: a" + escaped + b"\r\n\r\n"
    )
    assert b"x-injected" not in head.lower()
