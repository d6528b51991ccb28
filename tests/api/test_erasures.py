"""Erasing a person over HTTP, and the canary: planted everywhere, seen nowhere it must not be."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.compat.akismet_wire import check
from tests.conftest import ORIGIN, PAGE, ROOT, Site, Winnow, until
from tests.webhooks.conftest import LOCAL, Receiver

ADDRESS, IP, AGENT = "zq-canary-address@example.org", "198.51.100.231", "zq-canary-agent"
NAME, BODY, NOTE = "zq-canary-name", "zq-canary-body", "zq-canary-note"
WINNOW = (sys.executable, "-m", "service.cli")
NEVER_OPEN = (ADDRESS, IP, AGENT)
"""What stands nowhere in the open, erased or not."""
ERASED = (NAME, BODY, NOTE, "zq-canary", *NEVER_OPEN)


def erase(site: Site, email: str = ADDRESS, key: str = "") -> httpx.Response:
    return site.ask("POST", f"/v1/sites/{site.id}/erasures", key, json={"email": email})


# -------------------------------------------------------------------------------- the API


def test_a_website_erases_a_person_and_can_ask_how_it_stands(site: Site) -> None:
    first = site.submitted(email="a@example.org")
    other = site.submitted(email="b@example.org", body="Somebody else's words.")
    answer = erase(site, "A@Example.org")
    assert answer.status_code == 200
    told = answer.json()
    assert (told["status"], told["comments"]) == ("done", 1)
    assert "a@example.org" not in answer.text.lower()
    again = site.ask("GET", answer.headers["Location"])
    assert again.json() == told
    gone = site.ask("GET", f"/v1/comments/{first['id']}").json()
    assert (gone["status"], gone["name"], gone["body"]) == ("erased", "", "")
    history = site.ask("GET", f"/v1/comments/{first['id']}/history").text
    assert "I agree" not in history
    assert site.ask("GET", f"/v1/comments/{other['id']}").json()["body"] == "Somebody else's words."
    assert erase(site, "a@example.org").json()["id"] == told["id"], "asked again, the same one"


def test_an_erasure_does_not_tell_whether_a_person_was_known(site: Site) -> None:
    told = erase(site, "nobody@example.org")
    assert (told.status_code, told.json()["comments"]) == (200, 0)
    assert told.json()["status"] == "done"


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"email": "not an address"}, "/email", "invalid_email"),
        ({}, "/email", "required"),
        ({"email": "a@example.org", "author": "a" * 22}, "/email", "required"),
        ({"author": "short"}, "/author", "invalid_author"),
        ({"mail": "a@example.org"}, "/mail", "unknown_field"),
    ],
)
def test_a_wrong_erasure_is_told_which_field_breaks_which_rule(
    site: Site, body: dict[str, str], pointer: str, code: str
) -> None:
    answer = site.ask("POST", f"/v1/sites/{site.id}/erasures", json=body)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    error = answer.json()["errors"][0]
    assert (error["pointer"], error["code"]) == (pointer, code)


def test_only_the_sites_server_and_admins_erase(site: Site, winnow: Winnow) -> None:
    for key in (site.publishable, site.key("compat"), site.person("moderator")):
        assert erase(site, key=key).status_code == 403
    assert winnow.ask("POST", f"/v1/sites/{site.id}/erasures", json={}).status_code == 401
    assert erase(site, key=winnow.site().secret).status_code in (403, 404)
    assert erase(site, key=site.person("admin")).status_code == 200
    assert site.ask("GET", f"/v1/sites/{site.id}/erasures/er_{'a' * 22}").status_code == 404


def test_an_author_without_an_address_is_erased_by_their_id(site: Site) -> None:
    site.submitted(email="c@example.org")
    queue = site.ask("GET", "/v1/queues/pending", params={"site": site.id}).json()
    author = queue["items"][0]["author"]["id"]
    answer = site.ask("POST", f"/v1/sites/{site.id}/erasures", json={"author": author})
    assert answer.json()["comments"] == 1


def test_a_site_says_how_long_it_keeps_things(site: Site, winnow: Winnow) -> None:
    path = f"/v1/sites/{site.id}"
    plain = site.ask("GET", path).json()["retention"]
    days = {"refused_days": 30, "approved_days": None, "private_days": 30, "audit_days": 400}
    assert plain == days
    changed = winnow.admin("PATCH", path, json={"retention": {"approved_days": 7}}).json()
    assert changed["retention"] == days | {"approved_days": 7}
    assert site.ask("GET", path).json()["retention"] == changed["retention"]
    for wrong in ({"refused_days": 0}, {"days": 1}, {"audit_days": "x"}):
        assert winnow.admin("PATCH", path, json={"retention": wrong}).status_code == 422


def test_an_export_of_one_author_holds_what_is_known_of_them(site: Site, winnow: Winnow) -> None:
    site.submitted(email="d@example.org", ip=IP)
    queue = site.ask("GET", "/v1/queues/pending", params={"site": site.id}).json()
    author = queue["items"][0]["author"]["id"]
    path = f"/v1/sites/{site.id}/export"
    lines = winnow.admin("GET", path, params={"author": author}).text.splitlines()
    kinds = [json.loads(line)["kind"] for line in lines]
    assert kinds == ["author", "comment"]
    assert "d@example.org" in lines[0]
    assert IP in lines[1]
    assert winnow.admin("GET", path, params={"author": "d@example.org"}).status_code == 422
    assert site.ask("GET", path, params={"author": author}).status_code == 403


# ------------------------------------------------------------------------------ the canary


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(scope="module")
def own(launch_winnow: Callable[..., Winnow]) -> Winnow:
    """A service of its own, whose files can be searched."""
    return launch_winnow(WINNOW_OUTGOING_NETWORKS=LOCAL, WINNOW_RATE_LIMITS="on")


def command(winnow: Winnow, *words: str) -> bytes:
    """What a command of `winnow` prints, with the data folder of the running service."""
    asked = [*WINNOW, *words, "--data-dir", str(winnow.home / "data")]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def plant(site: Site, winnow: Winnow) -> dict[str, str]:
    """One person in every field and by every way; the comments' ids."""
    mine = {"email": ADDRESS, "name": NAME, "ip": IP, "user_agent": AGENT}
    mine |= {"url": "https://zq-canary.example/", "metadata": {"k": "zq-canary-meta"}}
    submitted = site.submitted(body=f"{BODY} first", headers={"Idempotency-Key": "k"}, **mine)["id"]
    edit = {"body": f"{BODY} edited"}
    assert site.ask("PATCH", f"/v1/comments/{submitted}", json=edit).status_code == 200
    shown = site.ask("GET", f"/v1/comments/{submitted}").json()
    note = {"text": f"{NOTE} about them"}
    assert site.ask("POST", f"/v1/comments/{submitted}/notes", json=note).status_code == 201
    fields = {"reason": "zq-canary-reason", "note": f"{NOTE} decided"}
    assert site.decide(submitted, "approve", shown["version"], fields=fields).status_code == 200

    refused = site.submitted(body=f"{BODY} refused", **mine)
    assert site.decide(refused["id"], "reject", 1).status_code == 200
    token = refused["receipt"].rpartition("/")[2]
    said = {"text": "zq-canary-appeal, please look again"}
    assert winnow.ask("POST", f"/v1/receipts/{token}/appeal", json=said).status_code == 200

    form = {"page": PAGE, "name": NAME, "email": ADDRESS, "body": f"{BODY} by a form"}
    posted = winnow.http.post(
        "/v1/comments",
        data=form | {"site": site.id, "key": site.publishable},
        headers={"Origin": ORIGIN, "User-Agent": AGENT},
        follow_redirects=False,
    )
    if posted.status_code == 401:  # the key goes in the header where forms may not carry it
        posted = winnow.http.post(
            "/v1/comments",
            data=form,
            headers={"Origin": ORIGIN, "Authorization": f"Bearer {site.publishable}"},
            follow_redirects=False,
        )
    assert posted.status_code in (201, 303), posted.text
    turned = winnow.admin("PATCH", f"/v1/sites/{site.id}", json={"akismet_queue": True})
    assert turned.status_code == 200
    akismet = {
        "comment_author": NAME, "comment_author_email": ADDRESS, "user_ip": IP,
        "comment_content": f"{BODY} through Akismet's door", "user_agent": AGENT,
    }  # fmt: skip
    key = site.key("compat")
    assert check(site, key, **akismet).status_code == 200
    assert (
        winnow.http.post(
            "/1.1/submit-spam", data=akismet | {"blog": ORIGIN, "api_key": key}
        ).status_code
        == 200
    )
    line = {"page": PAGE, "name": NAME, "email": ADDRESS, "ip": IP, "body": f"{BODY} imported"}
    file = winnow.home / "zq.jsonl"
    file.write_text(json.dumps(line | {"status": "approved", "decision": "approve"}) + "\n")
    command(winnow, "import", site.id, str(file))
    file.unlink()
    return {"approved": submitted, "refused": refused["id"]}


def public(site: Site, winnow: Winnow) -> list[tuple[str, bytes]]:
    """What anybody may read, and what a website's server gets to read."""
    reader = {"site": site.id, "page": PAGE}
    found = [
        ("thread", winnow.ask("GET", "/v1/pages/comments", site.publishable, params=reader)),
        ("page", winnow.ask("GET", "/v1/pages", site.publishable, params={"url": PAGE})),
        ("metrics", winnow.admin("GET", "/metrics")),
        ("ready", winnow.ask("GET", "/readyz")),
        ("queue", site.ask("GET", "/v1/queues/approved", params={"site": site.id})),
        ("pending", site.ask("GET", "/v1/queues/pending", params={"site": site.id})),
        ("campaigns", site.ask("GET", f"/v1/sites/{site.id}/campaigns")),
    ]
    return [(name, answer.content) for name, answer in found]


def files(home: Path) -> Iterator[tuple[str, bytes]]:
    """Every file that the service keeps or writes, unpacked where it is packed."""
    for path in home.rglob("*"):
        try:
            content = path.read_bytes() if path.is_file() else b""
        except (FileNotFoundError, OSError):
            continue
        yield str(path), gzip.decompress(content) if path.suffix == ".gz" else content


def traces(found: Any, needles: tuple[str, ...]) -> list[tuple[str, str]]:
    """Which needles stand where."""
    return [(w, n) for w, content in found for n in needles if n.encode() in content.lower()]


def test_a_planted_person_is_seen_nowhere_in_the_open_and_nowhere_at_all_once_erased(
    own: Winnow, receiver: Receiver
) -> None:
    site = own.site()
    hook = {"url": receiver.url, "events": ["comment.approved", "comment.erased"]}
    made = site.ask("POST", f"/v1/sites/{site.id}/webhooks", json=hook)
    assert made.status_code == 201, made.text
    ids = plant(site, own)
    until(lambda: any(NAME.encode() in got.body for got in receiver.got), 30)

    # While the person is known: the address, the IP and the browser stand nowhere in the open.
    seen = public(site, own)
    assert traces(seen, NEVER_OPEN) == []
    assert traces([("webhook", got.body) for got in receiver.got], NEVER_OPEN) == []
    assert traces(files(own.home), NEVER_OPEN) == []
    assert traces(seen, (NAME, BODY)), "the canary was planted where it may be seen"
    assert traces(files(own.home), (BODY,)), "the canary stands in the append-only file"
    whole = command(own, "export", site.id, "--author", ADDRESS)
    for held in (ADDRESS, IP, AGENT, NAME, f"{BODY} first", f"{BODY} edited", NOTE, "appeal"):
        assert held.encode() in whole, held

    before = len(receiver.got)
    answer = erase(site)
    assert answer.status_code == 200, answer.text
    assert answer.json()["comments"] >= 5

    # Afterwards: not in an answer, an event, a log; and no byte of it in any file.
    until(lambda: len(receiver.got) > before and _erased_told(receiver, ids["approved"]), 30)
    replayed = receiver.got[before:]
    assert traces([("webhook", got.body) for got in replayed], ERASED) == []
    exported = own.admin("GET", f"/v1/sites/{site.id}/export").content
    told = [*public(site, own), ("export", exported), ("erasure", answer.content)]
    for name in ids.values():
        for path in (f"/v1/comments/{name}", f"/v1/comments/{name}/history"):
            told.append((path, site.ask("GET", path).content))
    assert traces(told, ERASED) == []
    until(lambda: not traces(files(own.home), ERASED), 60)
    assert traces(files(own.home), ERASED) == []


def _erased_told(receiver: Receiver, comment_id: str) -> bool:
    told = [got.json for got in list(receiver.got)]
    return any(t["type"] == "comment.erased" and t["data"]["id"] == comment_id for t in told)


def test_the_command_erases_beside_the_running_service_and_asks_first(own: Winnow) -> None:
    site = own.site()
    site.submitted(email="cli@example.org")
    done = json.loads(command(own, "erase", site.id, "cli@example.org", "--yes", "--json"))
    assert (done["status"], done["comments"]) == ("done", 1)
    asked = subprocess.run(
        [*WINNOW, "erase", site.id, "cli@example.org", "--data-dir", str(own.home / "data")],
        cwd=ROOT, capture_output=True, input=b"n\n", check=False,
    )  # fmt: skip
    assert asked.returncode != 0
    assert b"for good?" in asked.stderr


def test_another_secret_is_refused_at_the_start_with_one_clear_line(own: Winnow) -> None:
    asked = subprocess.run(
        [*WINNOW, "site", "list", "--data-dir", str(own.home / "data")],
        cwd=ROOT, capture_output=True, check=False,
        env={"PATH": "/usr/bin:/bin", "WINNOW_SECRET": "5a" * 32},
    )  # fmt: skip
    assert asked.returncode == 78, asked.stderr
    assert asked.stderr.startswith(b"winnow: WINNOW_SECRET: the data belong to another secret")
    assert asked.stderr.count(b"\n") == 1
