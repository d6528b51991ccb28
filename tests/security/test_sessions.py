"""Requirements of console sessions: nobody chooses, keeps or reads another's."""

from __future__ import annotations

import hashlib

import httpx
import redis

from tests.conftest import Site, Winnow

OURS = {"Sec-Fetch-Site": "same-origin"}


def link(winnow: Winnow, site: Site) -> str:
    """A new moderator's one-time token."""
    person = {"name": "S", "email": "s@x.example", "role": "moderator", "sites": [site.id]}
    made = winnow.admin("POST", "/v1/moderators", json=person).json()
    return str(made["sign_in"].partition("token=")[2])


def test_a_session_that_somebody_else_chose_is_never_taken_over(winnow: Winnow, site: Site) -> None:
    """Fixation: a cookie planted before sign-in opens nothing after it."""
    planted = "A" * 43
    with httpx.Client(base_url=winnow.url, timeout=20) as browser:
        browser.cookies.set("winnow", planted)
        answer = browser.post("/console/sign-in", data={"token": link(winnow, site)}, headers=OURS)
        assert answer.status_code == 303
        given = answer.cookies["winnow"]
    assert given != planted
    assert len(given) >= 43, "256 random bits"
    for cookie, status in ((planted, 401), (given, 200)):
        found = httpx.get(f"{winnow.url}/console", cookies={"winnow": cookie})
        assert found.status_code == status


def test_the_store_holds_nothing_that_opens_the_console(winnow: Winnow, site: Site) -> None:
    """Sessions, links and keys are there as hashes only: a dump opens nothing."""
    token = link(winnow, site)
    used = link(winnow, site)
    with httpx.Client(base_url=winnow.url, timeout=20) as browser:
        browser.post("/console/sign-in", data={"token": used}, headers=OURS)
        cookie = browser.cookies["winnow"]
    with redis.Redis.from_url(winnow.redis_url) as client:
        names = set(client.scan_iter(match="w:*", count=1000))
        assert f"w:session:{hashlib.sha256(cookie.encode()).hexdigest()}".encode() in names
        kept = [client.get(n) if client.type(n) == b"string" else b"" for n in names]
        for name in names:
            if client.type(name) == b"hash":
                kept += [value for pair in client.hgetall(name).items() for value in pair]
            elif client.type(name) == b"set":
                kept += client.smembers(name)
    everything = b"\n".join([*names, *(value or b"" for value in kept)])
    for secret in (token, used, cookie, site.secret, site.publishable):
        assert secret.encode() not in everything
