"""Copies the append-only files of a running server, as they were at one moment.

Nothing has to stop: the base and all files but the last are never changed again, and the last only
grows. They are opened at once, so that a rewrite that begins meanwhile cannot take them away, and
the last one is copied up to the length it had then, and cut behind its last whole command.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from service.store import aof
from service.store.backups.sheet import DAMAGED, BackupError, Kept, digest, make_private, private

TRIES: Final = 20
"""Times the files are opened anew because a rewrite has just replaced them."""
_CHUNK: Final = 1 << 20
APPENDONLY: Final = Path("redis") / "appendonlydir"


class Held:
    """The append-only files of one moment, open."""

    def __init__(self, manifest: Path, lines: list[str], files: Sequence[BinaryIO]) -> None:
        self.manifest = manifest
        self._lines = lines
        self._files = files
        self._sizes = [os.fstat(file.fileno()).st_size for file in files]

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return sum(self._sizes)

    def copy(self, into: Path, binary: Path) -> list[Kept]:
        """Copies them into the folder of a backup; `binary` is a server, which knows the form.

        Raises:
            BackupError: the last file is damaged in its middle.
            OSError: they cannot be read or written.
        """
        folder = make_private(into / APPENDONLY)
        kept = []
        for line, file, size in zip(self._lines, self._files, self._sizes, strict=True):
            path = folder / _name(line)
            sha256 = write_copy(file, path, size)
            if line == self._lines[-1] and _is_increment(line):
                size, sha256 = _cut(path, binary)
            kept.append(Kept((APPENDONLY / path.name).as_posix(), size, sha256))
        text = "".join(f"{line}\n" for line in self._lines).encode()
        kept.append(write_small(text, folder / self.manifest.name, APPENDONLY))
        return kept


@contextmanager
def held(data: Path) -> Iterator[Held]:
    """Holds the files of `data`, the server's folder, open.

    Raises:
        BackupError: there are none.
    """
    for _ in range(TRIES):
        manifest = aof.manifest(data / "appendonlydir")
        if manifest is None:
            break
        lines = [
            line
            for line in manifest.read_text().splitlines()
            if line.endswith((" type b", " type i"))
        ]
        with ExitStack() as opened:
            try:
                files = [
                    opened.enter_context((manifest.parent / _name(line)).open("rb"))
                    for line in lines
                ]
            except FileNotFoundError:
                continue
            yield Held(manifest, lines, files)
            return
    raise BackupError(f"{data} holds no append-only files", DAMAGED)


def write_copy(file: BinaryIO, path: Path, size: int | None = None) -> str:
    """Copies a file, or its first `size` bytes, to the disk; the SHA-256 of what was written."""
    hashed, left = hashlib.sha256(), size
    with open(path, "wb", opener=private) as copy:
        while chunk := file.read(_CHUNK if left is None else min(_CHUNK, left)):
            hashed.update(chunk)
            copy.write(chunk)
            left = None if left is None else left - len(chunk)
        copy.flush()
        os.fsync(copy.fileno())
    if left:
        raise BackupError(f"{path.name} ended {left:,} bytes too early", DAMAGED)
    return hashed.hexdigest()


def write_small(content: bytes, path: Path, below: Path) -> Kept:
    """Writes a small file of a backup."""
    with open(path, "wb", opener=private) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    name = (below / path.name).as_posix()
    return Kept(name, len(content), hashlib.sha256(content).hexdigest())


def for_trial(source: Path, into: Path) -> None:
    """Lays out a backup's append-only files so that a server may run on them and change nothing.

    Linked where it can be; the last file, which a server writes to, is copied.
    """
    folder = make_private(into / APPENDONLY)
    paths = sorted((source / APPENDONLY).iterdir())
    for path in paths:
        if ".base." in path.name:
            try:
                os.link(path, folder / path.name)
            except OSError:
                shutil.copyfile(path, folder / path.name)
        else:
            shutil.copyfile(path, folder / path.name)


def _cut(path: Path, binary: Path) -> tuple[int, str]:
    """Cuts a file behind its last whole command; its size and SHA-256."""
    size, good = aof.whole(binary, path)
    if good < size:
        if not aof.is_torn(aof.read_from(path, good)):
            raise BackupError(
                f"{path.name} is damaged: readable up to byte {good:,} of {size:,}", DAMAGED
            )
        with path.open("r+b") as file:
            file.truncate(good)
            os.fsync(file.fileno())
    return good, digest(path)


def _name(line: str) -> str:
    """The file a line of the manifest names: `file NAME seq N type T`."""
    return Path(line.split()[1].strip('"')).name


def _is_increment(line: str) -> bool:
    return line.endswith(" type i")
