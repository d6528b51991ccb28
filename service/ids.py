"""Identifiers: time-ordered comment ids that tell their site, receipts, and the keyed hashes.

A comment id is a ULID (https://github.com/ulid/spec: 48 bits of milliseconds, 80 further bits, 26
characters of Crockford's base32) whose 80 bits are 20 bits of site number and 60 random bits. So
any process finds a comment's site, and with it the hash tag of its keys, without a look-up.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import unicodedata
import uuid
from functools import lru_cache

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES = {c: i for i, c in enumerate(_ALPHABET)}
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
MAX_SITE_NUMBER = (1 << 20) - 1


def _base32(value: int, length: int) -> str:
    parts = []
    for _ in range(length // 2):
        parts.append(_PAIRS[value & 1023])
        value >>= 10
    return "".join(reversed(parts))


def new_id(now_ms: int, site_number: int) -> str:
    """A new comment id of 26 characters.

    Raises:
        ValueError: `site_number` is not in 0..2**20-1.
    """
    if not 0 <= site_number <= MAX_SITE_NUMBER:
        raise ValueError("site number out of range")
    return _base32(now_ms, 10) + _base32(site_number, 4) + _base32(secrets.randbits(60), 12)


class Sequence:
    """Ids that rise within one process even inside one millisecond (the ULID's monotonic mode)."""

    def __init__(self) -> None:
        self._at: tuple[int, int] | None = None
        self._front = ""
        self._value = 0

    def next(self, now_ms: int, site_number: int) -> str:
        """A new comment id, behind the last one of the same millisecond and site.

        Raises:
            ValueError: as `new_id`.
        """
        value = self._value + 1 + secrets.randbits(40)
        if (now_ms, site_number) != self._at or value >= 1 << 60:
            fresh = new_id(now_ms, site_number)
            self._at, self._front, self._value = (
                (now_ms, site_number),
                fresh[:14],
                number_within(fresh),
            )
            return fresh
        self._value = value
        return self._front + _base32(value, 12)


def named_id(name: str, site_number: int) -> str:
    """An id like a comment's that the same name gives again."""
    digest = hashlib.sha256(name.encode()).digest()
    first, last = int.from_bytes(digest[:6], "big"), int.from_bytes(digest[6:14], "big")
    return _base32(first, 10) + _base32(site_number, 4) + _base32(last % (1 << 60), 12)


def site_number_of(comment_id: str) -> int | None:
    """The site number inside a comment id; None where it is no such id."""
    if len(comment_id) != 26:
        return None
    number = 0
    for char in comment_id[10:14]:
        value = _VALUES.get(char)
        if value is None:
            return None
        number = number << 5 | value
    return number


def as_uuid(comment_id: str) -> str:
    """A comment id written as a UUID: the same 128 bits, for who knows no other spelling."""
    value = 0
    for char in comment_id:
        value = value << 5 | _VALUES[char]
    return str(uuid.UUID(int=value))


def from_uuid(text: str) -> str | None:
    """The comment id that `as_uuid` wrote; None where this is no UUID."""
    try:
        return _base32(uuid.UUID(text).int, 26)
    except ValueError:
        return None


def number_within(comment_id: str) -> int:
    """The random 60 bits of a comment id: a number for systems that know only such ids."""
    number = 0
    for char in comment_id[14:]:
        number = number << 5 | _VALUES[char]
    return number


def random_id(size: int = 12) -> str:
    """`size` random bytes as URL-safe text, for keys, moderators and operations.

    Never with a hyphen in front: a command line would take such an id for an option.
    """
    text = "-"
    while text.startswith("-"):
        text = base64.urlsafe_b64encode(secrets.token_bytes(size)).decode().rstrip("=")
    return text


@lru_cache(4096)
def short_hash(text: str) -> str:
    """128 bits of SHA-256 as 22 URL-safe characters: names pages and operations inside keys."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()[:16]).decode()[:22]


class Keyed:
    """HMAC-SHA256 under one key, its first half worked out once (RFC 2104, section 4).

    A quarter of what `hmac.digest` costs for a short text; every comment takes two.
    """

    def __init__(self, key: bytes) -> None:
        block = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def digest(self, text: bytes) -> bytes:
        """The 32 bytes of HMAC-SHA256(key, text)."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text)
        outer.update(inner.digest())
        return outer.digest()


class Secrets:
    """The installation's secret, and what is derived from it.

    Sub-keys are HMAC-SHA256(secret, purpose), one per purpose, so that one leaked sub-key opens
    nothing else.
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 16:
            raise ValueError("the installation's secret needs at least 16 bytes")
        self._secret = secret
        self._author_key = Keyed(self.subkey("author"))
        self._receipt_key = Keyed(self.subkey("receipt"))

    def subkey(self, purpose: str) -> bytes:
        """32 bytes for one purpose."""
        return hmac.digest(self._secret, b"winnow:" + purpose.encode(), "sha256")

    def author_id(self, site: str, email: str) -> str:
        """A keyed hash of an address on one site: 22 URL-safe characters.

        Of what Unicode counts as the same text (NFKC, then case folded), so that one person is one
        author however they spell their address.
        """
        folded = unicodedata.normalize("NFKC", email).casefold()
        digest = self._author_key.digest(f"{site}\0{folded}".encode())
        return base64.urlsafe_b64encode(digest[:16]).decode()[:22]

    def receipt(self, comment_id: str) -> str:
        """The token of a comment's receipt: its id and a signature."""
        digest = self._receipt_key.digest(comment_id.encode())
        return f"{comment_id}.{base64.urlsafe_b64encode(digest[:15]).decode()}"

    def open_receipt(self, token: str) -> str | None:
        """The comment id of a receipt token; None where the token is not ours."""
        comment_id, _, _ = token.partition(".")
        if hmac.compare_digest(self.receipt(comment_id).encode(), token.encode()):
            return comment_id
        return None
