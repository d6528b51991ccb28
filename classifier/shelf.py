"""Shelf: a folder that keeps models, says which is in use, and which was before.

Each model lies in a folder named after its version and the beginning of what seals it, so that
two models of one version are told apart. ``active.json`` names the one in use and those before it;
it is replaced in one step (rename, then fsync of the folder), so that whoever reads it sees the
old one or the new one. ``history.jsonl`` says who changed it and when. A model is activated only
after it was loaded from where it lies: SHA-256 of every file, shapes, finiteness, self-test.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import msgspec

from classifier.artifact import CARD, LEXICON, MANIFEST, SUMS, read_bytes, read_manifest, sync
from classifier.artifact import weights_name as name_of_weights
from classifier.errors import ArtifactError
from classifier.model import Classifier, load

SHIPPED: Final = ""
"""The name of the model that needs no shelf: the shipped one."""
EARLIER: Final = 20
"""Names of earlier models that are remembered for going back."""
_ACTIVE: Final = "active.json"
_HISTORY: Final = "history.jsonl"
_LOCK: Final = "lock"
_LARGEST: Final = 1 << 20  # bytes of active.json
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,150}@[0-9a-f]{8}")
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,150}")


class Standing(msgspec.Struct, frozen=True):
    """Which model is in use, and which were before it, the newest first; '' = the shipped one."""

    active: str = SHIPPED
    earlier: tuple[str, ...] = ()


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change of the model in use; ``at`` is ms since the epoch."""

    at: int
    by: str
    action: Literal["activate", "rollback"]
    before: str
    after: str


class Nothing(ArtifactError):
    """There is no earlier model to go back to."""


class Shelf:
    """The models that one installation keeps. Safe to use from several processes at once."""

    def __init__(self, folder: Path, shipped: Path) -> None:
        self.folder = folder
        self._shipped = shipped

    def standing(self) -> Standing:
        """What ``active.json`` says; ``ArtifactError`` where it cannot be read."""
        path = self.folder / _ACTIVE
        if not path.exists():
            return Standing()
        try:
            found = msgspec.json.decode(read_bytes(path, _LARGEST), type=Standing)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ArtifactError(f"{path}: not what this program writes: {error}") from error
        for name in (found.active, *found.earlier):
            if name != SHIPPED and not _NAME.fullmatch(name):
                raise ArtifactError(f"{path}: names a model {name!r}")
        return found

    def mark(self) -> tuple[int, int, int]:
        """What changes whenever ``active.json`` does; cheap to ask for."""
        try:
            stat = (self.folder / _ACTIVE).stat()
        except OSError:
            return (0, 0, 0)
        return (stat.st_ino, stat.st_mtime_ns, stat.st_size)

    def kept(self) -> list[str]:
        """The names of the models on the shelf."""
        if not self.folder.is_dir():
            return []
        return sorted(path.name for path in self.folder.iterdir() if _NAME.fullmatch(path.name))

    def path_of(self, name: str) -> Path:
        """Where a model lies; ``ArtifactError`` for what cannot be a model's name."""
        if name == SHIPPED:
            return self._shipped
        if not _NAME.fullmatch(name):
            raise ArtifactError(f"{name!r} is no model on this shelf")
        return self.folder / name

    def open(self, name: str) -> Classifier:
        """A model, checked; ``ArtifactError`` if it is missing, altered or not of this name."""
        path = self.path_of(name)
        model = load(path)
        if name not in (SHIPPED, _named(path, model.version)):
            raise ArtifactError(f"{path}: is not the model it is named after")
        return model

    def put(self, source: Path) -> str:
        """Checks the model in ``source`` and keeps a copy; its name on the shelf.

        ``ArtifactError`` if it is missing, altered or misbehaves: nothing is kept then.
        """
        load(source)
        with self._alone():
            fresh = Path(tempfile.mkdtemp(prefix=".fresh-", dir=self.folder))
            try:
                return self._kept(source, fresh)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)

    def _kept(self, source: Path, fresh: Path) -> str:
        fresh.chmod(0o755)
        try:
            for name in _files(source):
                shutil.copyfile(source / name, fresh / name)
                sync(fresh / name)
        except OSError as error:
            raise ArtifactError(f"{source}: {error.strerror}") from error
        # From here on nobody else can change it.
        name = _named(fresh, load(fresh).version)
        place = self.folder / name
        if place.exists():
            try:
                self.open(name)
            except ArtifactError:
                shutil.rmtree(place)  # damaged: the copy takes its place
            else:
                return name
        sync_folder(fresh)
        fresh.rename(place)
        sync_folder(self.folder)
        return name

    def activate(self, name: str, *, by: str, now: int) -> Change:
        """Has everybody use this model; ``ArtifactError`` if it is bad: the old one stays."""
        with self._alone():
            self.open(name)
            before = self.standing()
            earlier = before.earlier
            if name != before.active:
                rest = [each for each in before.earlier if each not in (name, before.active)]
                earlier = (before.active, *rest)[:EARLIER]
            change = Change(at=now, by=by, action="activate", before=before.active, after=name)
            return self._write(Standing(name, tuple(earlier)), change)

    def rollback(self, *, by: str, now: int, leaving: str | None = None) -> Change:
        """Has everybody use the model before this one.

        ``leaving`` is the name of the model in use as the caller knows it: if it is another one by
        now, nothing changes, so that an order that is repeated goes back once. ``Nothing`` if there
        is none before it; ``ArtifactError`` if that one is bad: the present one stays.
        """
        with self._alone():
            before = self.standing()
            if leaving is not None and leaving != before.active:
                raise Nothing(f"the model in use is {before.active or 'the shipped one'!r}")
            if not before.earlier:
                raise Nothing("no model was in use before this one")
            name, *rest = before.earlier
            self.open(name)
            change = Change(at=now, by=by, action="rollback", before=before.active, after=name)
            return self._write(Standing(name, tuple(rest)), change)

    def history(self, limit: int = 50) -> list[Change]:
        """The newest changes, the newest last; a line that a crash cut off is passed by."""
        try:
            lines = (self.folder / _HISTORY).read_bytes().splitlines()[-limit:]
        except OSError:
            return []
        found = []
        for line in lines:
            try:
                found.append(msgspec.json.decode(line, type=Change))
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue
        return found

    def _write(self, standing: Standing, change: Change) -> Change:
        # The audit entry first: a change that nobody can account for must not happen.
        with (self.folder / _HISTORY).open("ab") as history:
            history.write(msgspec.json.encode(change) + b"\n")
            history.flush()
            os.fsync(history.fileno())
        fresh = self.folder / f".{_ACTIVE}"
        with fresh.open("wb") as file:
            file.write(msgspec.json.encode(standing))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.folder / _ACTIVE)
        sync_folder(self.folder)
        return change

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Holds the shelf: one change at a time, whichever process makes it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / _LOCK).open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def sync_folder(folder: Path) -> None:
    """Have a folder's names on disk before going on."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _files(folder: Path) -> list[str]:
    heads = read_manifest(folder).heads
    weights = [name_of_weights(place, record) for place, record in enumerate(heads)]
    return [CARD, LEXICON, MANIFEST, SUMS, *weights]


def _named(folder: Path, version: str) -> str:
    if not _VERSION.fullmatch(version):
        raise ArtifactError(f"{folder}: version {version!r} is no name for a folder")
    seal = hashlib.sha256(read_bytes(folder / SUMS, _LARGEST)).hexdigest()
    return f"{version}@{seal[:8]}"
