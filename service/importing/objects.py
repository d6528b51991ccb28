"""Files of one JSON object per line, as several systems write them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from service.errors import Malformed
from service.importing.opened import Opened
from service.incoming import LINE_MAX

BOM: Final = b"\xef\xbb\xbf"


def lines(file: Opened) -> Iterator[bytes]:
    """The lines of a file, blank ones too; of one that is too long, a part that is too long."""
    while line := file.readline(LINE_MAX + 1):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = file.readline(LINE_MAX)
        yield line


def objects(file: Opened) -> Iterator[dict[str, Any]]:
    """The objects of a file.

    Raises:
        Malformed: at the first line that is none.
    """
    for number, line in enumerate(lines(file), 1):
        text = line.removeprefix(BOM) if number == 1 else line
        if not text.strip():
            continue
        try:
            yield msgspec.json.decode(text, type=dict[str, Any])
        except (ValueError, RecursionError) as error:
            raise Malformed(f"damaged at line {number}: {error}") from None


def text(value: object) -> str:
    """A value where text is expected; anything else counts as none."""
    return value if isinstance(value, str) else ""


def inside(value: object) -> dict[str, Any]:
    """A value where an object is expected; anything else counts as an empty one."""
    return value if isinstance(value, dict) else {}
