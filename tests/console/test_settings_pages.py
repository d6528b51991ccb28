"""Keys, bans and webhooks in the console."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.conftest import until


@pytest.fixture(scope="module")
def winnow(launch_winnow: Callable[..., Any]) -> Any:
    """A service that may call receivers on this machine."""
    return launch_winnow(WINNOW_OUTGOING_NETWORKS="127.0.0.0/8")


@pytest.fixture
def boss(desk: Callable[..., Any]) -> Any:
    return desk(role="admin", name="Boss")


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[str]]]:
    """A website's end: its address, and the ids of what it got."""
    got: list[str] = []

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            got.append(self.headers["webhook-id"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", got
    server.shutdown()
    server.server_close()
    thread.join()


def post(desk: Any, path: str, **fields: Any) -> httpx.Response:
    return desk.http.post(path, data={"csrf": desk.csrf()} | fields)


# ------------------------------------------------------------------------------ keys


@pytest.mark.browser
def test_a_key_is_made_shown_once_used_and_revoked(
    winnow: Any, site: Any, window: Callable[..., Any]
) -> None:
    page = window(role="admin").page
    page.get_by_role("link", name="Keys").click()
    page.get_by_label("Kind").select_option("secret")
    page.get_by_label("Label").fill("CMS <b>server</b>")
    page.get_by_role("button", name="Make key").click()
    key = page.get_by_role("textbox", name="The key").input_value()
    assert key.startswith("sk_")
    assert site.ask("GET", "/v1/queues", key).status_code == 200
    page.get_by_role("link", name="Keys").click()
    assert key not in page.content()
    row = page.get_by_role("listitem").filter(has_text="CMS <b>server</b>")
    row.get_by_text("Revoke", exact=False).first.click()
    row.get_by_role("button", name="Revoke for good").click()
    page.get_by_text("The key is revoked").wait_for()
    until(lambda: site.ask("GET", "/v1/queues", key).status_code == 401, 2)


@pytest.mark.browser
def test_a_new_key_is_copied_by_its_button(window: Callable[..., Any]) -> None:
    opened = window(role="admin")
    page = opened.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("link", name="Keys").click()
    page.get_by_role("button", name="Make key").click()
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.get_by_role("textbox", name="The key").input_value()


def test_a_key_may_have_a_last_day(site: Any, boss: Any) -> None:
    past = post(boss, "/console/keys", kind="secret", expires_at="2020-01-01")
    assert (past.status_code, "This day is over" in past.text) == (422, True)
    assert post(boss, "/console/keys", kind="secret", expires_at="soon").status_code == 422
    assert post(boss, "/console/keys", kind="admin").status_code == 422
    made = post(boss, "/console/keys", kind="secret", label="brief", expires_at="2099-12-31")
    assert made.status_code == 200
    keys = site.winnow.admin("GET", f"/v1/sites/{site.id}/keys").json()["items"]
    brief = next(key for key in keys if key["label"] == "brief")
    assert brief["expires_at"].startswith("2100-01-01T00:00")


# ------------------------------------------------------------------------------ bans


@pytest.mark.browser
def test_a_ban_counts_and_is_lifted(site: Any, plain_site: Any, window: Callable[..., Any]) -> None:
    site.policy()
    page = window().page
    page.get_by_role("link", name="Bans").click()
    page.get_by_label("Who").fill("rude@example.org")
    page.get_by_label("Why").fill("third warning")
    page.get_by_role("button", name="Ban", exact=True).click()
    page.get_by_text("It counts for the next comment").wait_for()
    assert "rude@example.org" not in page.content()
    assert site.submitted(email="rude@example.org")["status"] == "rejected"
    page.get_by_role("button", name="Lift").click()
    page.get_by_text("The ban is lifted").wait_for()
    assert site.submitted(email="rude@example.org")["status"] == "approved"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("spam.example", "domain"),
        ("203.0.113.9", "ip"),
        ("203.0.113.0/24", "cidr"),
        ("a@b.example", "address"),
    ],
)
def test_what_is_banned_is_guessed(desk: Callable[..., Any], value: str, kind: str) -> None:
    dana = desk()
    assert post(dana, "/console/bans", value=value, outcome="spam").status_code == 303
    assert f'<span class="tag">{kind}</span>' in dana.http.get("/console/bans").text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"value": "?!"}, "An address, a domain, an IP or a network"),
        ({"value": "not an ip", "kind": "ip"}, "This is not a valid ip"),
        ({"value": "a.example", "outcome": "shoot"}, "Choose one"),
        ({"value": "a.example", "reason": "x" * 201}, "At most 200 characters"),
        ({"value": "a.example", "expires_at": "2020-01-01"}, "This day is over"),
    ],
)
def test_a_wrong_ban_is_refused_at_its_field(
    desk: Callable[..., Any], fields: dict[str, str], said: str
) -> None:
    answer = post(desk(), "/console/bans", **({"outcome": "reject"} | fields))
    assert answer.status_code == 422
    assert said in answer.text


def test_many_bans_come_in_pages_and_can_be_searched(site: Any, desk: Callable[..., Any]) -> None:
    for n in range(53):
        path = f"/v1/sites/{site.id}/bans/spam-{n:02}.example"
        assert site.winnow.admin("PUT", path).status_code == 200
    dana = desk()
    page = dana.http.get("/console/bans").text
    assert "53 bans" in page
    assert page.count("/console/bans/lift") == 50
    older = dana.http.get("/console/bans", params={"start": "50"}).text
    assert older.count("/console/bans/lift") == 3
    assert "1 ban<" in dana.http.get("/console/bans", params={"q": "spam-07"}).text


# -------------------------------------------------------------------------- webhooks


@pytest.mark.browser
def test_a_webhook_is_added_gets_a_comment_and_is_sent_it_again(
    site: Any, window: Callable[..., Any], receiver: tuple[str, list[str]]
) -> None:
    url, got = receiver
    page = window(role="admin").page
    page.get_by_role("link", name="Webhooks").click()
    page.get_by_label("Address").fill(url)
    page.get_by_role("checkbox", name="comment.submitted").check()
    page.get_by_role("button", name="Add webhook").click()
    secret = page.get_by_role("textbox", name="The secret").input_value()
    assert secret.startswith("whsec_")
    site.submitted()
    until(lambda: len(got) == 1)
    page.get_by_role("link", name="Webhooks").first.click()
    page.get_by_role("link", name=url).click()
    assert secret not in page.content()
    until(lambda: "delivered" in page.locator("tbody").inner_text() or (page.reload() and False))
    page.get_by_role("button", name="Send again").click()
    page.get_by_text("The delivery is sent again").wait_for()
    until(lambda: len(got) == 2)
    assert got[0] == got[1]
    page.get_by_role("button", name="Send a test").click()
    until(lambda: len(got) == 3)


def test_a_webhook_is_paused_resumed_rotated_and_removed(
    site: Any, boss: Any, receiver: tuple[str, list[str]]
) -> None:
    made = post(boss, "/console/webhooks", url=receiver[0], events=["comment.approved"])
    assert made.status_code == 200, made.text
    name = re.search(r"/console/webhooks/([\w-]+)\"", made.text)
    assert name
    path = f"/console/webhooks/{name[1]}"
    assert post(boss, path, do="pause").status_code == 303
    assert ">paused<" in boss.http.get(path).text
    assert post(boss, path, do="test").status_code == 409
    assert post(boss, path, do="resume").status_code == 303
    secrets = [
        re.search(r"whsec_[^\"]+", text) for text in (made.text, post(boss, path, do="rotate").text)
    ]
    assert secrets[0]
    assert secrets[1]
    assert secrets[0][0] != secrets[1][0]
    assert post(boss, path, do="replay", delivery="none").status_code == 404
    assert post(boss, path, do="remove").status_code == 303
    assert boss.http.get(path).status_code == 404


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"url": "nonsense", "events": ["comment.approved"]}, 'id="wrong-url"'),
        ({"url": "http://10.0.0.1/x", "events": ["comment.approved"]}, 'id="wrong-url"'),
        ({"url": "https://a.example/hook"}, "Choose at least one"),
    ],
)
def test_a_wrong_webhook_is_refused_at_its_field(
    boss: Any, fields: dict[str, Any], said: str
) -> None:
    answer = post(boss, "/console/webhooks", **fields)
    assert answer.status_code == 422
    assert said in answer.text


def test_how_webhooks_stand_is_seen_on_the_ops_page(
    site: Any, boss: Any, receiver: tuple[str, list[str]]
) -> None:
    assert "Webhooks</strong>" not in boss.http.get("/console/ops").text
    post(boss, "/console/webhooks", url=receiver[0], events=["comment.approved"])
    assert "1 active" in boss.http.get("/console/ops").text
