"""The kinds of values a setting may have: how each is read, and its rule in words.

`settings.py` uses them in its table; nothing else does.
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from service import redis_url

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Kind(msgspec.Struct, frozen=True):
    """How one sort of value is read: `rule` in words; `parse` raises ValueError with the problem.

    `parse` gets text (environment, command line) or a TOML value.
    """

    rule: str
    parse: Callable[[Any], Any]


def whole(low: int, high: int) -> Kind:
    """A whole number within the two bounds."""

    def parse(value: Any) -> int:
        text = str(value)
        if isinstance(value, bool) or not re.fullmatch(r"-?[0-9]{1,18}", text):
            raise ValueError("is not a whole number")
        if not low <= int(text) <= high:
            raise ValueError("is out of range")
        return int(text)

    return Kind(f"a whole number from {low:,} to {high:,}", parse)


def seconds(high: int) -> Kind:
    """A number of seconds from 0 to `high`."""

    def parse(value: Any) -> float:
        text = str(value)
        if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
            raise ValueError("is not a number of seconds")
        if float(text) > high:
            raise ValueError("is out of range")
        return float(text)

    return Kind(f"seconds, from 0 to {high:,}", parse)


def share() -> Kind:
    """A part of the whole."""

    def parse(value: Any) -> float:
        text = str(value)
        if isinstance(value, bool) or not re.fullmatch(r"[0-9](\.[0-9]{1,9})?", text):
            raise ValueError("is not a number")
        if float(text) > 1:
            raise ValueError("is out of range")
        return float(text)

    return Kind("a number from 0 to 1", parse)


def switch() -> Kind:
    """On or off."""
    words = dict.fromkeys(("on", "true", "1"), True) | dict.fromkeys(("off", "false", "0"), False)

    def parse(value: Any) -> bool:
        if (word := str(value).lower()) not in words:
            raise ValueError("is neither on nor off")
        return words[word]

    return Kind("on or off (also true, false, 1, 0)", parse)


def one_of(*choices: str) -> Kind:
    """One of the words."""

    def parse(value: Any) -> str:
        if value not in choices:
            raise ValueError("is not among the choices")
        return str(value)

    return Kind("one of " + ", ".join(choices), parse)


def matching(rule: str, pattern: str) -> Kind:
    """Text that `pattern` matches in full; `rule` says so in words."""

    def parse(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise ValueError("does not fit")
        return value

    return Kind(rule, parse)


def path() -> Kind:
    """A path; `~` is the home folder."""

    def parse(value: Any) -> Path:
        if not isinstance(value, str) or "\0" in value:
            raise ValueError("is not a path")
        return Path(value).expanduser()

    return Kind("a path", parse)


def size() -> Kind:
    """A number of bytes, in Redis' spelling."""
    units = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}

    def parse(value: Any) -> int:
        found = re.fullmatch(r"([0-9]{1,15})([kmg]?)b?", str(value).lower())
        if isinstance(value, bool) or found is None:
            raise ValueError("is not a number of bytes")
        return int(found[1]) * units[found[2]]

    return Kind("bytes, also with kb, mb or gb (1 kb is 1,024 bytes); 0 for no limit", parse)


def words(rule: str, pattern: str) -> Kind:
    """A list of words that `pattern` matches in full; `rule` says in words what they are."""

    def parse(value: Any) -> tuple[str, ...]:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list):
            raise ValueError("is not a list")
        found = tuple(str(item).strip() for item in items)
        if not all(re.fullmatch(pattern, item) for item in found):
            raise ValueError("holds an entry that does not fit")
        return found

    return Kind(f"{rule}; several are separated by commas", parse)


def networks() -> Kind:
    """A list of networks; they become texts in CIDR form."""

    def parse(value: Any) -> tuple[str, ...]:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list):
            raise ValueError("is not a list")
        return tuple(str(network(item)) for item in items)

    return Kind("addresses or networks in CIDR form, separated by commas", parse)


def network(item: Any) -> Network:
    """The network a text names; raises ValueError."""
    try:
        return ipaddress.ip_network(str(item).strip())
    except ValueError as error:
        raise ValueError(f"holds an entry that is no network ({error})") from None


def url(rule: str, schemes: tuple[str, ...]) -> Kind:
    """A URL with one of the schemes; a slash at its end is dropped."""

    def parse(value: Any) -> str:
        parts = urlsplit(value if isinstance(value, str) else "")
        if parts.scheme not in schemes or not (parts.netloc or parts.path):
            raise ValueError("is not such a URL")
        return str(value).rstrip("/")

    return Kind(rule, parse)


def store_url() -> Kind:
    """A URL of a store: one server, Sentinels or a Cluster; it stays as it is."""

    def parse(value: Any) -> str:
        text = value.rstrip("/") if isinstance(value, str) else ""
        redis_url.parse(text)
        return text

    return Kind(redis_url.RULE, parse)


def installation_secret() -> Kind:
    """At least 128 random bits; they stay encoded."""

    def parse(value: Any) -> str:
        if len(decoded(str(value))) < 16:
            raise ValueError("is too short or not encoded so")
        return str(value)

    return Kind("at least 16 random bytes, in hexadecimal or base64", parse)


def decoded(text: str) -> bytes:
    """The bytes behind hexadecimal or (URL-safe) base64 text, or none if it is neither."""
    if re.fullmatch(r"(?:[0-9a-fA-F]{2})+", text):
        return bytes.fromhex(text)
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except binascii.Error:
        return b""
