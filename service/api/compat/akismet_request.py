"""What Akismet's clients send, in every spelling of it, as one `Asked`.

Lenient on purpose: fields nobody knows are passed by, values that break our rules are cut or left
out, and no client ever gets a list of its mistakes. Required is what Akismet requires.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec
from msgspec import Struct

from service.api.requests import Req, read_body
from service.errors import Malformed, TooSlow, Unavailable
from service.pipeline import fields
from service.pipeline.fields import Wrong
from service.records import Draft

FIELDS_MAX: Final = 5_000
"""WordPress sends the whole form and its server's variables along."""
BODY_MAX: Final = 10_000
"""Characters of a comment that are read: of a longer one its beginning, and its end."""
END: Final = 1_000
CUT: Final = "\n…\n"

KEY: Final = re.compile(r"[a-z0-9]{12}")
_HOST: Final = re.compile(r"[a-z0-9_.:\[\]-]{1,253}")
_CHARSET: Final = re.compile(r"charset\s*=\s*\"?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_LEGACY: Final = re.compile(
    r"iso-?8859-\d+|windows-?\d+|cp\d+|latin-?1|koi8-[ru]|euc-(jp|kr)|shift_jis|gb(2312|k|18030)|big5",
    re.IGNORECASE,
)
"""Charsets of old blogs; among Python's others are some that take very long."""
_BOUNDARY: Final = re.compile(r"boundary=\"?([^\s\";]{1,70})", re.ASCII | re.IGNORECASE)
_PART_NAME: Final = re.compile(rb"[;\s]name=\"?([^\";\r\n]{1,100})", re.IGNORECASE)
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_SLASHED: Final = re.compile(r"\\(.)", re.DOTALL)
_BARE_QUOTE: Final = re.compile(r"""(?<!\\)(?:\\\\)*["']""")
_PRIVATE: Final = frozenset(["contactform", "signup", "message"])
_TRUE: Final = frozenset(["1", "true", "yes", "on"])


class Asked(Struct, frozen=True):
    """One call: its fields, and the key it came with ('' = none)."""

    fields: dict[str, str]
    key: str
    agent: str = ""

    @property
    def wordpress(self) -> bool:
        """Whether WordPress's own plugin asks."""
        return self.agent.startswith("WordPress/") and "Akismet/" in self.agent

    def text(self, *names: str) -> str:
        """The first of these fields that is there and not blank, trimmed."""
        given = (self.fields.get(name, "").strip() for name in names)
        return next(filter(None, given), "")

    def flag(self, name: str) -> bool:
        """Whether a field says yes: `1`, `true` and `True` all occur."""
        return self.text(name).lower() in _TRUE

    def _said(self, name: str) -> str:
        """What a visitor wrote, without the backslashes PHP once put before quotes.

        WordPress still sends a new comment with them (seen with 5.0.2), and a stored one without.
        """
        text = self.fields.get(name, "")
        slashed = self.wordpress and not _BARE_QUOTE.search(text)
        return _SLASHED.sub(r"\1", text) if slashed else text

    @property
    def test(self) -> bool:
        """Whether the call is for testing only: nothing is stored, learnt or counted."""
        return self.flag("is_test")

    @property
    def private(self) -> bool:
        """Whether this is a message to somebody and no comment: no moderator's business."""
        kind = self.text("comment_type", "content_type").lower()
        return kind.replace("-", "").replace("_", "") in _PRIVATE

    @property
    def blog_host(self) -> str:
        """The host of the website that asks."""
        return host_of(self.text("blog")) or "unknown"

    @property
    def callback(self) -> str:
        """Where the website wants to hear of changes: on its own host, or nowhere."""
        url, host = self.text("callback")[: fields.URL_MAX], host_of(self.text("blog"))
        own = url.startswith(("http://", "https://")) and host and host_of(url) == host
        return url if own else ""

    def draft(self, now: int) -> Draft:
        """The comment it is about, as the pipeline knows comments."""
        trap = self.text("honeypot_field_name")
        return Draft(
            page=_page(self.text("permalink"), self.text("blog")),
            name=_line(self._said("comment_author"), fields.NAME_MAX),
            email=_or_empty(fields.email, self.text("comment_author_email")),
            body=_body(self._said("comment_content")),
            url=_or_empty(fields.url, self.text("comment_author_url")),
            ip=_or_empty(fields.ip, self.text("user_ip")),
            user_agent=_line(self.text("user_agent"), fields.USER_AGENT_MAX),
            referrer=_line(self.text("referrer", "referer"), fields.URL_MAX),
            locale=_or_empty(fields.locale, self.text("blog_lang").partition(",")[0]),
            created_at=_moment(self.text("comment_date_gmt"), now),
            # WordPress sends the fields of its form as POST_…
            honeypot=self.text(trap, f"POST_{trap}")[: fields.HONEYPOT_MAX] if trap else "",
            names_page=False,
            metadata={
                "system": "akismet",
                "comment_type": _line(self.text("comment_type", "content_type"), 60),
                "blog": _line(self.text("blog"), 300),
            },
            test=self.test,
        )


async def read(request: Req) -> Asked:
    """What a request asks.

    Raises:
        Malformed: the body cannot be read; says why in one line.
        Unavailable: it did not arrive in time.
    """
    query = _form(request.scope["query_string"], "")
    try:
        raw = await read_body(request)
    except TooSlow as late:
        raise Unavailable(late.detail) from None  # no fault of the key, which `invalid` would say
    body = _parsed(request.headers.get("content-type", ""), raw)
    headers = request.headers
    return Asked(
        query | body, _key(body, query, headers.get("host", "")), headers.get("user-agent", "")
    )


def _key(body: dict[str, str], query: dict[str, str], host: str) -> str:
    """The key: in a field, else in the query, else the first label of the host.

    `key` is the one to be verified; WordPress sends the one it has along as `api_key`.
    """
    for given in (body, query):
        if key := (given.get("key") or given.get("api_key") or "").strip():
            return key
    label = host.partition(".")[0].lower()
    return label if KEY.fullmatch(label) else ""


# ---------------------------------------------------------------------------- decoding


def _parsed(content_type: str, body: bytes) -> dict[str, str]:
    """The fields of a body; without a type that we know, those of a form."""
    media = content_type.partition(";")[0].strip().lower()
    if media == "application/json" or (not media and body[:1] == b"{"):
        return _json(body)
    charset = _CHARSET.search(content_type)
    if media == "multipart/form-data":
        return _multipart(content_type, body, charset[1] if charset else "")
    return _form(body, charset[1] if charset else "")


def _form(text: bytes, charset: str) -> dict[str, str]:
    """As PHP reads a form: of two fields with one name the last counts."""
    try:
        pairs = parse_qsl(
            text.decode("latin-1"),
            keep_blank_values=True,
            max_num_fields=FIELDS_MAX,
            encoding="latin-1",
        )
    except ValueError:
        raise Malformed(f"More than {FIELDS_MAX} fields") from None
    return _decoded(((n, value.encode("latin-1")) for n, value in pairs), charset)


def _decoded(pairs: Iterable[tuple[str, bytes]], charset: str) -> dict[str, str]:
    """UTF-8 where it is that; else what the request, or the blog in its own field, says it is."""
    raw = dict(pairs)
    named = charset or raw.get("blog_charset", b"").decode("ascii", "replace").strip()
    return {name: _in_charset(value, named) for name, value in raw.items()}


def _in_charset(value: bytes, charset: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        pass
    try:
        return value.decode(charset if _LEGACY.fullmatch(charset) else "cp1252", "replace")
    except LookupError:  # such as cp9999
        return value.decode("cp1252", "replace")


def _json(body: bytes) -> dict[str, str]:
    try:
        data = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        raise Malformed("The body is not JSON") from None
    if not isinstance(data, dict):
        raise Malformed("The body is not a JSON object")
    return {name: _as_form(value) for name, value in data.items()}


def _as_form(value: Any) -> str:
    """A JSON value as a form would have it; lists and objects are context that nobody reads."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else ""


def _multipart(content_type: str, body: bytes, charset: str) -> dict[str, str]:
    """The plain fields of a form that was sent in parts."""
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise Malformed("The form's boundary is missing")
    pairs = []
    for part in body.split(b"--" + boundary[1].encode())[1:FIELDS_MAX]:
        head, _, content = part.partition(b"\r\n\r\n")
        if name := _PART_NAME.search(head):
            pairs.append((name[1].decode("latin-1"), content.removesuffix(b"\r\n")))
    return _decoded(pairs, charset)


# ---------------------------------------------------------------------------- values


def host_of(url: str) -> str:
    """The host of a URL, its port left out; '' where there is none."""
    try:
        host = urlsplit(url if "://" in url else f"//{url}").hostname or ""
    except ValueError:
        return ""
    return host if _HOST.fullmatch(host) else ""


def _or_empty(rule: Callable[[str], str], text: str) -> str:
    """The value if it keeps our rule, else nothing."""
    try:
        return rule(text) if text and len(text) <= fields.URL_MAX else ""
    except Wrong:
        return ""


def _page(*candidates: str) -> str:
    return next(filter(None, (_or_empty(fields.page, text) for text in candidates)), "/")


def _line(text: str, limit: int) -> str:
    """One line of at most `limit` characters, without what cannot be seen."""
    shown = "".join(char for char in " ".join(text.split()) if char.isprintable())
    return shown[:limit].strip()


def _body(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _CONTROL.sub("", text).strip()
    if len(text) <= BODY_MAX:
        return text
    return text[: BODY_MAX - END - len(CUT)] + CUT + text[-END:]


def _moment(text: str, now: int) -> int | None:
    """A time in ms; without a zone it is UTC, as its field's name says."""
    try:
        moment = datetime.fromisoformat(text)
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return fields.instant(zoned.isoformat(), now)
    except (ValueError, Wrong):
        return None
