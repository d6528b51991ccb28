"""Requirements of the supply chain: every package is pinned with its hashes, a changed byte is not
installed, and the audit never takes silence for an all-clear."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PINS = sorted((ROOT / "requirements").glob("*.txt"))
INSTALL = "--require-hashes --only-binary :all:"


def pinned(path: Path) -> list[str]:
    """One logical line for each package."""
    text = re.sub(r"^\s*#.*$", "", path.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("path", PINS, ids=lambda path: path.name)
def test_every_package_is_pinned_with_its_hashes(path: Path) -> None:
    lines = pinned(path)
    assert len(lines) > 5
    for line in lines:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[^\s;]+", line), line
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", line), line
        assert "://" not in line, line


def test_every_installation_asks_for_hashes_and_builds_nothing() -> None:
    for name in ("Makefile", "Dockerfile"):
        commands = re.sub(r"\\\n", " ", (ROOT / name).read_text())
        commands = re.sub(r" +", " ", commands)
        installing = re.findall(r"pip install [^\n&]*-r \S+", commands)
        assert installing, name
        for command in installing:
            assert INSTALL in command or (
                "--require-hashes" in command and "--only-binary :all:" in command
            ), command


def wheel(folder: Path) -> Path:
    """A package of one module, as pip takes it."""
    info = "pinned-1.0.dist-info"
    content = {
        "pinned.py": b"VALUE = 1\n",
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: pinned\nVersion: 1.0\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    for name, data in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},{len(data)}")
    content[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()
    path = folder / "pinned-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        for name, data in content.items():
            file.writestr(name, data)
    return path


def installed(folder: Path, digest: str) -> subprocess.CompletedProcess[str]:
    (folder / "pins.txt").write_text(f"pinned==1.0 \\\n    --hash=sha256:{digest}\n")
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-index"]
    command += ["--find-links", str(folder), "--target", str(folder / "there"), *INSTALL.split()]
    return subprocess.run(
        [*command, "-r", str(folder / "pins.txt")], capture_output=True, text=True, check=False
    )


def test_one_changed_hash_stops_an_installation(tmp_path: Path) -> None:
    digest = hashlib.sha256(wheel(tmp_path).read_bytes()).hexdigest()
    changed = ("0" if digest[0] != "0" else "1") + digest[1:]
    refused = installed(tmp_path, changed)
    assert refused.returncode != 0
    assert "DO NOT MATCH THE HASHES" in refused.stderr
    assert not (tmp_path / "there" / "pinned.py").exists()
    assert installed(tmp_path, digest).returncode == 0
    assert (tmp_path / "there" / "pinned.py").exists()


def test_the_audit_tells_what_it_found_and_what_it_could_not_ask() -> None:
    lines = runpy.run_path(str(ROOT / "requirements" / "audit.py"))["lines"]
    flaw = {"id": "PYSEC-2026-1", "fix_versions": ["1.1"]}
    sound = {"name": "sound", "version": "1.0", "vulns": []}
    bad = {"name": "bad", "version": "1.0", "vulns": [flaw]}
    unasked = {"name": "unknown", "skip_reason": "not found"}
    told = list(lines("run.txt", [sound, bad], ""))
    assert told[0] == "run.txt: bad 1.0: PYSEC-2026-1 (mended in: 1.1)"
    assert not any("WARNING" in line for line in told)
    (warned,) = lines("run.txt", [sound, unasked], "")
    assert warned.startswith("WARNING: run.txt: could not audit 1 of 2 packages")
    (warned,) = lines("run.txt", [], "no route to host")
    assert warned == "WARNING: run.txt: could not audit any package: no route to host"


def test_the_bill_of_materials_names_every_pinned_package_with_its_hashes(tmp_path: Path) -> None:
    pytest.importorskip("cyclonedx_py")
    few = "\n".join(pinned(ROOT / "requirements" / "run.txt")[:5])
    (tmp_path / "few.txt").write_text(few + "\n")
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", "--of", "JSON"]
    command += ["-o", str(tmp_path / "sbom.json"), str(tmp_path / "few.txt")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    bill = json.loads((tmp_path / "sbom.json").read_text())
    named = {f"{each['name']}=={each['version']}" for each in bill["components"]}
    assert named == {line.split()[0].rstrip(";") for line in few.splitlines()}
    for each in bill["components"]:
        assert each["purl"].startswith("pkg:pypi/")
        assert each["externalReferences"][0]["hashes"][0]["alg"] == "SHA-256"
