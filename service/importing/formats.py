"""The formats that can be imported, and which one a file is in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from service.errors import Malformed
from service.importing import coral, disqus, isso, objects, remark42, wxr
from service.importing.found import Found, Skipped
from service.importing.opened import Opened


class Format(NamedTuple):
    """How to read one kind of file."""

    name: str
    title: str
    read: Callable[[Opened], Iterator[Any]]
    """Its raw records, cheaply: those in front of a cursor are read only to be passed over."""
    shape: Callable[[Any], Found | Skipped | bytes]
    """What one of them says; bytes are a line of our own JSON."""
    seekable: bool = False
    """Whether a record can be read without those before it."""


FORMATS: Final[dict[str, Format]] = {
    row.name: row
    for row in (
        Format("wxr", "WordPress WXR", wxr.read, wxr.shape),
        Format("disqus", "Disqus XML", disqus.read, disqus.shape),
        Format("isso", "Isso", isso.read, isso.shape),
        Format("remark42", "Remark42 backup", remark42.read, remark42.shape),
        Format("coral", "Coral", coral.read, coral.shape),
        Format("jsonl", "JSON lines", objects.lines, lambda line: line, seekable=True),
    )
}

_WXR: Final = re.compile(r"""xmlns:\w+\s*=\s*["']https?://wordpress\.org/export/""")
_DISQUS: Final = re.compile(r"""xmlns\s*=\s*["']https?://disqus\.com""")


def opened(name: str, form: str | None = None) -> tuple[Opened, Format]:
    """A file, a folder of Coral or standard input, and its format: the named one, or as it begins.

    Raises:
        Malformed: the format cannot be told, or does not come in folders.
        OSError.
    """
    path = Path(name)
    if name != "-" and path.is_dir():
        if form not in (None, coral.SYSTEM):
            raise Malformed(f"{name} is a folder")
        path, form = coral.comments_in(path), coral.SYSTEM
    file = Opened(str(path))
    form = form or _told(file.head)
    if form is None:
        file.close()
        raise Malformed(f"{name}: the format cannot be told; name it with --from")
    return file, FORMATS[form]


def _told(head: bytes) -> str | None:
    if head.startswith(isso.SQLITE):
        return "isso"
    wide = head[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = head.decode("utf-16" if wide else "utf-8-sig", errors="replace").lstrip()
    if text.startswith("<"):
        return "wxr" if _WXR.search(text) else "disqus" if _DISQUS.search(text) else None
    if text.startswith("["):
        return "isso"
    if text.startswith("id,"):
        return "coral"
    return _told_by_line(text.partition("\n")[0])


def _told_by_line(line: str) -> str:
    """The format of a file of JSON lines; one that is not JSON gets its errors as one of ours."""
    try:
        first = msgspec.json.decode(line, type=dict[str, Any])
    except (ValueError, RecursionError):
        # Remark42's first line lists all users and may be longer than what is looked at.
        return "remark42" if re.match(r'\{"version":\s*\d+,\s*"users":', line) else "jsonl"
    if "users" in first and "posts" in first:
        return "remark42"
    return "coral" if "storyID" in first else "jsonl"
