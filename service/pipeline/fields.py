"""What a single posted field may look like: one function per kind of field, no more.

Each takes the posted value and returns its final, canonical form, or raises `Wrong` with a code of
`CODES`. Nothing here knows of requests, other fields or the network.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from socket import AF_INET, inet_ntop, inet_pton
from typing import Annotated, Any, Final
from urllib.parse import quote

import idna
import msgspec
from email_validator import EmailNotValidError, validate_email

CODES: Final[dict[str, str]] = {
    "required": "This field is required",
    "unknown_field": "There is no such field",
    "duplicate_field": "This field is given more than once",
    "wrong_type": "The value is of the wrong type",
    "empty": "Nothing visible is left after trimming",
    "too_long": "The text is longer than allowed",
    "too_short": "The text is shorter than needed",
    "too_large": "The data is larger, or nested deeper, than allowed",
    "out_of_range": "The value is outside the allowed range",
    "control_character": "Control characters are not allowed",
    "invalid_email": "This is not an e-mail address",
    "invalid_url": "This is not an address of a web page",
    "invalid_ip": "This is not an IPv4 or IPv6 address",
    "invalid_date": "This is not a date and time with a zone (RFC 3339)",
    "invalid_id": "This is not the id of a comment",
    "unknown_parent": "There is no such comment on this page",
    "invalid_locale": "This is not a language tag (BCP 47)",
    "not_allowed": "This field may not be set with this key",
}
"""Every code a field error may carry, and its sentence; the documentation is made from it."""

NAME_MAX: Final = 80
EMAIL_MAX: Final = 254
"""RFC 5321 4.5.3.1.3, less the angle brackets."""
URL_MAX: Final = 2_048
PAGE_TITLE_MAX: Final = 300
USER_AGENT_MAX: Final = 512
HONEYPOT_MAX: Final = 1_000
LOCALE_MAX: Final = 35
"""RFC 5646 4.4.1."""
ELAPSED_MAX: Final = 7 * 86_400_000
METADATA_MAX: Final = 2_000
"""Bytes as JSON."""
METADATA_DEPTH: Final = 16
FUTURE_MS: Final = 5 * 60_000
"""How far ahead of ours another machine's clock may run."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST: Final = 631_152_000_000
"""1990-01-01 in ms: there were no comments on the web before."""
_MS: Final = timedelta(milliseconds=1)
_DATE: Final = Annotated[datetime, msgspec.Meta(tz=True)]

# Surrogates cannot be stored as UTF-8. Line separators count as line breaks.
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL_OR_BREAK: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Letters and symbols by category that nevertheless draw nothing: Hangul fillers, blank Braille.
_BLANK: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800")
_UNSEEN: Final = frozenset(["Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Mn", "Mc", "Me"])

# A strict subset of what email-validator accepts *and* returns unchanged: all lower case, no label
# with "--" (so no punycode), a domain short enough for every label; see the test that proves it.
_PLAIN_EMAIL: Final = re.compile(
    r"(?=[^@]{1,64}@[^@]{1,63}\Z)[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*"
    r"@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+([a-z]{2,})"
)
_SPECIAL_TLDS: Final = frozenset(["arpa", "invalid", "local", "localhost", "onion", "test"])

_URL: Final = re.compile(r"(https?)://([^/?#]*)([^#]*)(#.*)?", re.IGNORECASE)
# Backslashes too: browsers read them as slashes, so that `//good\@bad` is a host nobody sees.
_UNFIT_FOR_URL: Final = re.compile("[\x00-\x20\x7f-\xa0\\\\\u2028\u2029\u3000\ud800-\udfff]")
_PLAIN_URL: Final = re.compile(r"https?://[a-z0-9-]+(?:\.[a-z0-9-]+)*/[!-\"$-\[\]-~]*")
_HOST: Final = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?")
_PORT: Final = re.compile(r":([0-9]{0,5})\Z")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_ASCII: Final = "".join(map(chr, range(33, 127)))

_ID: Final = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}", re.IGNORECASE | re.ASCII)
_LOCALE: Final = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8})*")


class Wrong(Exception):
    """One field breaks one rule; `code` is a key of `CODES`, `detail` a sentence."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail or CODES[code]


def is_blank(text: str) -> bool:
    """Whether `text` shows nothing: only spaces, zero-width characters or loose accents."""
    return all(char in _BLANK or unicodedata.category(char) in _UNSEEN for char in text)


def line(text: str, limit: int) -> str:
    """One trimmed line of at most `limit` characters; may be empty."""
    trimmed = text.strip()
    if len(trimmed) > limit:
        raise Wrong("too_long", f"{len(trimmed)} characters, {limit} allowed")
    if not text.isprintable() and (_CONTROL.search(text) or _CONTROL_OR_BREAK.search(trimmed)):
        raise Wrong("control_character", "Line breaks and control characters are not allowed")
    return trimmed


def name(text: str) -> str:
    """An author's name in any script."""
    return _visible(line(text, NAME_MAX))


def body(text: str, limit: int) -> str:
    """A comment of at most `limit` characters, its line breaks as `\\n`."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.isprintable() and _CONTROL.search(text):
        raise Wrong("control_character")
    text = text.strip()
    if len(text) > limit:
        raise Wrong("too_long", f"{len(text)} characters, {limit} allowed")
    return _visible(text)


def _visible(text: str) -> str:
    if not text or (not text[0].isascii() and is_blank(text)):
        raise Wrong("empty")
    return text


def email(text: str) -> str:
    """An address, its domain in lower case; syntax only, no look-up."""
    text = text.strip()
    if not text:
        raise Wrong("empty")
    if len(text) > EMAIL_MAX:
        raise Wrong("too_long", f"{len(text)} characters, {EMAIL_MAX} allowed")
    plain = _PLAIN_EMAIL.fullmatch(text)
    if plain and plain[1] not in _SPECIAL_TLDS:
        return text
    return _email_by_library(text)


def _email_by_library(text: str) -> str:
    if _CONTROL_OR_BREAK.search(text):
        raise Wrong("control_character")
    try:
        # A test environment, because sites try Winnow out with addresses below `.test`.
        found = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise Wrong("invalid_email", str(error)) from None
    return found.normalized


def url(text: str) -> str:
    """An absolute http(s) URL in ASCII: scheme and host in lower case, no credentials; or empty."""
    text = text.strip()
    if not text:
        return ""
    return _bounded("".join(_split_url(text)))


def page(text: str) -> str:
    """A page's canonical address: a URL as by `url`, or a path; without fragment."""
    text = text.strip()
    if not text:
        raise Wrong("empty")
    if len(text) <= URL_MAX and _PLAIN_URL.fullmatch(text):
        return text
    if text.startswith("/"):
        return _path(text)
    origin, rest, _ = _split_url(text)
    return _bounded(origin + (rest if rest.startswith("/") else "/" + rest))


def _path(text: str) -> str:
    if text.startswith("//") or _UNFIT_FOR_URL.search(text):
        raise Wrong("invalid_url", "A path starts with one slash and holds no spaces")
    return _bounded(_quoted(text.partition("#")[0]))


def _split_url(text: str) -> tuple[str, str, str]:
    """A URL as canonical origin, path and query, and fragment with its `#`."""
    _bounded(text)
    found = _URL.fullmatch(text)
    if not found or _UNFIT_FOR_URL.search(text):
        raise Wrong("invalid_url", "An address that starts with http:// or https:// is needed")
    scheme, authority, rest, fragment = found.groups(default="")
    scheme = scheme.lower()
    host, port = _authority(scheme, authority)
    return f"{scheme}://{host}{port}", _quoted(rest), _quoted(fragment)


def _authority(scheme: str, text: str) -> tuple[str, str]:
    """Canonical host, and port with its colon or nothing where it is the scheme's own."""
    if "@" in text:
        raise Wrong("invalid_url", "An address may not hold a user name or password")
    found = _PORT.search(text)
    port = int(found[1]) if found and found[1] else _DEFAULT_PORTS[scheme]
    if not 0 < port < 65_536:
        raise Wrong("invalid_url", "No such port")
    host = _host(text[: found.start()] if found else text)
    return host, "" if port == _DEFAULT_PORTS[scheme] else f":{port}"


def _host(text: str) -> str:
    try:
        if text.startswith("[") and text.endswith("]"):
            return f"[{ipaddress.IPv6Address(text[1:-1])}]"
        host = text.lower() if text.isascii() else idna.encode(text, uts46=True).decode()
    except ValueError:  # idna's errors are UnicodeErrors, and those ValueErrors
        raise Wrong("invalid_url", "The host is not valid") from None
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise Wrong("invalid_url", "The host is missing or not valid")
    return host


def _quoted(text: str) -> str:
    """Text outside ASCII percent-encoded as browsers do, so that one page has one address."""
    return text if text.isascii() else quote(text, safe=_ASCII)


def _bounded(text: str) -> str:
    if len(text) > URL_MAX:
        raise Wrong("too_long", f"{len(text)} characters, {URL_MAX} allowed")
    return text


def comment_id(text: str) -> str | None:
    """The id of another comment, in upper case as ours are; empty = none."""
    if not text:
        return None
    if not _ID.fullmatch(text):
        raise Wrong("invalid_id")
    return text.upper()


def ip(text: str) -> str:
    """An address in canonical form; IPv4 inside IPv6 becomes IPv4."""
    text = text.strip()
    if not text:
        return ""
    if _is_ipv4(text):
        return text
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise Wrong("invalid_ip") from None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id:
            raise Wrong("invalid_ip", "An address with a zone means nothing elsewhere")
        address = address.ipv4_mapped or address
    return str(address)


def _is_ipv4(text: str) -> bool:
    """Whether it is four numbers in their one spelling, as nearly all are (a tenth of the cost)."""
    if not text.isascii() or len(text) > 15:
        return False
    try:
        return inet_ntop(AF_INET, inet_pton(AF_INET, text)) == text
    except (OSError, ValueError):
        return False


def locale(text: str) -> str:
    """A language tag; `en_GB` becomes `en-GB`."""
    text = text.strip()
    if text and (len(text) > LOCALE_MAX or not _LOCALE.fullmatch(text)):
        raise Wrong("invalid_locale")
    return text.replace("_", "-")


def instant(text: str, now: int | None) -> int | None:
    """A moment in ms since the epoch, not before 1990 nor after `now` (None = no such limit)."""
    if not text:
        return None
    try:
        moment: datetime = msgspec.convert(text, _DATE)
    except (msgspec.ValidationError, ValueError):
        raise Wrong("invalid_date") from None
    at = (moment - _EPOCH) // _MS
    if at < _EARLIEST:
        raise Wrong("out_of_range", "The date is before 1990")
    if now is not None and at > now + FUTURE_MS:
        raise Wrong("out_of_range", "The date lies in the future")
    return at


def elapsed(ms: int) -> int:
    """How long the author had the form open, in ms."""
    if not 0 <= ms <= ELAPSED_MAX:
        raise Wrong("out_of_range", f"Between 0 and {ELAPSED_MAX} ms")
    return ms


def honeypot(text: str) -> str:
    """Whatever a robot wrote into the hidden field: a signal, never an error, unless huge."""
    if len(text) > HONEYPOT_MAX:
        raise Wrong("too_long", f"{len(text)} characters, {HONEYPOT_MAX} allowed")
    return text


def metadata(data: dict[str, Any]) -> dict[str, Any]:
    """A small JSON object that can be stored again."""
    if not data:
        return {}
    try:
        size = len(msgspec.json.encode(data))
        msgspec.msgpack.encode(data)  # refuses integers that the store could not keep
    except RecursionError:
        raise Wrong("too_large", "Nested too deeply") from None
    except (OverflowError, ValueError, TypeError):
        raise Wrong("out_of_range", "Not a value that JSON and 64 bits can hold") from None
    if size > METADATA_MAX:
        raise Wrong("too_large", f"{size} bytes as JSON, {METADATA_MAX} allowed")
    if _deeper_than(data, METADATA_DEPTH):
        raise Wrong("too_large", f"Nested deeper than {METADATA_DEPTH} levels")
    if _holds_nul(data):
        raise Wrong("control_character", "NUL characters are not kept")
    return data


def _holds_nul(value: Any) -> bool:
    """Whether a text inside holds the character that ends a text in other systems."""
    if isinstance(value, dict):
        return any("\0" in name or _holds_nul(part) for name, part in value.items())
    if isinstance(value, list):
        return any(map(_holds_nul, value))
    return isinstance(value, str) and "\0" in value


def _deeper_than(value: Any, levels: int) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return False
    return levels == 0 or any(_deeper_than(part, levels - 1) for part in value)
