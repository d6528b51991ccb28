"""`/embed.js`, which other websites load, and its sentences: small, cached and compressed."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec
from litestar import Response, get
from msgspec import Struct

from service.embed.words import LANGUAGES, table
from service.errors import NotFound
from service.html import TYPES, Req

FRESH: Final = "public, max-age=300"


class Asset(Struct, frozen=True):
    """A file as it is sent: plain and compressed."""

    media: str
    plain: bytes
    packed: bytes
    digest: str


def _asset(media: str, plain: bytes) -> Asset:
    digest = hashlib.sha256(plain).hexdigest()[:20]
    return Asset(media, plain, gzip.compress(plain, mtime=0), digest)


@cache
def script() -> Asset:
    """The script with its style sheet inside, so that one request brings both."""
    static = files(__package__).joinpath("static")
    css = re.sub(r"/\*.*?\*/", "", static.joinpath("thread.css").read_text(), flags=re.DOTALL)
    code = static.joinpath("embed.js").read_text()
    inside = json.dumps(re.sub(r"\s+", " ", css).strip())
    return _asset(TYPES["js"], code.replace('"@css"', inside, 1).encode())


@cache
def sentences(language: str) -> Asset:
    """One language's sentences."""
    return _asset("application/json", msgspec.json.encode(table(language)))


def _answer(request: Req, asset: Asset) -> Response[bytes]:
    packs = re.search(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))", _header(request, "accept-encoding"))
    tag = f'"{asset.digest}{"-gzip" if packs else ""}"'
    headers = {
        "Access-Control-Allow-Origin": "*",
        "Cache-Control": FRESH,
        "ETag": tag,
        "Vary": "Accept-Encoding",
    }
    if tag in _header(request, "if-none-match"):
        return Response(b"", status_code=304, headers=headers)
    if packs:
        headers["Content-Encoding"] = "gzip"
    content = asset.packed if packs else asset.plain
    return Response(content, media_type=asset.media, headers=headers)


def _header(request: Req, name: str) -> str:
    return str(request.headers.get(name, ""))


@get("/embed.js", sync_to_thread=False)
def embed(request: Req) -> Response[bytes]:
    """The thread and form for other websites' pages."""
    return _answer(request, script())


@get("/embed/words/{language:str}", sync_to_thread=False)
def words(request: Req, language: str) -> Response[bytes]:
    """One language's sentences, for the script."""
    if language not in LANGUAGES:
        raise NotFound("There is no such language here.")
    return _answer(request, sentences(language))
