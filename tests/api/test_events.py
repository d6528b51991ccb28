"""Requirements of `GET /v1/events`: order, resuming, reset, and nothing personal."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from urllib.parse import urlencode, urlsplit

import redis

from tests.conftest import Site, until


class Listening:
    """An open stream, read in a thread; closing its socket ends it."""

    def __init__(self, site: Site, headers: dict[str, str], params: dict[str, str]) -> None:
        self.events: list[dict[str, Any]] = []
        self.opened = self.ended = False
        url = urlsplit(site.winnow.url)
        self._connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=20)
        headers = {"Authorization": f"Bearer {site.secret}"} | headers
        self._connection.request("GET", f"/v1/events?{urlencode(params)}", headers=headers)
        self._socket = self._connection.sock
        self._response = self._connection.getresponse()
        assert self._response.status == 200
        assert self._response.headers["content-type"].startswith("text/event-stream")
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        event: dict[str, Any] = {}
        with suppress(http.client.IncompleteRead, OSError):
            while line := self._response.readline().decode():
                name, _, value = line.rstrip("\n").partition(": ")
                self.opened |= name == "retry"
                if value:
                    event[name] = value
                    continue
                if "data" in event:
                    self.events.append(event | {"data": json.loads(event["data"])})
                event = {}
        self.ended = True

    def heard(self, count: int) -> list[dict[str, Any]]:
        """What was heard, as soon as it is `count` events."""
        until(lambda: len(self.events) >= count)
        return self.events

    def close(self) -> None:
        """Goes away, as a reader who closes the page."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._response.close()
        self._connection.close()


@contextmanager
def listening(
    site: Site, headers: dict[str, str] | None = None, **params: str
) -> Iterator[Listening]:
    """A stream of a site's events, open and listening."""
    stream = Listening(site, headers or {}, params)
    try:
        until(lambda: stream.opened)
        yield stream
    finally:
        stream.close()


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in events]


def test_events_come_in_the_order_of_what_happened(plain_site: Site) -> None:
    plain_site.policy(block=[{"text": "held"}])
    with listening(plain_site, after="0") as stream:
        made = plain_site.submitted(body="held", name="Canary Name", email="canary@mail.example")
        plain_site.decide(made["id"], "approve", 1)
        plain_site.decide(made["id"], "reject", 2)
        plain_site.decide(made["id"], "spam", 3)
        plain_site.ask("POST", f"/v1/comments/{made['id']}/undo", json={"version": 4})
        plain_site.ask("PATCH", f"/v1/comments/{made['id']}", json={"body": "Fine."})
        heard = stream.heard(7)
    assert types(heard) == [
        "comment.submitted", "comment.pending", "comment.approved", "comment.rejected",
        "comment.spam", "comment.rejected", "comment.edited",
    ]  # fmt: skip
    assert [event["data"]["version"] for event in heard] == [1, 1, 2, 3, 4, 5, 6]
    for event in heard:
        assert event["data"]["id"] == made["id"]
        assert event["data"]["type"] == event["event"]
        assert "anary" not in str(event)


def test_a_new_listener_hears_only_what_is_new(plain_site: Site) -> None:
    plain_site.submitted(body="Before.")
    with listening(plain_site) as stream:
        made = plain_site.submitted(body="After.")
        heard = stream.heard(2)
    assert {event["data"]["id"] for event in heard} == {made["id"]}


def test_a_listener_resumes_behind_its_last_event(plain_site: Site) -> None:
    for i in range(3):
        plain_site.submitted(body=f"Point {i}")
    with listening(plain_site, after="0") as stream:
        heard = list(stream.heard(6))
    last = heard[2]["id"]
    with listening(plain_site, headers={"Last-Event-ID": last}) as stream:
        plain_site.submitted(body="One more.")
        again = stream.heard(5)
    assert [event["id"] for event in again[:3]] == [event["id"] for event in heard[3:]]
    assert len({event["id"] for event in again}) == 5


def test_a_listener_who_lost_events_is_told_to_read_anew(plain_site: Site) -> None:
    plain_site.submitted()
    with listening(plain_site, after="0") as stream:
        last = stream.heard(2)[0]["id"]
    with redis.Redis.from_url(plain_site.winnow.redis_url) as client:
        client.xtrim(f"w:{{{plain_site.id}}}:events", maxlen=1, approximate=False)
    with listening(plain_site, headers={"Last-Event-ID": last}) as stream:
        assert types(stream.heard(2)) == ["reset", "comment.approved"]
    # Nothing is kept any more: whatever came since is unknown.
    with redis.Redis.from_url(plain_site.winnow.redis_url) as client:
        client.xtrim(f"w:{{{plain_site.id}}}:events", maxlen=0, approximate=False)
    with listening(plain_site, headers={"Last-Event-ID": last}) as stream:
        assert types(stream.heard(1)) == ["reset"]


def test_a_stream_opened_right_after_another_ended_stays_open(plain_site: Site) -> None:
    for i in range(10):
        with listening(plain_site) as stream:
            made = plain_site.submitted(body=f"Point {i}")
            assert stream.heard(2)[-1]["data"]["id"] == made["id"]
            assert not stream.ended


def test_many_listeners_all_hear_everything(plain_site: Site) -> None:
    with ExitStack() as stack:
        streams = [stack.enter_context(listening(plain_site)) for _ in range(8)]
        made = [plain_site.submitted(body=f"Point {i}")["id"] for i in range(5)]
        for stream in streams:
            heard = stream.heard(10)
            assert [event["data"]["id"] for event in heard[::2]] == made


def test_one_sites_events_are_not_anothers(plain_site: Site) -> None:
    other = plain_site.winnow.site(plain=True)
    with listening(plain_site) as stream:
        other.submitted()
        made = plain_site.submitted()
        assert {event["data"]["id"] for event in stream.heard(2)} == {made["id"]}


def test_a_stream_ends_when_its_key_is_revoked(plain_site: Site) -> None:
    path = f"/v1/sites/{plain_site.id}/keys"
    made = plain_site.winnow.admin("POST", path, json={"kind": "secret"}).json()
    with listening(plain_site, {"Authorization": f"Bearer {made['key']}"}, after="0") as stream:
        plain_site.submitted(body="Heard.")
        stream.heard(2)
        assert plain_site.winnow.admin("DELETE", f"{path}/{made['id']}").status_code == 204
        until(lambda: plain_site.ask("GET", "/v1/queues", made["key"]).status_code == 401, 3)
        # Half a second at most the process that streams may go by what it knew.
        until(lambda: plain_site.submitted(body="Heard no more.") and stream.ended, 10)
    with listening(plain_site, after="0") as whole:
        sent = plain_site.counts()["approved"] * 2
        assert len(stream.events) < len(whole.heard(sent))
