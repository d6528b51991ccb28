"""Requirements of the published thread: paging, ETag, Atom, and nothing in it to hide."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest

from service.api.kept import BESIDE, LARGEST, Kept, Sent
from tests.conftest import ORIGIN, PAGE, Site, Winnow, until

THREAD = "/v1/pages/comments"
ATOM = {"a": "http://www.w3.org/2005/Atom"}


def thread(site: Site, key: str = "", headers: Any = None, **params: Any) -> httpx.Response:
    return site.ask("GET", THREAD, key, params={"page": PAGE} | params, headers=headers or {})


def test_a_thread_shows_the_approved_comments_oldest_first(plain_site: Site) -> None:
    plain_site.policy(block=[{"text": "held"}, {"text": "junk", "outcome": "spam"}])
    made = [plain_site.submitted(body=f"Point {i}")["id"] for i in range(3)]
    plain_site.submitted(body="held")
    plain_site.submitted(body="junk")
    plain_site.submitted(body="elsewhere", page=PAGE + "/2")
    plain_site.submitted(body="a test", test=True)
    answer = thread(plain_site, plain_site.publishable, {"Origin": ORIGIN})
    assert answer.status_code == 200
    body = answer.json()
    assert [item["id"] for item in body["items"]] == made
    assert body["next"] is None
    for item in body["items"]:
        assert set(item) == {"id", "name", "url", "body", "created_at", "edited_at", "parent"}


def test_a_reply_names_its_parent(plain_site: Site) -> None:
    parent = plain_site.submitted()["id"]
    reply = plain_site.submitted(parent=parent, body="Yes.")["id"]
    items = {item["id"]: item["parent"] for item in thread(plain_site).json()["items"]}
    assert items == {parent: None, reply: parent}


def test_a_thread_is_walked_by_cursor_and_link(plain_site: Site) -> None:
    made = [plain_site.submitted(body=f"Point {i}")["id"] for i in range(7)]
    seen: list[str] = []
    answer = thread(plain_site, limit=3)
    while True:
        seen += [item["id"] for item in answer.json()["items"]]
        if answer.json()["next"] is None:
            assert "link" not in answer.headers
            break
        link = answer.headers["link"]
        assert link.endswith('>; rel="next"')
        answer = plain_site.ask("GET", link[1:].partition(">")[0])
    assert seen == made


def test_the_etag_changes_with_the_thread_and_only_then(plain_site: Site) -> None:
    plain_site.policy(block=[{"text": "held"}])
    made = plain_site.submitted()
    first = thread(plain_site)
    assert first.headers["cache-control"]
    unchanged = {"If-None-Match": first.headers["etag"]}
    assert thread(plain_site, headers=unchanged).status_code == 304
    plain_site.submitted(body="held")
    assert thread(plain_site, headers=unchanged).status_code == 304
    for change in (
        lambda: plain_site.submitted(body="Another."),
        lambda: plain_site.ask("PATCH", f"/v1/comments/{made['id']}", json={"body": "New."}),
        lambda: plain_site.decide(made["id"], "reject", 2),
        lambda: plain_site.ask("POST", f"/v1/comments/{made['id']}/undo", json={"version": 3}),
    ):
        before = thread(plain_site).headers["etag"]
        change()
        after = thread(plain_site, headers={"If-None-Match": before})
        assert after.status_code == 200
        assert after.headers["etag"] != before


def test_an_edit_and_a_refusal_show_at_once(plain_site: Site) -> None:
    made = plain_site.submitted()
    plain_site.ask("PATCH", f"/v1/comments/{made['id']}", json={"body": "A better text."})
    (item,) = thread(plain_site).json()["items"]
    assert item["body"] == "A better text."
    assert item["edited_at"] is not None
    plain_site.decide(made["id"], "spam", 2)
    assert thread(plain_site).json()["items"] == []


def test_a_thread_is_also_an_atom_feed(plain_site: Site) -> None:
    body = '<b>& "quoted"</b>\ufffe!'
    made = plain_site.submitted(body=body, page_title="Title & more")
    answer = thread(plain_site, headers={"Accept": "application/atom+xml"})
    assert answer.headers["content-type"].startswith("application/atom+xml")
    feed = ET.fromstring(answer.content)
    assert feed.findtext("a:title", namespaces=ATOM) == "Title & more"
    assert feed.findtext("a:id", namespaces=ATOM)
    assert feed.findtext("a:updated", namespaces=ATOM)
    (entry,) = feed.findall("a:entry", ATOM)
    assert entry.findtext("a:id", namespaces=ATOM) == f"urn:winnow:{made['id']}"
    assert entry.findtext("a:author/a:name", namespaces=ATOM) == "A reader"
    assert entry.findtext("a:content", namespaces=ATOM) == body.replace("\ufffe", "")
    assert answer.headers["etag"] != thread(plain_site).headers["etag"]


def test_a_foreign_page_may_not_read_with_a_publishable_key(plain_site: Site) -> None:
    answer = thread(plain_site, plain_site.publishable, {"Origin": "https://evil.example"})
    assert answer.status_code == 403


def test_a_page_tells_how_many_are_published(plain_site: Site) -> None:
    made = plain_site.submitted(page_title="A title")
    answer = plain_site.ask("GET", "/v1/pages", params={"url": PAGE + "#comments"})
    assert answer.json() == {
        "site": plain_site.id, "url": PAGE, "title": "A title", "approved": 1,
        "first_at": made["created_at"], "closed": False,
    }  # fmt: skip
    unknown = plain_site.ask("GET", "/v1/pages", params={"url": PAGE + "/none"}).json()
    assert (unknown["approved"], unknown["first_at"]) == (0, None)


# ------------------------------------------------------------------------ PII canary

EMAIL, IP = "canary.person@secret-mail.example", "203.0.113.77"
AGENT = "CanaryAgent/7.7"


@pytest.fixture
def canary(plain_site: Site) -> dict[str, Any]:
    """A published comment whose author must not be found out."""
    return plain_site.submitted(email=EMAIL, ip=IP, user_agent=AGENT, name="Public Name")


def test_no_answer_to_the_public_holds_an_address_hash_ip_or_score(
    plain_site: Site, canary: dict[str, Any]
) -> None:
    (item,) = plain_site.ask("GET", "/v1/queues/approved").json()["items"]
    winnow, key, origin = plain_site.winnow, plain_site.publishable, {"Origin": ORIGIN}
    token = canary["receipt"].rpartition("/r/")[2]
    atom = origin | {"Accept": "application/atom+xml"}
    seen = {
        "thread": thread(plain_site, key, origin),
        "feed": thread(plain_site, key, atom),
        "page": plain_site.ask("GET", "/v1/pages", key, params={"url": PAGE}, headers=origin),
        "receipt": winnow.ask("GET", f"/v1/receipts/{token}"),
        "submit": plain_site.submit(key=key, headers=origin, email=EMAIL),
        "refused": plain_site.submit(key=key, headers=origin, email=EMAIL, name=""),
        "metrics": winnow.ask("GET", "/metrics"),
        "ready": winnow.ask("GET", "/readyz"),
    }
    assert "Public Name" in seen["thread"].text  # the canary is where it would be seen
    hidden = [EMAIL, "canary.person", "secret-mail", IP, AGENT, item["author"]["id"]]
    for name, answer in seen.items():
        raw = answer.text + str(dict(answer.headers))
        assert [word for word in hidden if word in raw] == [], name
    for name in ("thread", "page", "receipt", "submit"):
        assert not {"score", "scores", "verdict", "reasons"} & _keys(seen[name].json()), name


def test_no_answer_but_the_export_holds_a_whole_address_or_an_ip(
    plain_site: Site, canary: dict[str, Any]
) -> None:
    site, comment = f"/v1/sites/{plain_site.id}", f"/v1/comments/{canary['id']}"
    plain_site.decide(canary["id"], "spam", 1)
    plain_site.ask("PUT", f"{site}/bans/{EMAIL}")
    for path in (
        comment, f"{comment}/history", "/v1/queues", "/v1/queues/spam", f"{site}/bans",
        "/v1/queues/spam?author=" + EMAIL, site, f"{site}/policy", "/v1/sites",
    ):  # fmt: skip
        answer = plain_site.ask("GET", path)
        assert answer.status_code == 200, path
        assert "canary.person" not in answer.text, path
        assert IP not in answer.text, path


def _keys(value: Any) -> set[str]:
    """Every key anywhere in a JSON value."""
    if isinstance(value, dict):
        return set(value) | {k for v in value.values() for k in _keys(v)}
    if isinstance(value, list):
        return {k for v in value for k in _keys(v)}
    assert json.dumps(value)
    return set()


@pytest.mark.parametrize("limit", ["00000000010050000", "1" * 13, "501", "0"])
def test_no_spelling_of_a_number_gets_past_the_limit(site: Site, limit: str) -> None:
    answer = site.ask("GET", "/v1/pages/comments", params={"page": PAGE, "limit": limit})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/limit"


def test_the_atom_feed_begins_with_the_newest_comment(plain_site: Site) -> None:
    for number in range(3):
        plain_site.submitted(body=f"Comment {number}.")
    answer = plain_site.ask(
        "GET",
        "/v1/pages/comments",
        params={"page": PAGE, "limit": 2},
        headers={"Accept": "application/atom+xml"},
    )
    assert "Comment 2." in answer.text
    assert "Comment 1." in answer.text
    assert "Comment 0." not in answer.text


def test_a_visitor_cannot_name_a_page(plain_site: Site) -> None:
    """Titles are published unseen by any check, so only the website's server may set them."""
    headers = {"Origin": ORIGIN}
    plain_site.submit(key=plain_site.publishable, headers=headers, page_title="BUY PILLS")
    ask = {"url": PAGE}
    assert plain_site.ask("GET", "/v1/pages", params=ask).json()["title"] == ""
    plain_site.submitted(body="From the server.", page_title="The bridge")
    assert plain_site.ask("GET", "/v1/pages", params=ask).json()["title"] == "The bridge"


def test_a_thread_may_begin_with_the_newest_and_tells_its_size(plain_site: Site) -> None:
    made = [plain_site.submitted(body=f"Point {i}")["id"] for i in range(5)]
    first = thread(plain_site, order="newest", limit=3)
    assert [item["id"] for item in first.json()["items"]] == made[:1:-1]
    assert (first.json()["total"], first.json()["closed"]) == (5, False)
    rest = plain_site.ask("GET", first.headers["link"][1:].partition(">")[0])
    assert [item["id"] for item in rest.json()["items"]] == made[1::-1]
    assert thread(plain_site).headers["etag"] != first.headers["etag"]
    assert thread(plain_site, order="best").status_code == 422


def test_a_thread_tells_that_its_page_is_closed_even_to_who_knows_it(plain_site: Site) -> None:
    plain_site.submitted(created_at="2020-01-01T00:00:00Z")
    tag = thread(plain_site).headers["etag"]
    plain_site.policy(closing={"days": 30})
    answer = thread(plain_site, headers={"If-None-Match": tag})
    assert answer.json()["closed"] is True


def test_an_answer_sent_again_is_the_same_whole_answer(plain_site: Site) -> None:
    for i in range(4):
        plain_site.submitted(body=f"Point {i}")
    first = thread(plain_site, limit=3)
    again = [thread(plain_site, limit=3) for _ in range(4)]
    for answer in again:
        assert answer.content == first.content
        for name in ("etag", "link", "cache-control", "vary", "content-type"):
            assert answer.headers[name] == first.headers[name]
    assert len(thread(plain_site, limit=2).json()["items"]) == 2


def test_a_site_made_anew_under_its_old_name_shows_nothing_of_the_old(winnow: Winnow) -> None:
    """Its pages begin with the same revisions again."""
    old = winnow.site(plain=True)
    old.submitted(body="Said on the old site")
    for _ in range(4):  # each process has answered
        assert len(thread(old).json()["items"]) == 1
    assert winnow.admin("DELETE", f"/v1/sites/{old.id}").status_code in (202, 204)
    until(lambda: winnow.admin("GET", f"/v1/sites/{old.id}").status_code == 404)
    new = Site(winnow, old.id, (ORIGIN,))
    new.policy()
    new.submitted(body="Said on the new site")
    for _ in range(8):
        assert [item["body"] for item in thread(new).json()["items"]] == ["Said on the new site"]


def test_kept_answers_take_no_more_than_their_room() -> None:
    kept = Kept(most=3 * (300 + BESIDE))
    for i in range(10):
        kept.put(i, Sent("a", {}, bytes(300)))
    assert [i for i in range(10) if kept.get(i, "a")] == [7, 8, 9]
    kept.get(7, "a")
    kept.put(10, Sent("a", {}, bytes(300)))
    assert [i for i in (7, 8, 9, 10) if kept.get(i, "a")] == [7, 9, 10]
    assert kept.get(9, "b") is None
    assert kept.get(9, "a") is None, "an outdated answer is dropped"
    kept.put(11, Sent("a", {}, bytes(LARGEST + 1)))
    assert kept.get(11, "a") is None
