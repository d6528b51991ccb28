"""What moderators sign in with besides a one-time link: a password, and perhaps one-time codes."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from service.ids import random_id, short_hash
from service.store import codec
from service.store.connect import Wire
from service.store.keys import LOGIN_NAMES, login, used_code

CODE_S = 300
"""How long a used code is remembered; it is valid for 90 seconds."""


class Login(Struct, frozen=True):
    """How one moderator signs in; empty where they use links only."""

    password: str = ""
    """The argon2id hash."""
    codes: bytes = b""
    """The secret of their one-time codes."""
    offered: bytes = b""
    """A secret that they have been shown and not confirmed yet."""
    generation: str = ""
    """Sessions of another generation have ended."""


class Logins:
    """Keeps and finds them; secrets and hashes are encrypted."""

    def __init__(self, wire: Wire, sealed: codec.Sealed) -> None:
        self._wire = wire
        self._sealed = sealed

    async def find(self, email: str) -> str | None:
        """Whose password an address signs in with."""
        row = await self._wire.execute("HGET", LOGIN_NAMES, _name(email))
        return row.decode() if row else None

    async def claim(self, email: str, moderator_id: str) -> bool:
        """Lets an address sign this moderator in; False where it does another one."""
        await self._wire.execute("HSETNX", LOGIN_NAMES, _name(email), moderator_id)
        return await self.find(email) == moderator_id

    async def read(self, moderator_id: str) -> Login:
        """How a moderator signs in."""
        names = ("password", "codes", "offered", "generation")
        row = await self._wire.execute("HMGET", login(moderator_id), *names)
        password, codes, offered = (self._open(value, moderator_id) for value in row[:3])
        return Login(password.decode(), codes, offered, (row[3] or b"").decode())

    async def generation(self, moderator_id: str) -> str:
        """What a session of this moderator must carry."""
        row = await self._wire.execute("HGET", login(moderator_id), "generation")
        return (row or b"").decode()

    async def set_password(self, moderator_id: str, hashed: str) -> str:
        """Sets a password and ends every session at the same moment; the new generation."""
        generation = random_id()
        sealed = self._seal(hashed.encode(), moderator_id)
        await self._wire.execute(
            "HSET", login(moderator_id), "password", sealed, "generation", generation
        )
        return generation

    async def end_sessions(self, moderator_id: str) -> None:
        """Ends every session, also those that are being opened."""
        await self._wire.execute("HSET", login(moderator_id), "generation", random_id())

    async def offer_codes(self, moderator_id: str, secret: bytes) -> None:
        """Keeps a secret until it is confirmed."""
        sealed = self._seal(secret, moderator_id)
        await self._wire.execute("HSET", login(moderator_id), "offered", sealed)

    async def set_codes(self, moderator_id: str, secret: bytes) -> None:
        """From now on signing in needs a code of this secret."""
        key, sealed = login(moderator_id), self._seal(secret, moderator_id)
        await asyncio.gather(
            self._wire.execute("HSET", key, "codes", sealed),
            self._wire.execute("HDEL", key, "offered"),
        )

    async def drop_codes(self, moderator_id: str) -> None:
        """From now on signing in needs no code."""
        await self._wire.execute("HDEL", login(moderator_id), "codes", "offered")

    async def use_code(self, moderator_id: str, step: int) -> bool:
        """Uses the code of one time step up; False where it was used before."""
        key = used_code(moderator_id, step)
        done = await self._wire.execute("SET", key, 1, "NX", "EX", CODE_S, again=False)
        return done is not None

    async def forget(self, moderator_id: str, email: str) -> None:
        """Drops how a moderator signs in."""
        if await self.find(email) == moderator_id:
            await self._wire.execute("HDEL", LOGIN_NAMES, _name(email))
        await self._wire.execute("UNLINK", login(moderator_id))

    def _seal(self, data: bytes, moderator_id: str) -> bytes:
        return self._sealed.seal(data, f"login {moderator_id}")

    def _open(self, sealed: bytes | None, moderator_id: str) -> bytes:
        return (self._sealed.open(sealed, f"login {moderator_id}") or b"") if sealed else b""


def _name(email: str) -> str:
    return short_hash(email.casefold())
