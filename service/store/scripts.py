"""The Lua scripts, one verb per file, addressed by the SHA-1 of their text."""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import Any

NAMES = (
    "around",
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
    "keep_once",
    "label",
    "count_usage",
    "take_due",
    "settle_due",
    "moderator",
    "note",
    "keep_callback",
    "erase_begin",
    "erase",
    "erase_end",
    "trim_audit",
    "forget_author",
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

        self._reading = {
            self._digests[name]
            for name, text in self._texts.items()
            if b"no-writes" in text.split(b"\n", 1)[0]
        }

    def sha(self, name: str) -> str:
        """The digest the server knows a script by."""
        return self._digests[name]

    def writes(self, sha: str) -> bool:
        """Whether a script may write; those that say `no-writes` in their first line never do."""
        return sha not in self._reading

    async def load(self, client: Any) -> None:
        """Sends every script; needed at start and after the server lost its script cache."""
        pipe = client.pipeline(transaction=False)
        for text in self._texts.values():
            pipe.execute_command("SCRIPT", "LOAD", text)
        await pipe.execute()
