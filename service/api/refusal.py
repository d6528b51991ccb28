"""A refused form as a page: for browsers that sent a plain form and would show raw JSON."""

from __future__ import annotations

from typing import Final

from service.api.docs import FACE
from service.errors import Invalid, WinnowError

NAMES: Final = {
    "body": "Comment",
    "email": "Email",
    "name": "Name",
    "url": "Website",
    "page": "Page",
    "parent": "Reply",
}
"""How a form calls a comment's fields."""

SAID: Final = {"required": "Please fill this in.", "empty": "Please fill this in."}
"""What a reader is told instead of the API's own sentence."""


def prefers_page(headers: dict[bytes, bytes]) -> bool:
    """Whether a form's sender would rather read HTML: browsers name it first."""
    if not headers.get(b"content-type", b"").startswith(b"application/x-www-form-urlencoded"):
        return False
    first = headers.get(b"accept", b"").partition(b",")[0].partition(b";")[0]
    return first.strip().lower() in (b"text/html", b"application/xhtml+xml")


def page(failure: WinnowError, request_id: str) -> tuple[dict[str, str], bytes]:
    """The headers and content of a page that says what was wrong."""
    errors = failure.errors if isinstance(failure, Invalid) else ()
    rows = [
        (NAMES.get(e.pointer[1:], e.pointer[1:]), SAID.get(e.code) or _sentence(e.detail))
        for e in errors
    ]
    context = {"failure": failure, "rows": rows, "request_id": request_id}
    response = FACE.page("refused.html", context, status=failure.status)
    content = str(response.content).encode()
    return {"Content-Type": "text/html; charset=utf-8", **response.headers}, content


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
