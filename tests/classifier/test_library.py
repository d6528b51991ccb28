"""The language library's tables on disk: the same answers, and nothing worse than memory if bad."""

from __future__ import annotations

from pathlib import Path

import pytest
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from classifier.library import identifier

LANGUAGES = ("de", "en", "es", "fr", "ru", "tr")
TEXTS = (
    "Ein ganz gewöhnlicher Satz über das Wetter von gestern",
    "Nothing about this sentence is unusual at all",
    "Сегодня я никуда не пойду, потому что идёт дождь",
    "Bugün hava çok güzel, dışarı çıkalım mı?",
    "ok",
    "",
)


@pytest.fixture(scope="module")
def plain() -> LanguageIdentifier:
    """The library as it comes."""
    found = LanguageIdentifier.from_model_file(MODEL_FILE)
    found.set_languages(LANGUAGES)
    return found


def check(mine: LanguageIdentifier, plain: LanguageIdentifier) -> None:
    for text in TEXTS:
        assert mine.rank(text) == plain.rank(text)


def test_kept_in_a_folder_or_in_memory_it_answers_as_the_library_does(
    plain: LanguageIdentifier, tmp_path: Path
) -> None:
    check(identifier(LANGUAGES, None), plain)
    for _ in range(2):  # written, then read
        check(identifier(LANGUAGES, tmp_path / "cache"), plain)
    assert [p.name for p in (tmp_path / "cache").iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("damage", ["cut", "empty", "no header", "missing", "no folder"])
def test_a_damaged_folder_costs_memory_only(
    plain: LanguageIdentifier, tmp_path: Path, damage: str
) -> None:
    if damage == "no folder":
        (tmp_path / "file").touch()
        check(identifier(LANGUAGES, tmp_path / "file" / "cache"), plain)
        return
    identifier(LANGUAGES, tmp_path)
    (place,) = tmp_path.iterdir()
    moves = place / "moves.npy"
    if damage == "missing":
        moves.unlink()
    elif damage == "cut":
        moves.write_bytes(moves.read_bytes()[:-1000])
    else:
        moves.write_bytes(b"" if damage == "empty" else bytes(moves.stat().st_size))
    check(identifier(LANGUAGES, tmp_path), plain)
