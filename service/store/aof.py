"""Is the append-only file merely torn at its end, or damaged in its middle?

`aof-load-truncated yes` lets the server drop a torn end: the last write before a crash, which
nobody was told about. But damage to one length field in the middle also looks like an early end,
and then the server silently cuts off every acknowledged write behind it (measured: 6,305 of 8,288
bytes). So the file is judged before the server may open it. Nothing here writes.
"""

import re
import subprocess
from pathlib import Path

LONGEST_TORN = 64 << 20
"""Bytes: far above what one turn of the server's event loop writes; more than that is damage."""

_ANALYSED = re.compile(r"AOF analyzed: .*size=(\d+), ok_up_to=(\d+)")
_COMMAND = re.compile(rb"\r\n\*\d+\r\n\$\d+\r\n")
_COUNT = re.compile(rb"\*(\d{1,7})\r\n")
_LENGTH = re.compile(rb"\$(\d{1,10})\r\n")


def damage(binary: Path, data: Path) -> str | None:
    """What is wrong with the append-only file in `data`, or None if a server may load it."""
    listed = _listed(data / "appendonlydir")
    if gone := [path.name for path in listed if not path.is_file()]:
        return f"{gone[0]} is gone"
    last = listed[-1] if listed and ".incr." in listed[-1].name else None
    if last is None:
        return None
    size, good = whole(binary, last)
    if good == size or (size - good <= LONGEST_TORN and is_torn(read_from(last, good))):
        return None
    return f"{last.name} is readable up to byte {good:,} of {size:,}"


def is_torn(tail: bytes) -> bool:
    """Whether `tail` is the beginning of one command, or of one MULTI block, and nothing else."""
    at = 0
    names: list[bytes] = []
    while at < len(tail):
        end, name = _skip_command(tail, at)
        if end is None:
            whole_prefix = _COMMAND.search(tail, at) is None
            return whole_prefix and (not names or names[0] == b"MULTI")
        at = end
        names.append(name)
    return names[:1] == [b"MULTI"] and names.count(b"MULTI") == 1 and b"EXEC" not in names


def _skip_command(tail: bytes, at: int) -> tuple[int | None, bytes]:
    """Where the command at `at` ends, or None if it does not; and its name."""
    head = _COUNT.match(tail, at)
    if head is None:
        return None, b""
    at, name = head.end(), b""
    for argument in range(int(head[1])):
        length = _LENGTH.match(tail, at)
        if length is None or (end := length.end() + int(length[1])) + 2 > len(tail):
            return None, name
        name = tail[length.end() : end].upper() if argument == 0 else name
        at = end + 2
    return at, name


def manifest(folder: Path) -> Path | None:
    """The list of the append-only files in `folder`, or None if there is none."""
    found = (path for path in folder.glob("*.manifest") if not path.name.startswith("temp-"))
    return next(found, None)


def _listed(folder: Path) -> list[Path]:
    """The base and the increments that the manifest names, oldest first.

    Only the last increment may be torn; the server refuses when an earlier one is.
    """
    path = manifest(folder)
    lines = path.read_text().splitlines() if path is not None else []
    files = {kind: [x.split()[1] for x in lines if x.endswith(f" type {kind}")] for kind in "bi"}
    return [folder / name for name in (*files["b"], *files["i"])]


def whole(binary: Path, path: Path) -> tuple[int, int]:
    """Size and length of the readable part of one file, as the server's own checker sees them.

    The checker is the server binary under another name. A build without it judges nothing: then the
    file counts as good and the server decides.
    """
    name = "valkey-check-aof" if "valkey" in binary.resolve().name else "redis-check-aof"
    said = subprocess.run(  # noqa: S603 (the binary that will be the server)
        [name, path.name],
        executable=binary,
        cwd=path.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    ).stdout
    found = _ANALYSED.search(said)
    size = path.stat().st_size
    return (int(found[1]), int(found[2])) if found is not None else (size, size)


def read_from(path: Path, offset: int) -> bytes:
    """A file from a byte on."""
    with path.open("rb") as file:
        file.seek(offset)
        return file.read()
