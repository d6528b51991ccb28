"""The demo article and its form."""

from __future__ import annotations

ROUTES: tuple[object, ...] = ()
