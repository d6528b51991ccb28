"""How much memory this machine has for us: the container's limit where there is one."""

import os
from pathlib import Path
from typing import Final

SHARE: Final = 0.6
"""Of it the embedded server may fill by default: the other processes need some, and while the
append-only file is rewritten every page that changes is held twice."""
_GROUPS: Final = Path("/sys/fs/cgroup")
_UNLIMITED: Final = 1 << 60
"""Above this a limit of cgroup v1 means that there is none."""


def available(groups: Path = _GROUPS, own: Path = Path("/proc/self/cgroup")) -> int:
    """Bytes of memory that this process and its children may use, at most; 0 where unknown.

    The least of the machine's memory and the limits of the control groups we are in (cgroups(7)).
    """
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        whole = 0
    limits = [limit for limit in (whole, *_limits(groups, own)) if 0 < limit < _UNLIMITED]
    return min(limits, default=0)


def _limits(groups: Path, own: Path) -> list[int]:
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":  # v2: one tree, each level may limit
            inner = groups / path.lstrip("/")
            levels = [inner, *(level for level in inner.parents if level.is_relative_to(groups))]
            found += [_number(level / "memory.max") for level in levels]
        elif "memory" in controllers.split(","):
            names = (groups / "memory" / path.lstrip("/"), groups / "memory")
            found += [_number(level / "memory.limit_in_bytes") for level in names]
    return found


def _number(path: Path) -> int:
    try:
        text = path.read_text().strip()
    except OSError:
        return 0
    return int(text) if text.isdigit() else 0
