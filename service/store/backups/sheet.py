"""The sheet of a backup: what is in it, so that damage is found before anything is restored."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from service.store import epochs

FORMAT: Final = 1
SHEET: Final = "backup.json"
SUMS: Final = "backup.sha256"
"""The sheet's own SHA-256, as `sha256sum -c` reads it."""
PREFIX: Final = "winnow-"
UNFINISHED: Final = ".unfinished-"
"""What the name of a backup begins with until it is whole."""
_CHUNK: Final = 1 << 20
_LARGEST: Final = 64 << 20
"""Bytes of a sheet."""


class BackupError(Exception):
    """A backup cannot be taken, or not be used; `str(error)` is one sentence for the operator."""

    def __init__(self, sentence: str, exit_code: int = 69) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


DAMAGED: Final = 65
"""EX_DATAERR of sysexits.h: something in the backup is damaged, missing or another's."""


class Kept(Struct, frozen=True):
    """One file of a backup."""

    path: str
    """Below the backup's folder, with slashes."""
    size: int
    sha256: str


class Sheet(Struct, frozen=True, kw_only=True):
    """What a backup says of itself."""

    format: int = FORMAT
    taken_at: int
    """Everything acknowledged before this is in it, ms."""
    winnow: str
    """Its version."""
    server: str
    """The version of the server that wrote the data."""
    epoch: str
    files: tuple[Kept, ...]
    counts: dict[str, dict[str, int]] = {}
    """Site → status → comments; counted in the copy, or, if that was not tried, in the original."""
    with_secret: bool = False
    tried: bool = False
    """Whether a server loaded the copy and the checker read it."""
    violations: int = 0
    """What the checker found in the copy: it was so in the original."""

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.size for file in self.files)

    @property
    def comments(self) -> int:
        """How many comments it holds."""
        return sum(sum(by_status.values()) for by_status in self.counts.values())


def write(folder: Path, sheet: Sheet) -> None:
    """Writes the sheet of a backup that is otherwise whole."""
    text = msgspec.json.format(msgspec.json.encode(sheet), indent=1)
    digest = hashlib.sha256(text).hexdigest()
    for name, content in ((SHEET, text), (SUMS, f"{digest}  {SHEET}\n".encode())):
        with open(folder / name, "wb", opener=private) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def read(folder: Path) -> Sheet:
    """The sheet of a backup.

    Raises:
        BackupError: this is no backup, or its sheet is damaged or of a newer release.
    """
    try:
        with (folder / SHEET).open("rb") as file:
            text = file.read(_LARGEST)
        said = (folder / SUMS).read_text(errors="replace").split()
    except (FileNotFoundError, NotADirectoryError):
        raise BackupError(
            f"{folder} is no whole backup: it has no {SHEET} or no {SUMS}", DAMAGED
        ) from None
    if said[:1] != [hashlib.sha256(text).hexdigest()]:
        raise BackupError(
            f"{folder / SHEET} is damaged: its SHA-256 is not that of {SUMS}", DAMAGED
        )
    try:
        sheet = msgspec.json.decode(text, type=Sheet)
        epochs.origin(sheet.epoch)
    except (msgspec.MsgspecError, ValueError) as error:
        raise BackupError(f"{folder / SHEET} cannot be read: {error}", DAMAGED) from None
    if sheet.format > FORMAT:
        raise BackupError(
            f"{folder} was taken by Winnow {sheet.winnow}, in a form this one does not know",
            DAMAGED,
        )
    if strange := [f.path for f in sheet.files if Path(f.path).is_absolute() or ".." in f.path]:
        raise BackupError(f"{folder / SHEET} names {strange[0]!r}, outside of the backup", DAMAGED)
    return sheet


def damage(folder: Path, sheet: Sheet) -> Iterator[str]:
    """What is wrong with the files of a backup, a sentence each."""
    for file in sheet.files:
        path = folder / file.path
        try:
            size = path.lstat().st_size
            if size != file.size or path.is_symlink():
                yield f"{file.path} has {size:,} bytes, not {file.size:,}"
            elif digest(path) != file.sha256:
                yield f"{file.path} is damaged: its SHA-256 is another"
        except FileNotFoundError:
            yield f"{file.path} is missing"
        except OSError as error:
            yield f"{file.path} cannot be read: {error.strerror}"


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            hashed.update(chunk)
    return hashed.hexdigest()


def found_in(dest: Path) -> list[tuple[Path, Sheet | BackupError]]:
    """Every backup in a folder, oldest first; of a damaged one, what is wrong with its sheet."""
    if not dest.is_dir():
        return []
    found: list[tuple[Path, Sheet | BackupError]] = []
    for folder in sorted(dest.glob(f"{PREFIX}*")):
        if folder.is_dir():
            try:
                found.append((folder, read(folder)))
            except BackupError as error:
                found.append((folder, error))
    return found


def private(path: str, flags: int) -> int:
    """Opens a file for its owner alone: backups hold the installation's secret."""
    return os.open(path, flags, 0o600)


def make_private(folder: Path) -> Path:
    """Makes a folder, and those above it that are missing, for their owner alone."""
    if not folder.is_dir():
        make_private(folder.parent)
        folder.mkdir(mode=0o700)
    return folder


def sync_tree(folder: Path) -> None:
    """Brings every folder below, and this one, to the disk; files are written with their own."""
    for path in (*sorted(p for p in folder.rglob("*") if p.is_dir()), folder):
        sync_folder(path)


def sync_folder(path: Path) -> None:
    """Brings the names in a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
