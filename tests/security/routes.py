"""Every route there is, read from the application itself, and what is declared of it."""

from __future__ import annotations

import re
import warnings
from functools import cache

from msgspec import Struct

from service.app import DOORS, api_document, litestar_app
from service.ids import Secrets
from service.pipeline.score import Scorer
from service.services import Services
from service.settings import Settings

PAGES = ("/console", "/demo", "/docs", "/embed", "/r/")
"""Where our own pages and files lie."""
WITHOUT_KEY = (
    "/livez", "/readyz", "/metrics", "/openapi.json", "/v1/receipts/{token}",
    "/v1/receipts/{token}/appeal",
)  # fmt: skip
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


class Route(Struct, frozen=True, order=True):
    """One method of one path."""

    path: str
    method: str
    scope: str = ""
    """The scope its declaration asks for."""

    def at(self, site: str, **names: str) -> str:
        """Its address with real names in it."""
        given = {"site": site, "status": "pending"} | names
        return re.sub(r"\{(\w+)\}", lambda found: given.get(found[1], "0" * 26), self.path)


@cache
def everything() -> frozenset[Route]:
    """What the application answers to, whatever is declared."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the process that serves does not turn them into errors
        parts = Services(Settings(), "unix:///nowhere", Secrets(bytes(32)), Scorer(None))
        app = litestar_app(parts)
    found = set()
    for route in app.routes:
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
        methods = getattr(route, "methods", None) or {"POST"}
        found |= {Route(path, str(m)) for m in methods if m not in ("OPTIONS", "HEAD")}
    return frozenset(found)


@cache
def declared() -> tuple[Route, ...]:
    """What the OpenAPI document says."""
    rows = []
    for path, methods in api_document("http://x")["paths"].items():
        for method, operation in methods.items():
            security = operation.get("security") or [{}]
            rows.append(Route(path, method.upper(), "".join(security[0].get("key", [""]))))
    return tuple(sorted(rows))


@cache
def doors() -> frozenset[str]:
    """The paths of the emulated APIs."""
    return frozenset(
        re.sub(r"\{(\w+):\w+\}", r"{\1}", path) for handler in DOORS for path in handler.paths
    )


def pages(*methods: str) -> list[Route]:
    """Our own pages, forms and files."""
    return sorted(r for r in everything() if r.path.startswith(PAGES) and r.method in methods)
