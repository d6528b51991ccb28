"""Whether the store holds this installation's data, and not nothing, or somebody else's.

A store that somebody emptied, or a replica without data that was promoted, answers like any other.
So what is known of the data is kept beside them as well, and compared: for the embedded server in
`epoch` of the data folder, for a server of its own in `remote-epoch` there. Who finds another
epoch serves nothing: new comments would be written beside what was lost.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from service import log
from service.errors import Unavailable
from service.settings import Settings
from service.store import epochs, folder
from service.store.connect import Wire
from service.store.keys import BOOTSTRAPPED
from service.store.launching import DataRefusedError

EMBEDDED: Final = "epoch"
REMOTE: Final = "remote-epoch"
LOOK_S: Final = 1.0


def marker(settings: Settings) -> Path:
    """The file that says which data are ours."""
    return settings.data_dir / (REMOTE if settings.redis_url else EMBEDDED)


class Identity:
    """What one process knows of whose data the store holds."""

    def __init__(self, wire: Wire, path: Path) -> None:
        self._wire = wire
        self._path = path
        self._known = ""
        self.problem = ""
        """Why the store must not be used; '' while it holds our data."""

    async def look(self) -> None:
        """Compares once; that the store is away tells nothing."""
        try:
            found = await self._wire.execute("GET", epochs.KEY)
        except Unavailable:
            return
        before, self.problem = self.problem, self._judge(found.decode() if found else "")
        self._wire.refusing = self.problem
        if self.problem and not before:
            log.get("identity").error("store_is_not_ours", problem=self.problem)
        elif before and not self.problem:
            log.get("identity").warning("store_is_ours_again")

    async def watch(self) -> None:
        """Compares each second, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    def _judge(self, found: str) -> str:
        # What was once seen counts also where no file says it: several machines share one store.
        self._known = self._known or _read(self._path) or found
        return differs(self._known, found)


async def claim(wire: Wire, path: Path) -> None:
    """At a start on a server of its own: compares, and remembers what is seen for the first time.

    Args:
        wire: open.
        path: the file that says which data are ours; one that cannot be written is told and done
            without.

    Raises:
        DataRefusedError: the store lost its data, or holds another installation's.
        Unavailable: the store is away.
    """
    known, row = _read(path), await wire.execute("GET", epochs.KEY)
    found = row.decode() if row else ""
    if known and (problem := differs(known, found)):
        raise DataRefusedError(problem)
    if not found:
        # New data, or data of a release that gave servers of their own no epoch.
        await wire.execute("SET", epochs.KEY, epochs.fresh(), "NX")
        found = (await wire.execute("GET", epochs.KEY) or b"").decode()
        new = not await wire.execute("EXISTS", BOOTSTRAPPED)
        log.get("identity").info("epoch_given", epoch=found, new=new)
    if known != found:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.write(path, f"{found}\n".encode())
        except OSError as error:
            log.get("identity").warning("epoch_not_remembered", problem=str(error))


def differs(known: str, found: str) -> str:
    """Why data with the epoch `found` are not those of `known`; '' where they are."""
    if found == known:
        return ""
    if not found:
        return (
            "the store came up empty: it does not hold this installation's data "
            f"({known[:8]}); stop the service and restore them"
        )
    return (
        f"the store holds other data ({found[:60]}) than this installation's ({known[:60]}); stop "
        "the service and let it use its own"
    )


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""


__all__ = ["Identity", "claim", "differs", "marker"]
