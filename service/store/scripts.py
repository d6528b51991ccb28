"""The Lua scripts, one verb per file, addressed by the SHA-1 of their text."""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import Any

NAMES = (
    "submit",
    "review",
    "claim",
    "look",
    "renew",
    "release",
    "reap",
    "page",
    "configure",
    "configuration",
    "remove",
    "take_token",
    "webhook",
    "due_deliveries",
    "settle_delivery",
    "redeliver",
    "forget_deliveries",
    "label",
    "count_usage",
    "take_due",
    "settle_due",
    "moderator",
    "note",
    "liken",
)


class Scripts:
    """The texts and digests of every script, read once at start."""

    def __init__(self) -> None:
        folder = resources.files("service.store") / "lua"
        self._texts = {name: (folder / f"{name}.lua").read_bytes() for name in NAMES}
        self._digests = {
            name: hashlib.sha1(text, usedforsecurity=False).hexdigest()
            for name, text in self._texts.items()
        }

    def sha(self, name: str) -> str:
        """The digest the server knows a script by."""
        return self._digests[name]

    async def load(self, client: Any) -> None:
        """Sends every script; needed at start and after the server lost its script cache."""
        pipe = client.pipeline(transaction=False)
        for text in self._texts.values():
            pipe.execute_command("SCRIPT", "LOAD", text)
        await pipe.execute()
