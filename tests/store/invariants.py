"""The checker, as tests call it: the product's own."""

from __future__ import annotations

from service.store.checking import violations

__all__ = ["violations"]
