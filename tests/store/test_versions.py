"""Requirements of which server builds may be embedded."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from service.settings import Settings
from service.store import embedded, versions
from service.store.launching import EmbeddedServerError, find_binary

SAID = "{product} server v={version} sha=00000000:0 malloc=libc bits=64 build=1"


def build(tmp_path: Path, product: str, version: str) -> Path:
    """A program that reports a version, as nothing else is asked before the judgement."""
    path = tmp_path / f"{product.lower()}-server"
    path.write_text(f"#!/bin/sh\necho '{SAID.format(product=product, version=version)}'\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.parametrize(
    ("product", "last_bad", "first_good"),
    [
        ("Redis", "7.2.10", "7.2.11"),
        ("Redis", "7.4.5", "7.4.6"),
        ("Redis", "8.0.3", "8.0.4"),
        ("Redis", "8.2.1", "8.2.2"),
        ("Redis", "7.0.14", "8.4.0"),
        ("Valkey", "7.2.10", "7.2.11"),
        ("Valkey", "8.0.5", "8.0.6"),
        ("Valkey", "8.1.3", "8.1.4"),
        ("Valkey", "8.1.0", "9.0.0"),
    ],
)
def test_a_build_with_the_hole_is_refused_and_the_mended_one_taken(
    tmp_path: Path, product: str, last_bad: str, first_good: str
) -> None:
    """Each series from the release on that mended it."""
    bad = build(tmp_path, product, last_bad)
    with pytest.raises(EmbeddedServerError, match=versions.HOLE):
        embedded.start(Settings(data_dir=tmp_path / "data", redis_server=bad))
    assert not (tmp_path / "data" / "server.conf").exists()
    good = build(tmp_path, product, first_good)
    assert find_binary(good) == good


@pytest.mark.parametrize("version", ["5.0.14", "6.2.20", "6.2.14"])
def test_a_build_that_is_too_old_is_refused(tmp_path: Path, version: str) -> None:
    """Redis 6 knows neither our scripts nor the multi-part AOF, mended or not."""
    with pytest.raises(EmbeddedServerError, match=r"Redis 7\.0 or newer is needed"):
        find_binary(build(tmp_path, "Redis", version))


def test_the_distributions_own_number_is_taken_with_a_warning(tmp_path: Path) -> None:
    """Debian 12 and Ubuntu 24.04 mended 7.0.15 and kept its number."""
    binary = find_binary(build(tmp_path, "Redis", "7.0.15"))
    found = versions.judge(binary, versions.Build("redis", (7, 0, 15)))
    assert found.allowed
    assert versions.HOLE in found.problem


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="no Debian package manager here")
def test_a_program_of_a_system_package_is_not_refused_for_its_number() -> None:
    """Whose package does not say that it mended the hole gets a warning, not a refusal."""
    owned = Path(shutil.which("dpkg-query") or "")
    found = versions.judge(owned, versions.Build("valkey", (8, 1, 1)))
    assert found.allowed
    assert "unless the package" in found.problem
