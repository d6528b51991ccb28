"""Requirements of making and keeping webhooks over HTTP, by the running service."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from standardwebhooks import WebhookVerificationError

from service.store.keys import SiteKeys
from service.webhooks import new_secret
from tests.conftest import Site, Winnow, until
from tests.webhooks.conftest import LOCAL, Receiver


@pytest.fixture(scope="module")
def service(launch_winnow: Callable[..., Winnow]) -> Winnow:
    """A service that may send to this machine, and be broken."""
    return launch_winnow(WINNOW_OUTGOING_NETWORKS=LOCAL)


@pytest.fixture
def own(service: Winnow) -> Site:
    """A fresh site of it that approves everything."""
    return service.site(plain=True)


def make(site: Site, url: str, *events: str, **more: Any) -> dict[str, Any]:
    asked = {"url": url, "events": list(events) or ["comment.approved"]} | more
    answer = site.ask("POST", f"/v1/sites/{site.id}/webhooks", json=asked)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def path_of(site: Site, hook: dict[str, Any], *more: str) -> str:
    return "/".join([f"/v1/sites/{site.id}/webhooks/{hook['id']}", *more])


def test_a_website_learns_of_a_decision_and_verifies_it(own: Site, receiver: Receiver) -> None:
    hook = make(own, receiver.url, "comment.approved", "comment.spam")
    made = own.submitted(name="Ann", email="ann@private.example", ip="203.0.113.77",
                         metadata={"section": "politics"})  # fmt: skip
    until(lambda: len(receiver.got) == 1)
    own.decide(made["id"], "spam", 1)
    until(lambda: len(receiver.got) == 2)
    first, second = receiver.got
    assert first.verified(hook["secret"])["data"]["comment"]["name"] == "Ann"
    told = second.verified(hook["secret"])
    assert (told["type"], told["data"]["version"]) == ("comment.spam", 2)
    with pytest.raises(WebhookVerificationError):
        second.verified(new_secret())
    for got in receiver.got:
        text = str(got)
        for private in ("private.example", "203.0.113.77", "score", "toxicity", "author"):
            assert private not in text


def test_a_secret_is_shown_once_and_stored_sealed(own: Site, receiver: Receiver) -> None:
    hook = make(own, receiver.url)
    secret = hook.pop("secret")
    assert secret.startswith("whsec_")
    listed = own.ask("GET", f"/v1/sites/{own.id}/webhooks")
    assert listed.json() == {"items": [hook], "next": None}
    assert own.ask("GET", path_of(own, hook)).json() == hook
    with redis.Redis.from_url(own.winnow.redis_url) as client:
        kept = str(client.hgetall(SiteKeys(own.id).webhook(hook["id"])))
    assert secret not in kept
    assert secret.removeprefix("whsec_") not in kept


def test_rotation_signs_with_both_secrets(own: Site, receiver: Receiver) -> None:
    hook = make(own, receiver.url)
    answer = own.ask("POST", path_of(own, hook, "rotate"))
    assert answer.status_code == 200
    fresh = answer.json()["secret"]
    assert fresh != hook["secret"]
    own.submitted()
    until(lambda: receiver.got)
    (got,) = receiver.got
    assert got.verified(fresh) == got.verified(hook["secret"])
    newest = own.ask("POST", path_of(own, hook, "rotate")).json()["secret"]
    own.submitted(body="Another one.")
    until(lambda: len(receiver.got) == 2)
    assert receiver.got[1].verified(newest) == receiver.got[1].verified(fresh)
    with pytest.raises(WebhookVerificationError):
        receiver.got[1].verified(hook["secret"])


def test_a_test_event_goes_the_same_way(own: Site, receiver: Receiver) -> None:
    hook = make(own, receiver.url)
    answer = own.ask("POST", path_of(own, hook, "test"))
    assert answer.status_code == 202
    assert (answer.json()["event"], answer.json()["comment"]) == ("webhook.test", None)
    until(lambda: receiver.got)
    (got,) = receiver.got
    assert (got.id, got.verified(hook["secret"])["type"]) == (answer.json()["id"], "webhook.test")
    own.ask("PATCH", path_of(own, hook), json={"paused": True})
    refused = own.ask("POST", path_of(own, hook, "test"))
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")


def test_the_log_tells_what_happened_and_no_text(own: Site, receiver: Receiver) -> None:
    receiver.answers = [204, 500, 410]
    hook = make(own, receiver.url)
    ids = []
    for i in range(3):
        ids.append(own.submitted(body=f"A text nobody may see here {i}.")["id"])
        until(lambda i=i: len(receiver.got) == i + 1)
    path = path_of(own, hook, "deliveries")

    def rows(state: str = "all") -> list[dict[str, Any]]:
        return list(own.ask("GET", path, params={"state": state}).json()["items"])

    until(lambda: rows("dead"))
    found = {row["state"]: row for row in rows()}
    assert {state: row["comment"] for state, row in found.items()} == dict(
        zip(("delivered", "waiting", "dead"), ids, strict=True)
    )
    waiting = found["waiting"]
    assert (waiting["last_status"], waiting["attempts"]) == (500, 1)
    assert (waiting["error"], waiting["event"]) == ("answered 500", "comment.approved")
    assert waiting["next_attempt_at"] > waiting["last_attempt_at"] >= waiting["at"]
    assert found["delivered"]["latency_ms"] >= 0
    assert found["delivered"]["error"] is None
    assert "nobody may see" not in own.ask("GET", path).text
    shown = own.ask("GET", path_of(own, hook)).json()
    assert (shown["state"], shown["waiting"], shown["dead"]) == ("disabled", 1, 1)
    assert "410" in shown["reason"]
    resumed = own.ask("PATCH", path_of(own, hook), json={"paused": False}).json()
    assert (resumed["state"], resumed["reason"]) == ("active", None)
    again = own.ask("POST", path_of(own, hook, "deliveries", found["dead"]["id"], "replay"))
    assert (again.status_code, again.json()["id"]) == (202, found["dead"]["id"])
    until(lambda: found["dead"]["id"] in receiver.ids()[3:])
    until(lambda: rows("dead") == [])


def test_the_log_is_read_page_by_page(own: Site, receiver: Receiver) -> None:
    hook = make(own, receiver.url, "comment.submitted", "comment.approved")
    for i in range(12):
        own.submitted(body=f"Point {i}.")
    until(lambda: len(receiver.got) == 24)
    path = path_of(own, hook, "deliveries")
    until(lambda: own.ask("GET", path_of(own, hook)).json()["waiting"] == 0)
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = own.ask("GET", path, params={"limit": 5, "cursor": cursor}).json()
        seen += [row["id"] for row in page["items"]]
        cursor = page["next"]
    assert sorted(seen) == sorted(receiver.ids())
    assert len(seen) == 24


def test_an_endpoint_is_changed_paused_and_deleted(
    own: Site, receivers: Callable[[], Receiver]
) -> None:
    old, new = receivers(), receivers()
    hook = make(own, old.url)
    changed = own.ask("PATCH", path_of(own, hook),
                      json={"url": new.url, "events": ["comment.submitted"]})  # fmt: skip
    assert (changed.json()["url"], changed.json()["events"]) == (new.url, ["comment.submitted"])
    own.submitted()
    until(lambda: new.got)
    assert new.got[0].json["type"] == "comment.submitted"
    assert old.got == []
    paused = own.ask("PATCH", path_of(own, hook), json={"paused": True})
    assert paused.json()["state"] == "paused"
    assert own.ask("DELETE", path_of(own, hook)).status_code == 204
    for method, more in (("GET", ""), ("DELETE", ""), ("POST", "rotate"), ("GET", "deliveries")):
        path = path_of(own, hook, *filter(None, [more]))
        assert own.ask(method, path).status_code == 404
    assert own.ask("PATCH", path_of(own, hook), json={"paused": False}).status_code == 404
    with redis.Redis.from_url(own.winnow.redis_url) as client:
        assert list(client.scan_iter(f"*{hook['id']}*")) == []


@pytest.mark.parametrize(
    ("asked", "pointer", "code"),
    [
        ({"events": ["comment.spam"]}, "/url", "required"),
        ({"url": "https://a.example/"}, "/events", "required"),
        ({"url": "https://a.example/", "events": []}, "/events", "out_of_range"),
        ({"url": "https://a.example/", "events": ["comment.gone"]}, "/events/0", "out_of_range"),
        ({"url": "https://a.example/", "events": "comment.spam"}, "/events", "wrong_type"),
        ({"url": "", "events": ["comment.spam"]}, "/url", "out_of_range"),
        ({"url": " ", "events": ["comment.spam"]}, "/url", "invalid_url"),
        ({"url": "ftp://a.example/", "events": ["comment.spam"]}, "/url", "invalid_url"),
        ({"url": "https://u:p@a.example/", "events": ["comment.spam"]}, "/url", "invalid_url"),
        ({"url": "https://a.example:22/", "events": ["comment.spam"]}, "/url", "invalid_url"),
        ({"url": "http://10.0.0.1/", "events": ["comment.spam"]}, "/url", "invalid_url"),
        ({"url": "http://[::1]/", "events": ["comment.spam"]}, "/url", "invalid_url"),
        ({"url": "https://a.example/", "events": ["comment.spam"], "x": 1}, "/x", "unknown_field"),
    ],
)
def test_a_wrong_endpoint_is_refused_with_its_pointer(
    own: Site, asked: Any, pointer: str, code: str
) -> None:
    answer = own.ask("POST", f"/v1/sites/{own.id}/webhooks", json=asked)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    errors = [(error["pointer"], error["code"]) for error in answer.json()["errors"]]
    assert errors == [(pointer, code)]
    assert own.ask("GET", f"/v1/sites/{own.id}/webhooks").json()["items"] == []


def test_who_may_and_who_may_not(own: Site, service: Winnow, receiver: Receiver) -> None:
    path = f"/v1/sites/{own.id}/webhooks"
    narrow = own.key("secret", scopes=["events"])
    for key in (own.publishable, own.person("moderator"), service.site().secret, narrow):
        assert own.ask("GET", path, key).status_code == 403
    assert service.ask("GET", path).status_code == 401
    for key in (own.secret, own.person("admin"), service.admin_key):
        assert own.ask("GET", path, key).status_code == 200
    assert service.admin("GET", "/v1/sites/nowhere/webhooks").status_code == 404
    hook = make(own, receiver.url)
    other = service.site()
    stolen = path_of(own, hook).replace(own.id, other.id)
    assert other.ask("GET", stolen).status_code == 404
    assert other.ask("DELETE", stolen).status_code == 404


def test_a_site_has_twenty_at_most(own: Site) -> None:
    for i in range(20):
        make(own, f"https://a.example/{i}")
    asked = {"url": "https://a.example/", "events": ["comment.spam"]}
    answer = own.ask("POST", f"/v1/sites/{own.id}/webhooks", json=asked)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


def test_metrics_and_logs_tell_of_deliveries_but_of_no_query_and_no_text(
    own: Site, receiver: Receiver
) -> None:
    receiver.answers = [500]
    make(own, receiver.url)
    own.submitted(body="A text that belongs in no log.")
    until(lambda: receiver.got)

    def value(name: str) -> float:
        text = own.winnow.ask("GET", "/metrics").text
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))

    until(lambda: value('winnow_webhook_attempts_total{result="retry"}') >= 1)
    assert value("winnow_webhook_duration_seconds_count") >= 1
    assert value("winnow_webhook_oldest_age_seconds") > 0
    assert value("winnow_webhook_dead_letters") >= 0
    until(lambda: "not_delivered" in own.winnow.log.read_text())
    log = own.winnow.log.read_text()
    assert "t0ps3cret" not in log
    assert "belongs in no log" not in log


def test_the_worker_is_killed_over_and_over_and_every_event_arrives_under_one_id(
    own: Site, receiver: Receiver
) -> None:
    """`kill -9` five times while 60 comments come in."""
    make(own, receiver.url, "comment.submitted", "comment.approved")
    made = []
    for i in range(60):
        made.append(own.submitted(body=f"Point {i}.")["id"])
        if i % 12 == 5:
            (worker,) = until(lambda: own.winnow.children("worker"))
            os.kill(worker, signal.SIGKILL)

    def arrived() -> set[tuple[str, str]]:
        return {(got.json["type"], got.json["data"]["id"]) for got in list(receiver.got)}

    wanted = {(t, i) for t in ("comment.submitted", "comment.approved") for i in made}
    until(lambda: arrived() == wanted, 60)
    ids: dict[tuple[str, str], set[str]] = {}
    for got in list(receiver.got):
        ids.setdefault((got.json["type"], got.json["data"]["id"]), set()).add(got.id)
    assert Counter(map(len, ids.values())) == {1: 120}
    assert len({name for names in ids.values() for name in names}) == 120


def test_what_a_killed_worker_had_in_hand_is_sent_within_thirty_seconds(
    own: Site, receiver: Receiver
) -> None:
    receiver.answers = ["hang"]
    make(own, receiver.url)
    own.submitted()
    until(lambda: receiver.got)
    (worker,) = until(lambda: own.winnow.children("worker"))
    os.kill(worker, signal.SIGKILL)
    killed = time.monotonic()
    until(lambda: len(receiver.got) == 2, 30)
    assert time.monotonic() - killed < 30
    assert len(set(receiver.ids())) == 1


def test_the_command_line_adds_lists_tests_and_removes(own: Site, receiver: Receiver) -> None:
    home = own.winnow.home / "data"

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).with_name("winnow"), "webhook", *arguments],
            capture_output=True, text=True, check=False, timeout=60,
            env={"PATH": os.environ["PATH"], "WINNOW_DATA_DIR": str(home),
                 "WINNOW_OUTGOING_NETWORKS": LOCAL},
        )  # fmt: skip

    def asked(*arguments: str) -> Any:
        done = run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    added = asked("add", own.id, receiver.url, "--event", "comment.approved")
    assert added["secret"].startswith("whsec_")
    (listed,) = asked("list", own.id)["items"]
    assert listed == {name: value for name, value in added.items() if name != "secret"}
    tested = asked("test", added["id"])
    until(lambda: receiver.got)
    assert receiver.got[0].id == tested["id"]
    assert receiver.got[0].verified(added["secret"])["type"] == "webhook.test"
    for wrong in (("add", own.id, "ftp://x"), ("add", own.id, "http://10.0.0.1/"),
                  ("add", own.id, receiver.url, "--event", "comment.gone")):  # fmt: skip
        assert run(*wrong).returncode == 2
    assert asked("remove", added["id"])["removed"]
    assert run("remove", added["id"]).returncode != 0
    assert asked("list", own.id)["items"] == []


def test_a_stop_waits_no_longer_than_it_may_for_a_hanging_receiver_and_loses_nothing(
    launch_winnow: Callable[..., Winnow], receiver: Receiver
) -> None:
    winnow = launch_winnow(WINNOW_OUTGOING_NETWORKS=LOCAL, WINNOW_WEB_PROCESSES="1")
    receiver.answers = ["hang"]
    site = winnow.site(plain=True)
    make(site, receiver.url)
    site.submitted()
    until(lambda: receiver.got)
    before = time.monotonic()
    assert winnow.stop() == 0
    assert time.monotonic() - before < 8
    winnow.start()
    until(lambda: len(receiver.got) == 2, 30)
    assert len(set(receiver.ids())) == 1
