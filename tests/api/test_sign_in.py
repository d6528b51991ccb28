"""Requirements of signing in: passwords, one-time codes, sessions, and who may end them."""

from __future__ import annotations

import asyncio
import base64
import time
from typing import Any

import msgspec
import pytest

from service import accounts
from service.accounts import HASHER, NOBODYS, STEP_S, Accounts, SignedIn, Ways, code_at, weakness
from service.errors import Conflict, Invalid, Throttled, Unavailable
from service.records import Moderator
from service.services import Services
from tests.conftest import Site, Winnow

NOW = 1_760_000_000_000
GOOD = "nine purple teapots argue"
RFC_SECRET = b"12345678901234567890"


async def made(services: Services, **fields: Any) -> Moderator:
    plain = {"id": "ada", "name": "Ada", "email": "ada@staff.example", "role": "moderator"}
    moderator = Moderator(**(plain | {"sites": ("blog",)} | fields))
    await services.store.api_keys.add_moderator(moderator)
    return moderator


async def tried(
    services: Services, password: str, code: str = "", email: str = "ada@staff.example"
) -> SignedIn | None:
    return await services.accounts.sign_in(email, password, code, ip="203.0.113.9", now=NOW)


def pointers(error: pytest.ExceptionInfo[Invalid]) -> list[tuple[str, str]]:
    return [(each.pointer, each.code) for each in error.value.errors]


# -------------------------------------------------------------------------- passwords


async def test_a_password_signs_its_moderator_in_and_no_other_does(services: Services) -> None:
    ada = await made(services)
    assert await tried(services, GOOD) is None
    assert await services.accounts.ways(ada) == Ways(password=False, codes=False)
    generation = await services.accounts.set_password(ada, GOOD, current=None)
    assert await services.accounts.ways(ada) == Ways(password=True, codes=False)
    signed = await tried(services, GOOD, email=" Ada@Staff.example ")
    assert signed == SignedIn(ada, generation)
    assert await tried(services, GOOD + "!") is None
    assert await tried(services, GOOD, email="eve@staff.example") is None
    await services.accounts.change(ada, msgspec.structs.replace(ada, disabled=True))
    assert await tried(services, GOOD) is None


async def test_a_password_is_kept_as_an_encrypted_argon2id_hash_only(services: Services) -> None:
    ada = await made(services)
    await services.accounts.set_password(ada, GOOD, current=None)
    client = services.store.wire.client
    dumped = [await client.hgetall("w:login:ada"), await client.hgetall("w:login-names")]
    assert not any(word in str(dumped) for word in ("argon2", "ada@", GOOD))
    hashed = (await services.store.logins.read(ada.id)).password
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert not HASHER.check_needs_rehash(NOBODYS)


@pytest.mark.parametrize(
    "password",
    ["short", "passwordpassword", "qwertyuiop12", "aaaaaaaaaaaaaaaa", "letmeinletmein",
     "lovelace1815", "x" * 129, "winnowwinnow1"],
)  # fmt: skip
def test_a_weak_password_is_refused_with_a_reason(password: str) -> None:
    assert weakness(password, ("Ada Lovelace", "ada.lovelace@example.org"))


@pytest.mark.parametrize(
    "password", [GOOD, "kq7!vR2#mZp9", "grün ist die schöne Wiese", "ک" * 3 + GOOD]
)
def test_an_unusual_password_needs_no_special_characters(password: str) -> None:
    assert weakness(password, ("Ada",)) == ""


async def test_the_errors_of_a_new_password_point_at_what_is_wrong(services: Services) -> None:
    ada, owner = await made(services), await made(services, id="owner", email="", sites=())
    accounts = services.accounts
    with pytest.raises(Invalid) as weak:
        await accounts.set_password(ada, "passwordpassword", current=None)
    assert pointers(weak) == [("/password", "weak_password")]
    with pytest.raises(Invalid) as nameless:
        await accounts.set_password(owner, GOOD, current=None)
    assert pointers(nameless) == [("/email", "empty")]
    with pytest.raises(Invalid) as wrong:
        await accounts.set_password(ada, GOOD, current="not it at all")
    assert pointers(wrong) == [("/current", "wrong_password")]
    await accounts.set_password(owner, GOOD, current=None, email="owner@staff.example")
    assert await tried(services, GOOD, email="owner@staff.example")
    double = await made(services, id="double", email="OWNER@staff.example")
    with pytest.raises(Conflict):
        await accounts.set_password(double, GOOD, current=None)


async def test_an_unknown_address_takes_as_long_as_a_wrong_password(services: Services) -> None:
    ada = await made(services)
    await services.accounts.set_password(ada, GOOD, current=None)
    took: dict[str, list[float]] = {"ada@staff.example": [], "nobody@staff.example": []}
    for _ in range(3):
        for email, times in took.items():
            started = time.process_time()
            assert await tried(services, "wrong", email=email) is None
            times.append(time.process_time() - started)
    known, unknown = (min(times) for times in took.values())
    assert 0.6 < known / unknown < 1.6


async def test_tries_are_limited_for_each_moderator_and_from_each_address(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the moderator exists or not; the key of the limit holds no address."""

    async def wrong(self: Accounts, password: str, hashed: str) -> bool:
        return False

    monkeypatch.setattr(Accounts, "_is", wrong)
    sign_in = services.accounts.sign_in
    for i in range(10):
        await sign_in("ada@staff.example", "wrong", "", ip=f"203.0.113.{i}", now=NOW)
    with pytest.raises(Throttled):
        await sign_in("ADA@staff.example", "wrong", "", ip="198.51.100.1", now=NOW)
    for i in range(30):
        await sign_in(f"{i}@staff.example", "wrong", "", ip="192.0.2.1", now=NOW)
    with pytest.raises(Throttled):
        await sign_in("new@staff.example", "wrong", "", ip="192.0.2.1", now=NOW)
    assert not [k async for k in services.store.wire.client.scan_iter("*staff.example*")]


async def test_a_crowd_at_the_door_is_refused_rather_than_kept_waiting(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hashes at a time, so that comments keep their cores; the rest is told to come back."""
    now, most = 0, 0

    def slow(hashed: str, password: str) -> bool:
        nonlocal now, most
        now += 1
        most = max(most, now)
        time.sleep(0.005)
        now -= 1
        return False

    monkeypatch.setattr(accounts, "_verified", slow)
    tries = [
        services.accounts.sign_in(f"{i}@staff.example", "x", "", ip=f"192.0.2.{i}", now=NOW)
        for i in range(80)
    ]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    refused = [each for each in answers if isinstance(each, Unavailable)]
    assert 0 < len(refused) < 80
    assert len(refused) + answers.count(None) == 80
    assert most <= accounts.AT_ONCE


# ------------------------------------------------------------------------------ codes


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_codes_are_those_of_rfc_6238(at: int, code: str) -> None:
    assert code_at(RFC_SECRET, at // STEP_S, digits=8) == code
    assert code_at(RFC_SECRET, at // STEP_S) == code[-6:]


async def test_codes_count_once_confirmed_and_each_works_once(services: Services) -> None:
    ada, accounts = await made(services), services.accounts
    await accounts.set_password(ada, GOOD, current=None)
    assert await accounts.offered(ada) is None
    offer = await accounts.offer_codes(ada)
    assert await accounts.offered(ada) == offer
    assert offer.uri.startswith("otpauth://totp/Winnow%3Aada%40staff.example?secret=")
    assert await tried(services, GOOD), "an offer alone changes nothing"
    secret, step = base64.b32decode(offer.secret), NOW // 1000 // STEP_S
    with pytest.raises(Invalid) as wrong:
        await accounts.confirm_codes(ada, "000000", now=NOW)
    assert pointers(wrong) == [("/code", "wrong_code")]
    await accounts.confirm_codes(ada, code_at(secret, step), now=NOW)
    assert await accounts.offered(ada) is None
    assert await tried(services, GOOD) is None
    assert await tried(services, GOOD, code_at(secret, step)) is None, "used to confirm"
    assert await tried(services, GOOD, code_at(secret, step + 2)) is None, "too early"
    late = code_at(secret, step - 1)
    assert await tried(services, GOOD, f"{late[:3]} {late[3:]}")
    assert await tried(services, GOOD, late) is None
    assert secret not in str(await services.store.wire.client.hgetall("w:login:ada")).encode()
    await accounts.drop_codes(ada, current=GOOD)
    assert await tried(services, GOOD)


# --------------------------------------------------------------------------- sessions


async def test_a_session_opened_with_the_old_password_is_dead_at_birth(services: Services) -> None:
    """Whoever signs in while the password changes does not slip through."""
    ada = await made(services)
    await services.accounts.set_password(ada, GOOD, current=None)
    signed = await tried(services, GOOD)
    assert signed
    await services.accounts.set_password(ada, GOOD + " loudly", current=GOOD)
    await services.store.sessions.open("ada", NOW, generation=signed.generation, by="password")
    generation = await services.store.logins.generation("ada")
    assert await services.store.sessions.of("ada", generation) == []


# -------------------------------------------------------------------------------- API


def person(winnow: Winnow, role: str, *sites: str, **more: Any) -> dict[str, Any]:
    asked = {"name": role, "email": f"{role}@staff.example", "role": role, "sites": list(sites)}
    answer = winnow.admin("POST", "/v1/moderators", json=asked | more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_an_admin_changes_and_removes_the_moderators_of_their_sites(
    winnow: Winnow, site: Site
) -> None:
    other = winnow.site()
    chief, ann = person(winnow, "admin", site.id), person(winnow, "moderator", site.id)
    stranger = person(winnow, "moderator", site.id, other.id)
    path = f"/v1/moderators/{ann['id']}"
    assert site.ask("GET", path, chief["token"]).json()["role"] == "moderator"
    assert site.ask("GET", f"/v1/moderators/{stranger['id']}", chief["token"]).status_code == 404
    for wrong, pointer in (
        ({"sites": [other.id]}, "/sites/0"), ({"sites": []}, "/sites"), ({"role": "king"}, "/role"),
        ({"nonsense": 1}, "/nonsense"),
    ):  # fmt: skip
        answer = site.ask("PATCH", path, chief["token"], json=wrong)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert (
        site.ask("PATCH", path, chief["token"], json={"role": "viewer"}).json()["role"] == "viewer"
    )
    assert site.decide(site.submitted()["id"], "approve", 1, key=ann["token"]).status_code in (
        200, 403,
    )  # fmt: skip
    assert site.ask("PATCH", path, ann["token"], json={"role": "admin"}).status_code == 403
    assert site.ask("DELETE", path, chief["token"]).status_code == 204
    assert site.ask("GET", path, chief["token"]).status_code == 404
    listed = winnow.admin("GET", "/v1/moderators").json()["items"]
    assert ann["id"] not in [each["id"] for each in listed]
    time.sleep(0.6)  # a token is trusted for half a second without asking the store
    assert site.ask("GET", "/v1/queues", ann["token"]).status_code == 401


def signed_in(winnow: Winnow, link: str, **headers: str) -> dict[str, str]:
    """The cookies of a browser that used a one-time link."""
    given = {"Sec-Fetch-Site": "same-origin"} | headers
    token = {"token": link.partition("token=")[2]}
    winnow.http.cookies.clear()
    answer = winnow.ask("POST", "/console/sign-in", data=token, headers=given)
    assert answer.status_code == 303, answer.text
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}


def opens(winnow: Winnow, cookie: dict[str, str]) -> bool:
    winnow.http.cookies.clear()
    return winnow.ask("GET", "/console", headers=cookie).status_code == 200


def test_sessions_are_listed_and_ended_by_their_moderator_and_by_an_admin(
    winnow: Winnow, site: Site
) -> None:
    ann, eve = person(winnow, "moderator", site.id), person(winnow, "viewer", site.id)
    path = f"/v1/moderators/{ann['id']}"
    again = winnow.admin("POST", path + "/sign-in").json()["sign_in"]
    first = signed_in(winnow, ann["sign_in"], **{"User-Agent": "Firefox on a desk"})
    second = signed_in(winnow, again)
    rows = site.ask("GET", path + "/sessions", ann["token"]).json()["items"]
    assert "Firefox on a desk" in [row["agent"] for row in rows]
    assert [row["by"] for row in rows] == ["link", "link"]
    assert site.ask("GET", path + "/sessions", eve["token"]).status_code == 404
    assert site.ask("GET", path + "/sessions", site.secret).status_code == 404
    desk = next(row["id"] for row in rows if row["agent"] == "Firefox on a desk")
    assert site.ask("DELETE", f"{path}/sessions/{desk}", eve["token"]).status_code == 404
    assert site.ask("DELETE", f"{path}/sessions/{desk}", ann["token"]).status_code == 204
    assert (opens(winnow, first), opens(winnow, second)) == (False, True)
    assert site.ask("DELETE", f"{path}/sessions/{desk}", ann["token"]).status_code == 404
    assert winnow.admin("DELETE", path + "/sessions").status_code == 204
    assert not opens(winnow, second)


def test_a_disabled_moderator_is_out_at_once_and_gets_no_link(winnow: Winnow, site: Site) -> None:
    ann = person(winnow, "moderator", site.id)
    path = f"/v1/moderators/{ann['id']}"
    unused = winnow.admin("POST", path + "/sign-in").json()["sign_in"]
    cookie = signed_in(winnow, ann["sign_in"])
    assert winnow.admin("PATCH", path, json={"disabled": True}).json()["disabled"] is True
    assert not opens(winnow, cookie)
    assert winnow.admin("POST", path + "/sign-in").status_code == 409
    token = {"token": unused.partition("token=")[2]}
    origin = {"Sec-Fetch-Site": "same-origin"}
    answer = winnow.ask("POST", "/console/sign-in", data=token, headers=origin)
    assert answer.status_code == 403
    time.sleep(0.6)  # as above
    assert site.ask("GET", "/v1/queues", ann["token"]).status_code == 401
    winnow.admin("PATCH", path, json={"disabled": False})
    assert site.ask("GET", "/v1/queues", ann["token"]).status_code == 200


def test_signing_in_again_ends_the_browsers_earlier_session(winnow: Winnow, site: Site) -> None:
    """A planted cookie is worth nothing afterwards."""
    ann = person(winnow, "moderator", site.id)
    first = signed_in(winnow, ann["sign_in"])
    link = winnow.admin("POST", f"/v1/moderators/{ann['id']}/sign-in").json()["sign_in"]
    second = signed_in(winnow, link, **first)
    assert (opens(winnow, first), opens(winnow, second)) == (False, True)
