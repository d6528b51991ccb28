"""Requirements of Akismet's door: clients as people have them work with nothing but an address.

The PyPI package `akismet` runs unmodified; its documented way to another server is a custom
`http_client`. The others' requests are emulated byte for byte from their sources (compat.md).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import akismet
import httpx
import pytest

from tests.compat.akismet_wire import BLOG, HAM, PLAIN, SPAM, THANKS, say
from tests.conftest import ROOT, Site, Winnow


class Redirected(httpx.HTTPTransport):
    """Sends what is meant for rest.akismet.com to Winnow, as an entry in /etc/hosts would."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.to = urlsplit(url)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        to = {"scheme": "http", "host": self.to.hostname, "port": self.to.port}
        request.url = request.url.copy_with(**to)
        return super().handle_request(request)


class AsyncRedirected(httpx.AsyncHTTPTransport):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.to = urlsplit(url)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        to = {"scheme": "http", "host": self.to.hostname, "port": self.to.port}
        request.url = request.url.copy_with(**to)
        return await super().handle_async_request(request)


# ------------------------------------------------------------------------ PyPI: akismet


@pytest.fixture
def key(site: Site) -> str:
    return site.key("compat")


@pytest.fixture
def connect(winnow: Winnow) -> Iterator[Callable[..., akismet.SyncClient]]:
    """Makes clients whose requests end at Winnow."""
    opened: list[httpx.Client] = []

    def connect(key: str, *, validated: bool = True, **more: Any) -> akismet.SyncClient:
        opened.append(httpx.Client(transport=Redirected(winnow.url), timeout=1.0, **more))
        made = akismet.SyncClient.validated_client if validated else akismet.SyncClient
        return made(akismet.Config(key, BLOG), http_client=opened[-1])

    yield connect
    for http in opened:
        http.close()


Connect = Callable[..., akismet.SyncClient]


def test_pypi_akismet_works_unmodified(connect: Connect, key: str) -> None:
    client = connect(key)
    assert client.verify_key()
    assert not client.verify_key(key="000000000000", url=BLOG)
    said = {"comment_author": "A reader", "comment_type": "comment", "is_test": True}
    assert client.comment_check("203.0.113.9", comment_content=HAM) == akismet.CheckResponse.HAM
    sure = client.comment_check("203.0.113.9", comment_content=SPAM, **said)
    assert sure == akismet.CheckResponse.DISCARD
    assert client.comment_check("::1", comment_author="viagra-test-123") == (
        akismet.CheckResponse.SPAM
    )
    assert client.submit_spam("203.0.113.9", comment_content="Missed pills")
    assert client.submit_ham("203.0.113.9", comment_content=HAM)
    used = client.usage_limit()
    assert (used["limit"], used["usage"], used["percentage"], used["throttled"]) == (
        "none",
        2,
        "0.00",
        False,
    )


def test_pypi_akismet_lists_sites_once_its_queries_carry_the_key(
    connect: Connect, key: str
) -> None:
    """Its `key_sites` sends no key at all (25.10); a custom client's `params` adds one."""
    with pytest.raises(akismet.APIKeyError):
        connect(key).key_sites()
    client = connect(key, params={"api_key": key})
    client.comment_check("203.0.113.9", comment_content=HAM)
    told = client.key_sites(limit=10)
    (month,) = (name for name in told if name[:2] == "20")
    assert told[month] == [
        {
            "site": "blog.example",
            "api_calls": "1",
            "spam": "0",
            "ham": "1",
            "missed_spam": "0",
            "false_positives": "0",
            "is_revoked": False,
        }
    ]
    assert (told["limit"], told["offset"], told["total"]) == (10, 0, 1)
    lines = client.key_sites(result_format="csv", month=month).split("\n")
    assert lines == [
        f"Active sites for {key} during {month} (limit:500, offset: 0, total: 1)",
        "Site,Total API Calls,Spam,Ham,Missed Spam,False Positives,Is Revoked",
        "blog.example,1,0,1,0,0,false",
    ]


def test_pypi_akismet_says_a_wrong_key_is_wrong(connect: Connect) -> None:
    with pytest.raises(akismet.APIKeyError):
        connect("000000000000")
    unchecked = connect("000000000000", validated=False)
    for call in (unchecked.comment_check, unchecked.submit_spam, unchecked.submit_ham):
        with pytest.raises(akismet.APIKeyError):
            call("203.0.113.9", comment_content=HAM)
    with pytest.raises(akismet.APIKeyError):
        unchecked.usage_limit()


async def test_pypi_akismet_works_asynchronously(winnow: Winnow, key: str) -> None:
    http = httpx.AsyncClient(transport=AsyncRedirected(winnow.url), timeout=1.0)
    config = akismet.Config(key, BLOG)
    client = await akismet.AsyncClient.validated_client(config, http_client=http)
    checks = await asyncio.gather(
        *(client.comment_check("203.0.113.9", comment_content=text) for text in (HAM, SPAM))
    )
    assert checks == [akismet.CheckResponse.HAM, akismet.CheckResponse.DISCARD]
    assert await client.submit_spam("203.0.113.9", comment_content=SPAM)
    assert await client.submit_ham("203.0.113.9", comment_content=HAM)
    assert (await client.usage_limit())["usage"] == 2
    await http.aclose()


def test_the_guides_python_works_as_it_stands_there(winnow: Winnow, key: str) -> None:
    guide = (ROOT / "docs/guides/migrate/akismet.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    made: dict[str, Any] = {"KEY": key}
    exec(block.replace("https://winnow.example", winnow.url), made)
    assert made["client"].comment_check("::1", comment_content=SPAM) == 2
    assert made["client"].key_sites()["total"] == 1
    made["http"].close()


# --------------------------------------------------------------------------- emulated


def form(**fields: Any) -> bytes:
    return urlencode(fields).encode()


def post(path: str, body: bytes, *, version: str = "1.1", **headers: str) -> bytes:
    """A request as bytes."""
    given = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Content-Length": str(len(body)),
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    rows = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"POST {path} HTTP/{version}\r\n{rows}\r\n".encode() + body


def test_wordpress_over_http_1_0(winnow: Winnow, key: str) -> None:
    """The plugin (5.3): HTTP/1.0 with a Host of its own, everything of the form and the server."""
    headers = {
        "Host": "rest.akismet.com",
        "User_Agent": "WordPress/6.5 | Akismet/5.3.2",
        "Content_Type": "application/x-www-form-urlencoded; charset=UTF-8",
    }
    verify = say(
        winnow,
        post("/1.1/verify-key", form(api_key=key, key=key, blog=BLOG), version="1.0", **headers),
    )
    assert (verify.line.split()[1], verify.body) == ("200", b"valid")
    assert "transfer-encoding" not in verify.headers
    comment = PLAIN | {
        "api_key": key,
        "comment_content": SPAM,
        "blog_charset": "UTF-8",
        "blog_lang": "en_US",
        "comment_date_gmt": "2026-01-01 00:00:00",
        "comment_post_modified_gmt": "2026-01-01 00:00:00",
        "comment_context[0]": "News",
        "comment_context[1]": "Charts",
        "comment_parent": "0",
        "user_ID": "0",
        "is_test": "0",
        "akismet_comment_nonce": "inactive",
        "POST_comment": SPAM,
        "POST_submit": "Post Comment",
        "REMOTE_ADDR": "203.0.113.9",
        "REQUEST_URI": "/wp-comments-post.php",
        "HTTP_ACCEPT": "text/html",
        "callback": f"{BLOG}/wp-json/akismet/v1/webhook",
    }
    checked = say(winnow, post("/1.1/comment-check", form(**comment), version="1.0", **headers))
    assert (checked.line.split()[1], checked.body) == ("200", b"true")
    assert checked.headers["content-length"] == "4"
    assert checked.headers["x-akismet-pro-tip"] == "discard"
    assert "x-akismet-debug-help" not in checked.headers
    for path in ("/1.1/token", "/1.1/deactivate", "/1.1/get-stats", "/1.1/get-subscription"):
        asked = form(api_key=key, key=key, blog=BLOG, **{"from": "60-days"})
        told = say(winnow, post(path, asked, version="1.0", **headers))
        assert told.line.split()[1] == "200", path
        assert told.body not in (b"", b"invalid"), path
        assert say(winnow, post(path, form(key="x"), version="1.0")).body == b"invalid"


def test_discourse_with_the_key_in_the_host(winnow: Winnow, key: str) -> None:
    """discourse-akismet: sub-domain, `content_type`; any status but 200 raises."""
    about = {
        "blog": "https://forum.example",
        "content_type": "forum-post",
        "referrer": "https://forum.example/t/1",
        "permalink": "https://forum.example/t/1/2",
        "comment_author": "A reader",
        "comment_author_email": "reader@example.org",
        "comment_content": SPAM,
        "user_ip": "203.0.113.9",
        "user_agent": "Mozilla/5.0",
    }
    for path, said in (
        ("/1.1/comment-check", b"true"),
        ("/1.1/submit-ham", THANKS.encode()),
        ("/1.1/submit-spam", THANKS.encode()),
    ):
        told = say(winnow, post(path, form(**about), Host=f"{key}.rest.akismet.com"))
        assert (told.line.split()[1], told.body) == ("200", said)
        assert not any(n in told.headers for n in ("x-akismet-error", "x-akismet-alert-code"))


def test_flarum_artalk_and_waline_with_upper_case_and_ports_in_the_host(
    winnow: Winnow, key: str
) -> None:
    about = {
        "blog": BLOG,
        "user_ip": "203.0.113.9",
        "comment_author": "A reader",
        "comment_content": HAM,
    }
    for host in (f"{key}.rest.akismet.com", f"{key.upper()}.Rest.Akismet.com:80", f"{key}.x"):
        told = say(winnow, post("/1.1/comment-check", form(**about), Host=host))
        assert told.body == b"false", host
    other = say(winnow, post("/1.1/comment-check", form(**about), Host="rest.akismet.com"))
    assert other.body == b"invalid"


def test_nodebb_verifies_with_api_key_and_leaves_out_what_it_likes(
    winnow: Winnow, key: str
) -> None:
    verify = say(
        winnow, post("/1.1/verify-key", form(api_key=key, blog=BLOG), Host="rest.akismet.com")
    )
    assert verify.body == b"valid"
    about = form(api_key=key, blog=BLOG, user_ip="::1", comment_content=HAM, referrer="")
    assert say(winnow, post("/1.1/comment-check", about, Host="x")).body == b"false"


def test_coral_submits_json_without_a_blog(winnow: Winnow, key: str) -> None:
    body = (
        b'{"user_ip": "", "referrer": "https://news.example/a", "user_agent": "Mozilla/5.0", '
        b'"comment_content": "<div>Buy pills</div>", "permalink": "https://news.example/a", '
        b'"comment_author": "bob", "comment_type": "comment", "is_test": false}'
    )
    host = f"{key}.rest.akismet.com"
    for path in ("/1.1/submit-spam", "/1.1/submit-ham"):
        told = say(winnow, post(path, body, Host=host, Content_Type="application/json"))
        assert (told.line.split()[1], told.body) == ("200", THANKS.encode())


def test_a_plain_proxy_s_absolute_target(winnow: Winnow, key: str) -> None:
    """pykismet3 with HTTP_PROXY."""
    host = f"{key}.rest.akismet.com"
    about = form(blog=BLOG, user_ip="203.0.113.9", comment_content=HAM)
    told = say(winnow, post(f"http://{host}/1.1/comment-check", about, Host=host))
    assert (told.line.split()[1], told.body) == ("200", b"false")


def test_cedx_and_the_php_sdk_send_the_key_beside_verify_key(winnow: Winnow, key: str) -> None:
    """@cedx/akismet throws on `X-akismet-debug-help` or an alert in any answer but `invalid`."""
    body = form(api_key=key, key=key, blog=BLOG)
    good = say(winnow, post("/1.1/verify-key", body, Host="rest.akismet.com"))
    assert good.body == b"valid"
    assert not any("debug" in name or "alert" in name for name in good.headers)
    bad = say(winnow, post("/1.1/verify-key", form(key="0" * 12, blog=BLOG), Host="a"))
    assert (bad.line.split()[1], bad.body) == ("200", b"invalid")
    assert bad.headers["x-akismet-debug-help"]


def test_rakismet_s_form(winnow: Winnow, key: str) -> None:
    """Rakismet joins escaped pairs itself, and sends empty ones."""
    pairs = {"blog": BLOG, "comment_content": SPAM, "referrer": "", "user_ip": "203.0.113.9"}
    body = "&".join(f"{name}={quote_plus(text)}" for name, text in pairs.items()).encode()
    host = f"{key}.rest.akismet.com"
    assert say(winnow, post("/1.1/comment-check", body, Host=host)).body == b"true"
