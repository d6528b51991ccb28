"""Follow: takes over another model when one was activated."""

from __future__ import annotations

from service.services import Services


async def follow(services: Services) -> None:
    """One look at the installation's shelf of models."""
    await services.models.refresh()
