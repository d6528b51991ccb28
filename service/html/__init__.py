"""HTML as every face of the service answers it: templates, static files, security headers.

A `Face` is one package with a folder of templates and a folder of static files. Whatever a template
shows is escaped by Jinja and, before that, freed of characters that draw nothing or turn text
around (`shown`): no template has to remember either.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from functools import cached_property
from importlib.resources import files
from typing import Any, Final, cast

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from litestar import Request, Response, get
from litestar.datastructures import Cookie
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler

from service import log
from service.errors import Malformed, MethodNotAllowed, NotFound, TooLarge, WinnowError
from service.html.times import ago, iso
from service.pipeline.shown import shown
from service.services import Services
from service.store.queues import Position

Req = Request[Any, Any, Any]

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'{forms}; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Everything from this origin, nothing inline, no text ever parsed as HTML by a script."""

HEADERS: Final = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
TYPES: Final = {
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}
_BY_STATUS: Final[dict[int, type[WinnowError]]] = {
    404: NotFound,
    405: MethodNotAllowed,
    413: TooLarge,
}
GONE: Final = "client disconnected prematurely"
"""What Litestar says of a request whose sender went on to another page: no fault of ours."""
FOREVER: Final = "public, max-age=31536000, immutable"
"""Static files carry a hash of their content in their address."""


def parts(request: Req) -> Services:
    """The parts of this process."""
    return cast(Services, request.app.state.services)


class Face:
    """One face's pages: templates and static files of `package`, served below `at`."""

    def __init__(self, package: str, at: str) -> None:
        self._package = package
        self._at = at

    def page(
        self,
        template: str,
        context: Mapping[str, Any],
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        cookies: list[Cookie] | None = None,
    ) -> Response[str]:
        """A page; `forms` in the context names a further origin that a form may lead to."""
        forms = context.get("forms", "")
        policy = CSP.format(forms=f" {forms}" if forms else "")
        return Response(
            self.render(template, context),
            status_code=status,
            media_type="text/html",
            headers={
                "Content-Security-Policy": policy,
                "Cache-Control": "no-store",
                **HEADERS,
                **(headers or {}),
            },
            cookies=cookies or [],
        )

    def render(self, template: str, context: Mapping[str, Any]) -> str:
        """A template's text."""
        return self._templates.get_template(template).render(context)

    def notice(
        self, title: str, text: str, *, status: int, code: str = "", home: str = ""
    ) -> Response[str]:
        """A page that says one thing."""
        context = {"title": title, "text": text, "code": code, "home": home}
        return self.page("notice.html", context, status=status)

    def static(self) -> HTTPRouteHandler:
        """The route of this face's static files."""

        @get(f"{self._at}/static/{{name:str}}", sync_to_thread=False)
        def static(name: str, request: Req) -> Response[bytes]:
            """A static file; modules name each other without a hash, so those are asked anew."""
            if name not in self._files:
                raise NotFound("No such file.")
            headers = {
                "Cache-Control": FOREVER if "v" in request.query_params else "no-cache",
                "Content-Security-Policy": "default-src 'none'",
                "ETag": f'"{self._hashes[name]}"',
                "Vary": "Accept-Encoding",
            }
            if request.headers.get("if-none-match") == headers["ETag"]:
                return Response(b"", status_code=304, headers=headers)
            body, packed = self._files[name], self._packed[name]
            if "gzip" in request.headers.get("accept-encoding", ""):
                body, headers["Content-Encoding"] = packed, "gzip"
            return Response(body, media_type=TYPES[name.rpartition(".")[2]], headers=headers)

        return static

    def asset(self, name: str) -> str:
        """A static file's address, which changes with its content."""
        return f"{self._at}/static/{name}?v={self._hashes[name]}"

    @cached_property
    def _hashes(self) -> dict[str, str]:
        return {name: hashlib.sha256(f).hexdigest()[:12] for name, f in self._files.items()}

    @cached_property
    def _packed(self) -> dict[str, bytes]:
        return {name: gzip.compress(file, mtime=0) for name, file in self._files.items()}

    @cached_property
    def _files(self) -> dict[str, bytes]:
        return {
            file.name: file.read_bytes()
            for package in (__name__, self._package)
            for file in files(package).joinpath("static").iterdir()
            if file.name.rpartition(".")[2] in TYPES
        }

    @cached_property
    def _templates(self) -> Environment:
        environment = Environment(
            loader=ChoiceLoader([PackageLoader(self._package), PackageLoader(__name__)]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_finalize,
        )
        environment.filters.update(ago=ago, iso=iso)
        environment.globals["asset"] = self.asset
        return environment


def _finalize(value: Any) -> Any:
    """What a template puts out: plain text is neutralised, then escaped by Jinja."""
    return shown(value) if type(value) is str else value


def failure(error: Exception) -> WinnowError:
    """What a reader is told about any exception; an unforeseen one is logged, not described."""
    if isinstance(error, WinnowError):
        return error
    if isinstance(error, HTTPException) and (error.status_code < 500 or error.detail == GONE):
        return _BY_STATUS.get(error.status_code, Malformed)()
    log.get("html").error("unforeseen", error=type(error).__name__, exc_info=error)
    return WinnowError("This is our fault, and it has been written to the log.")


def page_end(text: str) -> Position | None:
    """Where the page before ended, as links write it (`score.id`); None at the start.

    Raises:
        Malformed: it is no such place.
    """
    score, _, comment_id = text.partition(".")
    if not text:
        return None
    if not (score.isascii() and score.isdigit() and len(score) < 20):
        raise Malformed("This is not where a page ends.")
    return Position(int(score), comment_id)
