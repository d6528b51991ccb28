"""How moderators prove who they are: passwords (argon2id) and one-time codes (RFC 6238).

A one-time link always signs in as well: it sets the first password, and replaces what was lost.
What is answered, and how long it takes, does not tell whether an address is somebody's.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import secrets
import unicodedata
from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from argon2 import PasswordHasher, profiles
from argon2.exceptions import Argon2Error
from msgspec import Struct

from service.errors import Conflict, Unavailable, invalid
from service.ids import short_hash
from service.pipeline import fields
from service.records import Moderator
from service.store import Store
from service.throttle import Throttle

T = TypeVar("T")

SHORTEST: Final = 12
LONGEST: Final = 128
STRONG: Final = 3
"""The least of zxcvbn's scores 0..4 that a password may have: 10^8 guesses."""
JUDGED: Final = 72
"""Characters of a password that are judged: zxcvbn takes no more."""
HASHER: Final = PasswordHasher.from_parameters(profiles.RFC_9106_LOW_MEMORY)
"""64 MiB, three passes, four lanes; about 0.2 s of one core."""
NOBODYS: Final = (
    "$argon2id$v=19$m=65536,t=3,p=4$cssxmNRFiN4lIcBe478DcQ"
    "$kXsRER0tJPxVDtk+enzsE6vhbPeqcyFiwjoy+z+zZdA"
)
"""What is verified where there is no password, so that it takes as long."""
AT_ONCE: Final = 2
"""Hashes computed at the same time: bounds memory, and leaves cores for comments."""
WAITING: Final = 32
"""Sign-ins that may wait for their turn; beyond, they are refused."""

STEP_S: Final = 30
DIGITS: Final = 6
SKEW: Final = 1
"""Steps a moderator's clock may be off, either way."""


class SignedIn(Struct, frozen=True):
    """Somebody who proved who they are, as of this generation of their sign-in data."""

    moderator: Moderator
    generation: str


class Ways(Struct, frozen=True):
    """What somebody has set up to sign in with."""

    password: bool
    codes: bool


class Offer(Struct, frozen=True):
    """The secret of one-time codes, shown once, as text and as what a QR code holds."""

    secret: str
    uri: str


class Accounts:
    """Signs moderators in, and changes what they sign in with."""

    def __init__(self, store: Store, throttle: Throttle) -> None:
        self._store = store
        self._throttle = throttle
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def sign_in(
        self, email: str, password: str, code: str, *, ip: str, now: int
    ) -> SignedIn | None:
        """Who signs in; None where address, password or code are wrong, whichever it is.

        Raises:
            Throttled: too many tries, for this moderator or from this address.
            Unavailable.
        """
        email = email.strip()
        await self._throttle.sign_in(ip, short_hash(email.casefold()))
        found = await self._store.logins.find(email) or "nobody"
        moderator, login = await asyncio.gather(
            self._store.api_keys.moderator(found), self._store.logins.read(found)
        )
        right = await self._is(password, login.password)
        if not right or moderator is None or moderator.disabled:
            return None
        if login.codes and not await self._use_code(found, login.codes, code, now):
            return None
        return SignedIn(moderator, login.generation)

    async def use_link(self, token: str) -> SignedIn | None:
        """Who signs in with a one-time link, which is used up; None where it is not live."""
        moderator = await self._store.api_keys.use_sign_in(token) if token else None
        if moderator is None:
            return None
        return SignedIn(moderator, await self._store.logins.generation(moderator.id))

    async def ways(self, moderator: Moderator) -> Ways:
        """What a moderator has set up to sign in with."""
        login = await self._store.logins.read(moderator.id)
        return Ways(bool(login.password), bool(login.codes))

    async def set_password(
        self, moderator: Moderator, password: str, *, current: str | None, email: str = ""
    ) -> str:
        """Sets a password; every session ends. Returns the generation of new sessions.

        Args:
            moderator: whose.
            password: the new one.
            current: the one that is replaced; None for who came by a one-time link.
            email: their address, where none is known yet.

        Raises:
            Invalid: the password is too weak, the current one is wrong, or there is no address.
            Conflict: another moderator signs in with this address.
            Throttled.
        """
        named = moderator
        if not moderator.email:
            named = msgspec.structs.replace(moderator, email=_address(email))
        await self._check_current(moderator, current)
        password = _normal(password)
        why = await asyncio.to_thread(weakness, password, (named.name, named.email))
        if why:
            raise invalid("/password", "weak_password", why)
        if not await self._store.logins.claim(named.email, named.id):
            raise Conflict("Another moderator signs in with this address.")
        if named != moderator:
            await self.change(moderator, named)
        hashed = await self._hash(password)
        generation = await self._store.logins.set_password(moderator.id, hashed)
        await self._store.sessions.close_all(moderator.id)
        return generation

    async def offer_codes(self, moderator: Moderator) -> Offer:
        """A new secret for one-time codes; it counts once a code of it was confirmed."""
        secret = secrets.token_bytes(20)
        await self._store.logins.offer_codes(moderator.id, secret)
        return _offer(moderator, secret)

    async def offered(self, moderator: Moderator) -> Offer | None:
        """The secret that waits to be confirmed; None where none does."""
        secret = (await self._store.logins.read(moderator.id)).offered
        return _offer(moderator, secret) if secret else None

    async def confirm_codes(self, moderator: Moderator, code: str, *, now: int) -> None:
        """From now on this moderator's password needs a code as well.

        Raises:
            Invalid: the code is wrong.
            Conflict: no secret was offered.
            Throttled.
        """
        await self._throttle.password(moderator.id)
        offered = (await self._store.logins.read(moderator.id)).offered
        if not offered:
            raise Conflict("Ask for a new secret first.")
        if not await self._use_code(moderator.id, offered, code, now):
            raise invalid("/code", "wrong_code", "this is not the code shown now")
        await self._store.logins.set_codes(moderator.id, offered)

    async def drop_codes(self, moderator: Moderator, *, current: str) -> None:
        """From now on the password alone signs in.

        Raises:
            Invalid: the password is wrong.
            Throttled.
        """
        await self._check_current(moderator, current)
        await self._store.logins.drop_codes(moderator.id)

    async def end_sessions(self, moderator: Moderator) -> None:
        """Ends every session of a moderator, also those that are being opened."""
        await self._store.logins.end_sessions(moderator.id)
        await self._store.sessions.close_all(moderator.id)

    async def change(self, before: Moderator, after: Moderator) -> None:
        """Changes a moderator; one who is disabled is signed out everywhere.

        Raises:
            Conflict: somebody changed them first.
        """
        if not await self._store.api_keys.replace_moderator(before, after):
            raise Conflict("This moderator was changed meanwhile; read them again.")
        if after.disabled:
            await self.end_sessions(after)

    async def remove(self, moderator: Moderator) -> None:
        """Removes a moderator with their tokens, sessions and password; their decisions stay.

        Raises:
            Conflict: somebody changed them first.
        """
        if not await self._store.api_keys.replace_moderator(moderator, None):
            raise Conflict("This moderator was changed meanwhile; read them again.")
        await self._store.api_keys.revoke_tokens(moderator.id)
        await self._store.sessions.close_all(moderator.id)
        await self._store.logins.forget(moderator.id, moderator.email)

    async def _check_current(self, moderator: Moderator, current: str | None) -> None:
        if current is None:
            return
        await self._throttle.password(moderator.id)
        if not await self._is(current, (await self._store.logins.read(moderator.id)).password):
            raise invalid("/current", "wrong_password", "this is not your current password")

    async def _is(self, password: str, hashed: str) -> bool:
        """Whether a password is the hashed one; takes as long where there is none."""
        password = _normal(password)[: LONGEST + 1]
        return await self._in_turn(_verified, hashed or NOBODYS, password) and bool(hashed)

    async def _hash(self, password: str) -> str:
        return await self._in_turn(HASHER.hash, password)

    async def _in_turn(self, work: Callable[..., T], *given: str) -> T:
        if self._waiting >= WAITING:
            raise Unavailable("Too many people are signing in; try again.", retry_after_s=5)
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(work, *given)
        finally:
            self._waiting -= 1

    async def _use_code(self, moderator_id: str, secret: bytes, code: str, now: int) -> bool:
        """Whether this is a code of one of the steps around now that nobody used yet."""
        code, at = "".join(code.split()), now // 1000 // STEP_S
        for step in range(at - SKEW, at + SKEW + 1):
            if hmac.compare_digest(code_at(secret, step).encode(), code.encode()):
                return await self._store.logins.use_code(moderator_id, step)
        return False


def _offer(moderator: Moderator, secret: bytes) -> Offer:
    text = base64.b32encode(secret).decode()
    label = quote(f"Winnow:{moderator.email or moderator.name}")
    query = urlencode({"secret": text, "issuer": "Winnow", "digits": DIGITS, "period": STEP_S})
    return Offer(text, f"otpauth://totp/{label}?{query}")


def code_at(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """The code of one time step (RFC 6238 over RFC 4226, with SHA-1 as every app expects)."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    at = digest[-1] & 15
    number = int.from_bytes(digest[at : at + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def weakness(password: str, about: tuple[str, ...] = ()) -> str:
    """What is wrong with a new password; empty where it may be used.

    `about` are words an attacker would try first: the moderator's own.
    """
    from zxcvbn import zxcvbn  # half a megabyte of words: only who sets a password needs them

    if len(password) < SHORTEST:
        return f"at least {SHORTEST} characters"
    if len(password) > LONGEST:
        return f"at most {LONGEST} characters"
    known = {"winnow", *" ".join(about).lower().replace("@", " ").replace(".", " ").split()}
    found = zxcvbn(password[:JUDGED], user_inputs=sorted(known))
    if found["score"] >= STRONG:
        return ""
    return str(found["feedback"]["warning"]) or "too easy to guess: use more words, unusual ones"


def _address(email: str) -> str:
    try:
        return fields.email(email)
    except fields.Wrong as wrong:
        raise invalid("/email", wrong.code, wrong.detail) from None


def _verified(hashed: str, password: str) -> bool:
    try:
        return HASHER.verify(hashed, password)
    except Argon2Error:
        return False


def _normal(password: str) -> str:
    """The same password however a keyboard composes its letters (NIST SP 800-63B, 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)
