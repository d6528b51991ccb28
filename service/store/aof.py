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
    last = _last_increment(data / "appendonlydir")
    if last is None:
        return None
    size, good = _analysed(binary, last)
    if good == size or (size - good <= LONGEST_TORN and is_torn(_read_from(last, good))):
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


def _last_increment(folder: Path) -> Path | None:
    """Only the last file may be torn; the server refuses when an earlier one is."""
    manifests = sorted(folder.glob("*.manifest"))
    lines = manifests[0].read_text().splitlines() if manifests else []
    names = [line.split()[1] for line in lines if line.endswith(" type i")]
    found = folder / names[-1] if names else None
    return found if found is not None and found.is_file() else None


def _analysed(binary: Path, path: Path) -> tuple[int, int]:
    """Size and length of the readable part, as the server's own checker sees them.

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


def _read_from(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read()
