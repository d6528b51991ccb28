"""Recognise: looks whether the store still holds this installation's data."""

from __future__ import annotations

from service.services import Services


async def recognise(services: Services) -> None:
    """One look; with other data in the store, nothing more is asked of it."""
    await services.identity.look()
