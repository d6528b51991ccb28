"""Epochs: the name of one set of data, which the data and whoever knows them both carry.

Made when the data were new and kept by every backup, so that it tells whose data these are. Each
restore appends a generation: `<epoch>.<count>-<random>`. So the folder that was backed up, and came
back, is not taken for the one that went on after the restore, nor one restored copy for another:
folder and data must carry the very same text.
"""

from __future__ import annotations

import re
import secrets
from typing import Final

KEY: Final = "winnow:epoch"
_FORM: Final = re.compile(r"([0-9a-f]{8,64})(?:\.([0-9]{1,9})-([0-9a-f]{8}))?")


def fresh() -> str:
    """The epoch of new data."""
    return secrets.token_hex(16)


def restored(epoch: str) -> str:
    """The epoch of data restored from a backup with this one: the next generation.

    Raises:
        ValueError: it is no epoch.
    """
    return f"{origin(epoch)}.{generation(epoch) + 1}-{secrets.token_hex(4)}"


def origin(epoch: str) -> str:
    """What all generations have in common.

    Raises:
        ValueError: it is no epoch.
    """
    return _parsed(epoch)[1]


def generation(epoch: str) -> int:
    """1 for data that were never restored.

    Raises:
        ValueError: it is no epoch.
    """
    return int(_parsed(epoch)[2] or 1)


def _parsed(epoch: str) -> re.Match[str]:
    found = _FORM.fullmatch(epoch)
    if found is None:
        raise ValueError(f"{epoch!r} is no epoch")
    return found
