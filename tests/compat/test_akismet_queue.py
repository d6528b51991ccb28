"""Requirements of Akismet's door: verdicts, what they leave behind, and what people say of them."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from service.auth import REMEMBERED_S, Gate
from service.ids import as_uuid, from_uuid, new_id
from service.records import ApiKey, Label
from service.store import Store
from service.store.keys import SiteKeys
from service.throttle import Throttle
from tests.compat.akismet_wire import BLOG, HAM, PLAIN, SPAM, THANKS, ask, check
from tests.conftest import Site, Winnow, until

RUDE = "You are an idiot and a complete moron."


@pytest.fixture
def key(site: Site) -> str:
    return site.key("compat")


@pytest.fixture
def queued(site: Site) -> Site:
    """A site whose Akismet comments enter its queues."""
    turned = site.ask(
        "PATCH", f"/v1/sites/{site.id}", site.winnow.admin_key, json={"akismet_queue": True}
    )
    assert turned.json()["akismet_queue"] is True
    return site


def only(site: Site, status: str) -> dict[str, Any]:
    """The one comment of a queue."""
    found = site.ask("GET", f"/v1/queues/{status}", params={"site": site.id}).json()["items"]
    assert len(found) == 1
    return dict(found[0])


def labels(site: Site) -> list[Label]:
    """What was said of the site's texts."""

    async def read() -> list[Label]:
        store = site.winnow.open_store()
        await store.open()
        try:
            return [label async for label in store.labels.all(site.id)]
        finally:
            await store.close()

    return asyncio.run(read())


# ---------------------------------------------------------------------------- verdicts


@pytest.mark.parametrize(
    ("fields", "said", "tip"),
    [
        ({}, "false", None),
        ({"comment_content": RUDE}, "false", None),
        ({"comment_content": SPAM}, "true", "discard"),
        ({"comment_author": "viagra-test-123"}, "true", None),
        ({"comment_author_email": "akismet-guaranteed-spam@example.com"}, "true", None),
        ({"comment_content": SPAM, "user_role": "administrator", "is_test": "1"}, "false", None),
        ({"test_discard": "1", "is_test": "1"}, "true", "discard"),
        ({"honeypot_field_name": "hp", "hp": "I am a robot"}, "true", "discard"),
        ({"honeypot_field_name": "hp", "POST_hp": "I am a robot"}, "true", "discard"),
        ({"honeypot_field_name": "hp", "hp": ""}, "false", None),
        ({"comment_content": ""}, "false", None),
        ({"comment_author": None, "comment_author_email": None, "user_ip": ""}, "false", None),
    ],
)
@pytest.mark.parametrize("queue", [False, True], ids=["scored", "queued"])
def test_the_answer_is_whether_it_is_spam(
    site: Site, key: str, queue: bool, fields: dict[str, Any], said: str, tip: str | None
) -> None:
    site.winnow.admin("PATCH", f"/v1/sites/{site.id}", json={"akismet_queue": queue})
    answer = check(site, key, **fields)
    assert answer.text == said
    assert answer.headers.get("x-akismet-pro-tip") == tip
    assert uuid.UUID(answer.headers["x-akismet-guid"])


def comes_to(site: Site, key: str, said: str, tip: str | None = None, **fields: Any) -> bool:
    """Whether this becomes the answer: a process may hold a site's rules for a second."""
    answer = check(site, key, **fields)
    return (answer.text, answer.headers.get("x-akismet-pro-tip")) == (said, tip)


def test_a_spam_score_at_the_policys_hold_is_spam_and_below_it_is_not(site: Site, key: str) -> None:
    text = "Nice watches and handbags here: http://x.example"
    asked = site.winnow.admin("POST", "/v1/score", json={"texts": [text], "explain": False})
    score = asked.json()["items"][0]["scores"]["spam"]
    below, above = score - 0.1, score + 0.1
    assert 0.11 < score < 0.6, "neither a clear case nor one that another rule decides"
    for rule, said in (
        ({"hold": below}, "true"),
        ({"hold": above}, "false"),
        ({"spam": below}, "true"),
        ({"hold": below, "shadow": True}, "false"),
    ):
        site.policy(thresholds={"spam": rule})
        assert until(lambda said=said: comes_to(site, key, said, comment_content=text)), rule


def test_bans_and_lists_of_the_site_count(site: Site, key: str) -> None:
    site.policy(block=[{"text": "chart", "outcome": "spam"}])
    assert until(lambda: comes_to(site, key, "true"))
    site.policy()
    assert until(lambda: comes_to(site, key, "false"))
    ban = {"kind": "cidr", "value": "203.0.113.0/24"}
    made = site.winnow.admin("PUT", f"/v1/sites/{site.id}/bans/one", json=ban)
    assert made.status_code < 300, made.text
    assert until(lambda: comes_to(site, key, "true", "discard"))


# --------------------------------------------------------------------- score only


def test_by_default_nothing_is_stored_but_counts(site: Site, key: str) -> None:
    first, second = check(site, key), check(site, key)
    assert first.headers["x-akismet-guid"] == second.headers["x-akismet-guid"]
    other = check(site, key, comment_content="Something else altogether.")
    assert other.headers["x-akismet-guid"] != first.headers["x-akismet-guid"]
    assert not any(site.counts().values())
    used = site.winnow.http.get("/1.2/usage-limit", params={"api_key": key}).json()
    assert used["usage"] == 3


def test_an_authors_first_comment_is_not_held_where_nothing_is_known_of_authors(
    site: Site, key: str
) -> None:
    answer = check(site, key)
    assert (answer.text, "x-akismet-recheck-after" in answer.headers) == ("false", False)


def test_a_store_that_is_away_keeps_nobody_from_an_answer(launch_winnow: Any) -> None:
    """Whoever was seen before is answered from memory, uncounted, and that is counted."""
    own: Winnow = launch_winnow(WINNOW_WEB_PROCESSES="1")
    site = own.site()
    key = site.key("compat")
    assert check(site, key).text == "false"
    server = own.server_pid
    os.kill(server, signal.SIGSTOP)
    try:
        answers = [check(site, key, comment_content=text) for text in (HAM, SPAM)]
        assert [answer.text for answer in answers] == ["false", "true"]
        stranger = check(site, "0" * 12)
        assert stranger.status_code == 503
        assert stranger.headers["retry-after"]
        assert stranger.headers["content-type"].startswith("text/plain")
        feedback = ask(site, "/1.1/submit-spam", key)
        assert (feedback.status_code, feedback.text) == (503, "unavailable")
    finally:
        os.kill(server, signal.SIGCONT)
    told = until(lambda: own.http.get("/metrics").text)
    assert 'winnow_akismet_degraded_total{without="admission"}' in told
    assert until(lambda: check(site, key).status_code == 200)


async def test_a_key_is_remembered_for_an_hour_and_not_beyond_its_own_end(store: Store) -> None:
    clock, ends = [0.0], 5_000
    gate = Gate(store, "", Throttle(store.limits, enabled=False), monotonic=lambda: clock[0])
    key = await store.api_keys.add(ApiKey(id="k", kind="compat", site="blog", expires_at=ends))
    assert gate.last_known(key, 0) is None
    await gate.key(key, 0)
    clock[0] = REMEMBERED_S
    known = gate.last_known(key, ends - 1)
    assert known is not None
    assert known.sites == {"blog"}
    assert gate.last_known(key, ends) is None
    clock[0] += 1
    assert gate.last_known(key, 0) is None


# ------------------------------------------------------------------------- queue


def test_a_queued_comment_is_a_real_one_with_its_data_cleaned(queued: Site, key: str) -> None:
    answer = check(queued, key, comment_author_email="not an address", comment_author_url="http://")
    found = only(queued, "pending")
    assert from_uuid(answer.headers["x-akismet-guid"]) == found["id"]
    assert (found["page"], found["name"], found["body"]) == (f"{BLOG}/a/1", "A reader", HAM)
    assert found["metadata"] == {"system": "akismet", "comment_type": "comment", "blog": BLOG}


def test_a_comment_without_name_address_or_page_is_queued_all_the_same(
    queued: Site, key: str
) -> None:
    bare = dict.fromkeys(
        ("comment_author", "comment_author_email", "permalink", "user_ip", "comment_type")
    )
    assert check(queued, key, **bare).text == "false"
    found = only(queued, "pending")
    assert (found["name"], found["page"]) == ("", f"{BLOG}/")


def test_what_waits_for_other_reasons_than_spam_is_to_be_asked_for_again(
    queued: Site, key: str
) -> None:
    answer = check(queued, key, comment_content=RUDE)
    assert (answer.text, answer.headers["x-akismet-recheck-after"]) == ("false", "120")
    assert only(queued, "pending")["status"] == "pending"


@pytest.mark.parametrize(
    ("agent", "fields", "said"),
    [
        ("WordPress/6.1.9 | Akismet/5.0.2", {}, "wait"),
        ("WordPress/6.9 | Akismet/5.6", {"callback": f"{BLOG}/hook"}, "false"),
        ("Discourse/3.2 | Akismet/0.1", {}, "false"),
    ],
)
def test_a_wordpress_that_would_publish_what_waits_is_told_neither(
    queued: Site, key: str, agent: str, fields: dict[str, str], said: str
) -> None:
    """Run with 5.0.2: it holds the comment, asks again by cron, and takes that answer."""

    def asked() -> str:
        data = PLAIN | {"api_key": key} | fields
        return queued.winnow.http.post(
            "/1.1/comment-check", data=data, headers={"User-Agent": agent}
        ).text

    assert asked() == said
    found = only(queued, "pending")
    queued.decide(found["id"], "approve", found["version"])
    assert asked() == "false"


def test_what_waits_because_it_reads_like_spam_is_spam_so_far(queued: Site, key: str) -> None:
    queued.policy(thresholds={"spam": {"hold": 0.5}})
    answer = check(queued, key, comment_content=SPAM)
    assert answer.text == "true"
    assert "x-akismet-recheck-after" not in answer.headers
    assert only(queued, "pending")


def test_asked_again_the_same_comment_is_found_again_as_it_stands(queued: Site, key: str) -> None:
    first = check(queued, key, comment_content=f'{HAM} <a href="http://a.example">x</a> & y')
    found = only(queued, "pending")
    stored = f'{HAM} <a href="http://a.example" rel="nofollow ugc">x</a> &amp; y'
    again = check(queued, key, comment_content=stored, recheck_reason="recheck", user_ip="::1")
    for name in ("x-akismet-guid", "x-akismet-recheck-after"):
        assert again.headers[name] == first.headers[name]
    queued.decide(found["id"], "approve", found["version"])
    answer = check(queued, key, comment_content=stored, recheck_reason="recheck")
    assert (answer.text, "x-akismet-recheck-after" in answer.headers) == ("false", False)
    queued.decide(found["id"], "reject", found["version"] + 1)
    answer = check(queued, key, comment_content=stored, recheck_reason="recheck")
    assert (answer.text, "x-akismet-pro-tip" in answer.headers) == ("true", False)
    assert sum(queued.counts().values()) == 1


def test_a_human_who_lets_spam_through_is_believed(queued: Site, key: str) -> None:
    assert check(queued, key, comment_content=SPAM).headers["x-akismet-pro-tip"] == "discard"
    found = only(queued, "spam")
    queued.decide(found["id"], "approve", found["version"])
    assert check(queued, key, comment_content=SPAM).text == "false"


def test_a_comment_is_found_again_for_sixty_days(queued: Site, key: str) -> None:
    check(queued, key)
    names = SiteKeys(queued.id).idempotency("*")
    with redis.Redis.from_url(queued.winnow.redis_url) as client:
        (name,) = client.scan_iter(names)
        assert 59 * 86_400 < client.ttl(name) <= 60 * 86_400


def test_a_link_that_was_slipped_in_makes_another_comment(queued: Site, key: str) -> None:
    check(queued, key)
    check(queued, key, comment_content=f'<a href="http://a.example">{HAM}</a>')
    assert sum(queued.counts().values()) == 2


def test_many_retries_at_once_make_one_comment(queued: Site, key: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: check(queued, key), range(24)))
    assert {answer.text for answer in answers} == {"false"}
    assert len({answer.headers["x-akismet-guid"] for answer in answers}) == 1
    assert sum(queued.counts().values()) == 1


def test_tests_never_enter_the_queue(queued: Site, key: str) -> None:
    for fields in (
        {"is_test": "true"},
        {"is_test": "1", "comment_content": SPAM},
        {"comment_author": "viagra-test-123"},
        {"user_role": "administrator"},
    ):
        check(queued, key, **fields)
    ask(queued, "/1.1/submit-spam", key, is_test="1")
    assert not any(queued.counts().values())
    assert labels(queued) == []


@pytest.mark.parametrize("kind", ["contact-form", "contact_form", "Contact-Form", "signup"])
def test_what_is_no_comment_never_enters_the_queue(queued: Site, key: str, kind: str) -> None:
    """A message to the owner is private: approved here, it would be in the published thread."""
    for fields in ({"comment_type": kind}, {"comment_type": None, "content_type": kind}):
        assert check(queued, key, **fields).text == "false"
        assert check(queued, key, comment_content=SPAM, **fields).text == "true"
    assert not any(queued.counts().values())


def test_no_published_answer_tells_how_a_comment_came(queued: Site, key: str) -> None:
    check(queued, key, callback=f"{BLOG}/hook")
    found = only(queued, "pending")
    queued.decide(found["id"], "approve", found["version"])
    thread = queued.ask(
        "GET", "/v1/pages/comments", params={"site": queued.id, "page": f"{BLOG}/a/1"}
    )
    assert thread.json()["items"][0]["body"] == HAM
    for secret in ("akismet", "hook", key, "reader@example.org", "203.0.113.9"):
        assert secret not in thread.text
    assert key not in queued.ask("GET", f"/v1/comments/{found['id']}").text


def test_with_the_queue_on_a_store_that_is_away_is_said_so(launch_winnow: Any) -> None:
    """Neither true nor false: WordPress holds the comment and asks again in 20 minutes."""
    own: Winnow = launch_winnow(WINNOW_WEB_PROCESSES="1")
    site = own.site()
    key = site.key("compat")
    own.admin("PATCH", f"/v1/sites/{site.id}", json={"akismet_queue": True})
    check(site, key)
    server = own.server_pid
    os.kill(server, signal.SIGSTOP)
    try:
        answer = check(site, key, comment_content="Another one.")
        assert (answer.status_code, answer.text) == (503, "unavailable")
        assert answer.headers["retry-after"]
        assert answer.headers["content-type"].startswith("text/plain")
    finally:
        os.kill(server, signal.SIGCONT)


# ---------------------------------------------------------------------- feedback


def test_feedback_is_kept_as_a_label_the_newest_of_a_text(site: Site, key: str) -> None:
    assert ask(site, "/1.1/submit-spam", key, blog_lang="en").text == THANKS
    assert ask(site, "/1.1/submit-ham", key, comment_content="Fine", blog=None).text == THANKS
    assert ask(site, "/1.1/submit-ham", key, blog_lang="en").text == THANKS
    assert ask(site, "/1.1/submit-ham", key, comment_content=" ").text == THANKS
    said = {label.text: (label.labels, label.source, label.actor[:7]) for label in labels(site)}
    assert said == {
        HAM: ({"spam": 0.0}, "akismet", "compat:"),
        "Fine": ({"spam": 0.0}, "akismet", "compat:"),
    }


@pytest.mark.parametrize("by", ["guid", "content"])
def test_feedback_on_a_queued_comment_decides_it(queued: Site, key: str, by: str) -> None:
    guid = check(queued, key).headers["x-akismet-guid"]
    more = {"guid": guid, "comment_content": None} if by == "guid" else {}
    assert ask(queued, "/1.1/submit-spam", key, **more).text == THANKS
    found = only(queued, "spam")
    assert (found["decision"]["action"], found["decision"]["by"]) == ("spam", "akismet")
    assert check(queued, key).text == "true"
    assert ask(queued, "/1.1/submit-spam", key, **more).text == THANKS  # a retry
    assert only(queued, "spam")["version"] == found["version"]
    assert ask(queued, "/1.1/submit-ham", key, **more).text == THANKS  # a change of mind
    assert only(queued, "approved")["decision"]["action"] == "approve"
    assert check(queued, key).text == "false"


def test_a_moderators_decision_stands_against_feedback(queued: Site, key: str) -> None:
    check(queued, key)
    found = only(queued, "pending")
    queued.decide(found["id"], "approve", found["version"])
    assert ask(queued, "/1.1/submit-spam", key).text == THANKS
    assert only(queued, "approved")["version"] == found["version"] + 1
    assert [label.labels for label in labels(queued)] == [{"spam": 1.0}]


def test_a_guid_is_the_comments_id_in_another_spelling() -> None:
    for comment_id in (new_id(0, 0), new_id(2**48 - 1, 2**20 - 1), new_id(1_790_000_000_000, 7)):
        assert from_uuid(as_uuid(comment_id)) == comment_id
        assert uuid.UUID(as_uuid(comment_id))
    for text in ("", "x", "0" * 31):
        assert from_uuid(text) is None


def test_feedback_reaches_no_comment_that_came_another_way(queued: Site, key: str) -> None:
    own = queued.submitted()
    ask(queued, "/1.1/submit-spam", key, guid=as_uuid(own["id"]), comment_content="x")
    assert only(queued, "pending")["id"] == own["id"]


# ------------------------------------------------------------------------- setting


def test_the_queue_is_a_setting_of_the_site_and_off_at_first(site: Site) -> None:
    read = site.winnow.admin("GET", f"/v1/sites/{site.id}").json()
    assert read["akismet_queue"] is False
    made = {"id": f"{site.id}-b", "akismet_queue": True}
    assert site.winnow.admin("POST", "/v1/sites", json=made).json()["akismet_queue"] is True
