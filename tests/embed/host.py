"""Another website's pages, served from an origin of their own."""

from __future__ import annotations

import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

STYLE = "<style>body{font:18px/1.6 serif;max-width:46rem;margin:2rem auto;padding:0 1rem}</style>"


class Host:
    """A web server of a newspaper that embeds us; `origin` is not ours."""

    def __init__(self) -> None:
        pages: dict[str, tuple[str, str]] = {}

        class Pages(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                policy, body = pages.get(self.path.partition("?")[0], ("", ""))
                self.send_response(204 if self.path == "/favicon.ico" else 200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                if policy:
                    self.send_header("Content-Security-Policy", policy)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self._pages = pages
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
        self.origin = f"http://localhost:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def page(self, body: str, *, policy: str = "", lang: str = "en", head: str = STYLE) -> str:
        """A new page with `body` in it; its address."""
        path = f"/{secrets.token_hex(6)}"
        top = f'<!doctype html><html lang="{lang}"><meta charset="utf-8"><title>A story</title>'
        view = '<meta name="viewport" content="width=device-width, initial-scale=1">'
        self._pages[path] = policy, f"{top}{view}{head}<h1>A story</h1>{body}"
        return self.origin + path

    def stop(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()


class Blog:
    """A site on the foreign origin whose comments the embed shows."""

    def __init__(self, winnow: Any, host: Host) -> None:
        self.winnow = winnow
        self.host = host
        self.site = winnow.site(host.origin)
        self.site.policy()

    def script(self, **data: str) -> str:
        """The snippet, as the guide gives it."""
        given = {"site": self.site.id, "key": self.site.publishable} | data
        attributes = " ".join(f'data-{name}="{value}"' for name, value in given.items())
        return f'<script src="{self.winnow.url}/embed.js" {attributes} async></script>'

    def page(self, *, policy: str = "", lang: str = "en", head: str = STYLE, **data: str) -> str:
        """A page with the snippet below its article; its address."""
        return self.host.page(self.script(**data), policy=policy, lang=lang, head=head)

    def publish(self, page: str, **fields: Any) -> dict[str, Any]:
        """A published comment of its own author."""
        given = {"email": f"{secrets.token_hex(6)}@example.org", "page": page} | fields
        return dict(self.site.submitted(**given))

    def hold_newcomers(self) -> None:
        """From now on first comments wait."""
        self.site.policy(authors={"hold_first": 1})

    def queue(self, status: str) -> list[dict[str, Any]]:
        """A queue of the site."""
        answer = self.site.ask("GET", f"/v1/queues/{status}", params={"site": self.site.id})
        return list(answer.json()["items"])


def write(page: Any, **fields: str) -> None:
    """Fills the form in, without sending it."""
    written = {
        "Comment": f"A thought {secrets.token_hex(8)}.",
        "Name": "Ann",
        "Email": f"{secrets.token_hex(6)}@example.org",
    }
    for label, text in (written | fields).items():
        page.get_by_role("textbox", name=label, exact=True).fill(text)


def send(page: Any) -> None:
    """Presses the form's button."""
    page.get_by_role("button", name="Post Comment").click()
