"""The documentation every installation serves: the API by its own document, and every error code.

`/docs` is drawn by a small module from `/openapi.json`; it works offline and asks nobody else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from litestar import Response, get
from msgspec import Struct

from service import __version__
from service.errors import WinnowError
from service.html import Face
from service.pipeline.fields import CODES

FACE: Final = Face("service.api", "/docs")


class Code(Struct, frozen=True):
    """One error code, as the documentation tells it."""

    code: str
    status: int
    title: str
    sentence: str


def codes(kind: type[WinnowError] = WinnowError) -> Iterator[Code]:
    """Every kind of failure, in the order of `service.errors`."""
    sentence = (kind.__doc__ or "").strip().partition("\n")[0]
    yield Code(kind.code, kind.status, kind.title, sentence)
    for narrower in kind.__subclasses__():
        yield from codes(narrower)


@get("/docs", sync_to_thread=False)
def docs() -> Response[str]:
    """The interactive page."""
    return FACE.page("docs.html", {"version": __version__})


@get("/docs/problems", sync_to_thread=False)
def problem_list() -> Response[str]:
    """Every error code; a problem's `type` leads here."""
    rows = sorted({row.code: row for row in codes()}.values(), key=lambda row: row.status)
    return FACE.page("problems.html", {"rows": rows, "fields": CODES})


ROUTES: Final = (docs, problem_list, FACE.static())
