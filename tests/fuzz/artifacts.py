"""Damaged models by the thousand: whatever happens to the files, none crashes, none gets in.

Run as a program (`python artifacts.py COUNT SEED`) so that its memory can be limited; the last line
it prints says how often each kind of damage was made, and what was refused.
"""

from __future__ import annotations

import io
import json
import os
import random
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from classifier import LABELS, ArtifactError, Classifier, default_artifact, load
from classifier.artifact import SelfTest, read_manifest, save, seal
from classifier.lexicon import Lexicon, Word, lexicon

ROOM = 512 << 20
"""Bytes of address space that loading a damaged model may take beyond what loading a good one
took: the largest table that a manifest may promise is 32 MiB."""
SLOWEST_S = 20.0
TEXTS = ("You are a fool.", "Cheap pills, www.pills.example", "Danke, ein guter Artikel.", "")


def tiny(folder: Path, seed: int = 1, version: str = "tiny-1") -> Path:
    """A model of a few kilobytes that keeps all the rules."""
    draw = np.random.default_rng(seed)
    shipped = read_manifest(default_artifact())
    heads = [
        msgspec.structs.replace(record, char_bits=8, word_bits=8) for record in shipped.heads[:2]
    ]
    tables = [
        draw.integers(-900, 900, (record.shape.rows, len(record.labels)), np.int16)
        for record in heads
    ]
    words: Lexicon = lexicon([Word("fool", 1.5), Word("danke", 0.0, "de"), Word("cheap")])
    manifest = msgspec.structs.replace(shipped, version=version, heads=heads, metrics={})
    scores = Classifier(manifest, tables, words).score(list(TEXTS))
    vectors = [
        SelfTest(text, [float(value) for value in row])
        for text, row in zip(TEXTS, scores, strict=True)
    ]
    save(folder, msgspec.structs.replace(manifest, self_test=vectors), tables, words, "# A card\n")
    return folder


# ------------------------------------------------------------------ damage behind a seal's back


def _file(folder: Path, draw: random.Random) -> Path:
    return draw.choice(sorted(folder.iterdir()))


def flip(folder: Path, draw: random.Random) -> None:
    """One to eight bits of one file."""
    path = _file(folder, draw)
    raw = bytearray(path.read_bytes())
    for _ in range(draw.choice((1, 1, 1, 2, 8))):
        raw[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
    path.write_bytes(bytes(raw))


def cut(folder: Path, draw: random.Random) -> None:
    """The end of one file is missing."""
    path = _file(folder, draw)
    raw = path.read_bytes()
    path.write_bytes(raw[: draw.randrange(len(raw))])


def lengthen(folder: Path, draw: random.Random) -> None:
    """Something stands behind the end of one file."""
    path = _file(folder, draw)
    path.write_bytes(path.read_bytes() + draw.randbytes(draw.choice((1, 100, 100_000))))


def swap_files(folder: Path, draw: random.Random) -> None:
    """Two files stand in each other's place."""
    one, two = draw.sample(sorted(folder.iterdir()), 2)
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)


def no_file(folder: Path, draw: random.Random) -> None:
    """One file is gone, or is no file."""
    path = _file(folder, draw)
    path.unlink()
    match draw.randrange(5):
        case 0:
            path.mkdir()
        case 1:
            os.mkfifo(path)
        case 2:
            path.symlink_to(path)
        case 3:
            path.symlink_to("/dev/zero")


def promise(folder: Path, draw: random.Random) -> None:
    """An array's header promises more, or other, numbers than there are."""
    path = draw.choice(sorted(folder.glob("*.npy")))
    shape = draw.choice([(1 << 40, 8), (1 << 62, 1 << 62), (0, 8), (512, 9), (4096,), (-1, 8)])
    header = io.BytesIO()
    fields = {"descr": draw.choice(["<i2", "<f8", "|O"]), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, fields)
    raw = path.read_bytes()
    path.write_bytes(header.getvalue() + raw[len(header.getvalue()) :])


# --------------------------------------------------------------- sealed again: somebody's mistake

JUNK: tuple[Any, ...] = (
    None,
    -1,
    0,
    1e300,
    1 << 62,
    "",
    "x" * 5000,
    [],
    {},
    [[1]],
    "../../etc",
    "\x00",
    True,
    10**400,
)


def junk_in_manifest(folder: Path, draw: random.Random) -> None:
    """A value of the manifest is another one."""
    path = folder / "manifest.json"
    document = json.loads(path.read_bytes())
    node: Any = document
    while True:
        key = draw.choice(list(node)) if isinstance(node, dict) else draw.randrange(len(node))
        deeper = node[key]
        if isinstance(deeper, (dict, list)) and deeper and draw.random() < 0.9:
            node = deeper
            continue
        node[key] = draw.choice(JUNK)
        break
    path.write_text(json.dumps(document))
    seal(folder)


def not_finite(folder: Path, draw: random.Random) -> None:
    """A number of a head is none, or not finite."""
    path = folder / "manifest.json"
    document = json.loads(path.read_bytes())
    head = draw.choice(document["heads"])
    name = draw.choice(["scale", "bias", "mix", "penalty", "slope", "offset"])
    bad = draw.choice(["NaN", "Infinity", "-Infinity", "1e39", "1e400", "null"])
    head[name][draw.randrange(len(head[name]))] = "@"
    path.write_text(json.dumps(document).replace('"@"', bad))
    seal(folder)


def wrong_features(folder: Path, draw: random.Random) -> None:
    """Made for another program."""
    path = folder / "manifest.json"
    document = json.loads(path.read_bytes())
    wrong: dict[str, Any] = draw.choice(
        [
            {"features_version": draw.randrange(2, 99) + 99},
            {"format": draw.choice([0, 1, 3, 99])},
            {"heads": [document["heads"][0] | {"labels": list(LABELS)[::-1]}]},
            {"heads": []},
            {"heads": document["heads"] * 40},
            {"heads": [document["heads"][0] | {"char_bits": draw.choice([0, 7, 21, 63, 4096])}]},
            {"self_test": []},
            {"self_test": [{"text": "a", "scores": [0.5]}]},
            {"sha256": {}},
        ]
    )
    path.write_text(json.dumps(document | wrong))
    seal(folder)


def other_words(folder: Path, draw: random.Random) -> None:
    """The word list holds anything at all, and everything agrees with it."""
    path = folder / "lexicon.tsv"
    lines = [
        draw.choice(["fool", "x", "é" * 50, "", "a b", "\x00", "the"])
        + draw.choice(["\t", "", "\t\t"])
        + draw.choice(["1.5", "nan", "inf", "-1e308", "x", ""])
        + "\t"
        + draw.choice(["de", "", "zz", "general", "x" * 99])
        for _ in range(draw.randrange(0, 30))
    ]
    raw = "\n".join(lines).encode()
    path.write_bytes(raw if draw.random() < 0.7 else draw.randbytes(200))
    manifest = folder / "manifest.json"
    document = json.loads(manifest.read_bytes())
    document["sha256"]["lexicon.tsv"] = _digest(path)
    manifest.write_text(json.dumps(document))
    seal(folder)


def _digest(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


Damage = Callable[[Path, random.Random], None]
BEHIND: tuple[Damage, ...] = (flip, flip, flip, cut, lengthen, swap_files, no_file, promise)
"""What no seal agrees with: always refused."""
SEALED: tuple[Damage, ...] = (junk_in_manifest, not_finite, wrong_features, other_words)
"""What was sealed afterwards: refused, or a model that scores like any other."""


def _same(one: Path, two: Path) -> bool:
    names = sorted(path.name for path in one.iterdir())
    return names == sorted(path.name for path in two.iterdir()) and all(
        (two / name).is_file()
        and not (two / name).is_symlink()
        and (one / name).read_bytes() == (two / name).read_bytes()
        for name in names
    )


def _loads(folder: Path) -> bool:
    """Whether a damaged model loads; one that does must score."""
    try:
        model = load(folder)
    except ArtifactError:
        return False
    scores = model.score([*TEXTS, "a" * 3000])
    assert ((scores >= 0) & (scores <= 1)).all(), "a score is none"
    return True


def main(count: int, seed: int) -> dict[str, Any]:
    """Damages a model `count` times; what was done, refused, and let in where that is right."""
    draw = random.Random(seed)
    made, refused, let_in = Counter[str](), Counter[str](), Counter[str]()
    slowest = 0.0
    with tempfile.TemporaryDirectory() as home:
        good = tiny(Path(home) / "good")
        assert _loads(good)
        _limit_memory()
        for _ in range(count):
            bad = Path(home) / "bad"
            shutil.copytree(good, bad)
            damage = draw.choice(BEHIND if draw.random() < 0.6 else SEALED)
            damage(bad, draw)
            name = damage.__name__
            if not _same(good, bad):
                made[name] += 1
                began = time.monotonic()
                loaded = _loads(bad)
                slowest = max(slowest, time.monotonic() - began)
                assert not (loaded and damage in BEHIND), f"{name} was loaded in silence"
                (let_in if loaded else refused)[name] += 1
            shutil.rmtree(bad)
    assert slowest < SLOWEST_S, f"one took {slowest:.1f} s"
    return {
        "seed": seed,
        "damaged": sum(made.values()),
        "refused": sum(refused.values()),
        "let_in": dict(let_in),
        "by_kind": dict(made),
        "slowest_s": round(slowest, 3),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]))))
