"""Which server builds may be embedded: new enough, and without the known hole in their Lua parser.

CVE-2025-49844 lets whoever may send scripts run code as the server. The projects fixed it in the
releases of `FIXED`. Distributions mend it without changing the number a binary reports (Debian 12
calls its mended one 7.0.15), so a binary that belongs to a system package is not refused for its
number: its changelog is asked whether it names the hole, and if it does not, there is a warning.
"""

import gzip
import re
import subprocess
from pathlib import Path
from typing import Final, NamedTuple

HOLE: Final = "CVE-2025-49844"
OLDEST: Final = (7, 0)
"""Redis 7.0 brought `#!lua` scripts and the multi-part AOF; every Valkey is newer."""

FIXED: Final = {
    "redis": {(6, 2): 20, (7, 2): 11, (7, 4): 6, (8, 0): 4, (8, 2): 2},
    "valkey": {(7, 2): 11, (8, 0): 6, (8, 1): 4},
}
"""Product → series → the first patch release without the hole; later series never had it."""
DISTRIBUTED: Final = ("redis", (7, 0, 15))
"""Debian 12's and Ubuntu 24.04's: the project mended no 7.0, the distributions did."""


class Build(NamedTuple):
    """What a server binary says of itself."""

    product: str
    """`redis` or `valkey`."""
    version: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.product} {'.'.join(map(str, self.version))}"

    @property
    def mended(self) -> bool:
        """Whether this release is free of the hole by its number."""
        series, fixes = self.version[:2], FIXED[self.product]
        if series in fixes:
            return self.version[2] >= fixes[series]
        return series > max(fixes)


class Verdict(NamedTuple):
    """Whether a build may run; `problem` is one sentence, '' where there is none."""

    allowed: bool
    problem: str


def read(said: str) -> Build | None:
    """The build behind the answer to `--version`; None where it is no Redis and no Valkey."""
    found = re.search(r"(Redis|Valkey) server v=(\d+)\.(\d+)\.(\d+)", said)
    if found is None:
        return None
    product, *version = found.groups()
    return Build(product.lower(), tuple(map(int, version)))


def judge(binary: Path, build: Build) -> Verdict:
    """Whether a build may be embedded."""
    if build.version < OLDEST:
        return Verdict(False, f"{binary} is {build}; Redis 7.0 or newer is needed")
    if build.mended:
        return Verdict(True, "")
    package = _package(binary)
    if package is not None and _names_the_hole(package):
        return Verdict(True, "")
    problem = f"{binary} is {build}, which has a hole in its Lua parser ({HOLE})"
    if package is not None:
        return Verdict(True, f"{problem} unless the package {package} mends it: keep it up to date")
    if (build.product, build.version) == DISTRIBUTED:
        return Verdict(True, f"{problem} unless its distribution mended it: keep it up to date")
    return Verdict(False, f"{problem}; install a newer one")


def _package(binary: Path) -> str | None:
    """The system package a binary belongs to; None where none owns it."""
    real = str(binary.resolve())
    short = real.removeprefix("/usr")  # under which dpkg may know it where /bin is a link
    asked = (("dpkg-query", "-S", real), ("dpkg-query", "-S", short))
    for command in (*asked, ("rpm", "-qf", "--qf", "%{NAME}", real)):
        said = _said(*command)
        if said:
            return said.partition(":")[0].strip()
    return None


def _names_the_hole(package: str) -> bool:
    """Whether a package's changelog tells of the hole's mending."""
    changelog = Path("/usr/share/doc") / package / "changelog.Debian.gz"
    try:
        return HOLE.encode() in gzip.decompress(changelog.read_bytes())
    except (OSError, EOFError):
        return HOLE in _said("rpm", "-q", "--changelog", package)


def _said(*command: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 (fixed programs; the binary's path is an argument)
            command, capture_output=True, text=True, errors="replace", timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
