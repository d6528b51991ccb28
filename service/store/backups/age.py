"""When a data folder was last backed up: what `take` left behind there."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

LAST: Final = "backup.json"


class Last(Struct, frozen=True):
    """What the data folder remembers of its last backup."""

    at: int
    """When the data were copied, ms."""
    path: str
    size: int
    tried: bool
    """Whether a server loaded the copy and the checker read it."""


def last(data_dir: Path) -> Last | None:
    """The last backup that was taken of a data folder; None where none is known."""
    try:
        return msgspec.json.decode((data_dir / LAST).read_bytes(), type=Last)
    except (OSError, msgspec.MsgspecError):
        return None


def backed_up_at(data_dir: Path) -> float | None:
    """When, in seconds since the epoch: the last backup, or, without one, the folder's first start.

    None where the folder holds no data.
    """
    if (found := last(data_dir)) is not None:
        return found.at / 1000
    try:
        return (data_dir / "epoch").stat().st_mtime
    except OSError:
        return None
