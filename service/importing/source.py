"""The numbered records of a file, some at a time; also from behind an earlier stop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from service.errors import Malformed
from service.importing.formats import Format
from service.importing.found import Found, Skipped
from service.importing.opened import Opened

Record = tuple[int, Found | Skipped | bytes]
"""A record's number, from 1, and what it says; bytes are a line of our own JSON."""


class Chunk(NamedTuple):
    """Some records, and where the file stands behind them."""

    records: list[Record]
    number: int
    """Of the last one."""
    offset: int
    """Bytes, before compression."""
    position: int
    """Bytes of the file as it is."""


def chunks(
    file: Opened, form: Format, size: int, *, number: int = 0, offset: int = 0
) -> Iterator[Chunk]:
    """The records behind number `number`, which ends at `offset`, `size` at a time.

    Raises:
        Malformed: the file is damaged; what stands before was yielded.
    """
    seeks = form.seekable and offset > 0 and not file.zipped
    if seeks:
        file.seek(offset)
    last = number if seeks else 0
    records: list[Record] = []

    def chunk() -> Chunk:
        return Chunk(records, last, file.offset, file.position())

    try:
        for last, raw in enumerate(form.read(file), last + 1):  # noqa: B020
            if last > number:
                records.append((last, form.shape(raw)))
            if len(records) == size:
                yield chunk()
                records = []
    except Malformed as error:
        yield chunk()
        raise Malformed(f"{error.detail} (behind record {last:,})") from None
    yield chunk()
