"""The LD_PRELOAD shim: compiled when it is first needed, told what to do through a shared file."""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("shims.c")


def why_not() -> str:
    """Why there can be no shim on this machine; empty where there can."""
    return "" if shutil.which("gcc") else "no gcc on this machine"


class Shim:
    """The wall clock and the disk as processes started with `environ` see them."""

    def __init__(self, folder: Path) -> None:
        library, told = folder / "shim.so", folder / "shim.told"
        command = ["gcc", "-O2", "-Wall", "-shared", "-fPIC", "-o", library, SOURCE]
        subprocess.run(command, check=True, capture_output=True)
        told.write_bytes(bytes(16))
        self._file = told.open("r+b")
        self._told = mmap.mmap(self._file.fileno(), 16)
        self.environ = {"LD_PRELOAD": str(library), "FAULT_SHIM": str(told)}

    def shift(self, ms: int) -> None:
        """Moves the wall clock: so many milliseconds from the true time."""
        self._told[0:8] = struct.pack("q", ms)

    def break_disk(self, broken: bool) -> None:
        """Lets every flush of the server fail, or none."""
        self._told[8:16] = struct.pack("q", int(broken))

    def close(self) -> None:
        """Lets go of the file."""
        self._told.close()
        self._file.close()
