"""Describes the machine that measures: processor, cores, system, versions, and what else it does.

    python benchmarks/machine.py

Prints one JSON object; a report begins with it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from service import __version__
from service.store.launching import binary_build, find_binary

PACKAGES = ("litestar", "uvicorn", "uvloop", "redis", "hiredis", "msgspec", "numpy", "scikit-learn")


def described() -> dict[str, Any]:
    """The machine as it is now."""
    return {
        "processor": _field(Path("/proc/cpuinfo"), "model name", ":") or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(int(_memory().split()[0]) / 1e6, 1),
        "kernel": f"{platform.system()} {platform.release().partition('-')[0]}",
        "system": _field(Path("/etc/os-release"), "PRETTY_NAME", "=").strip('"'),
        "python": platform.python_version(),
        "store": str(binary_build(find_binary(None))),
        "winnow": __version__,
        "packages": dict(filter(None, map(_package, PACKAGES))),
        "load_before": round(os.getloadavg()[0], 2),
        "at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _memory() -> str:
    return _field(Path("/proc/meminfo"), "MemTotal", ":") or "0 kB"


def _field(path: Path, name: str, between: str) -> str:
    """The first value of that name in a file of `name: value` lines; '' where there is none."""
    if not path.exists():
        return ""
    for line in path.read_text(encoding="utf-8").splitlines():
        key, found, value = line.partition(between)
        if found and key.strip() == name:
            return value.strip()
    return ""


def _package(name: str) -> tuple[str, str] | None:
    try:
        return name, version(name)
    except PackageNotFoundError:
        return None


def main() -> None:
    """Prints it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one line instead of indented")
    args = parser.parse_args()
    print(json.dumps(described(), indent=None if args.json else 1))


if __name__ == "__main__":
    main()
