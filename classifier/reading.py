"""From a text as written to its tokens: normal form, pieces, disguised words as meant.

Between two spaces everything is settled on its own (a *chunk*), so that a chunk met before
need not be looked at again. Only letters spelt out with spaces reach across; the model sees
them by their number and has the text joined first (``joined``).
"""

import re

from classifier.repair import Repairs
from classifier.text import Span, fold, fold_traced
from classifier.tokens import Piece, pieces

_MARKS = re.compile(r"(.)\1{3,}")
_LONGEST_TOKEN = 64  # code points of a token that are read
_LONGEST_CHUNK = 512  # code points of a chunk whose disguises are undone


def chunk_pieces(chunk: str, repairs: Repairs | None) -> list[Piece]:
    """The tokens of a chunk, as meant if ``repairs`` are given, with their places in its fold."""
    return folded_pieces(fold(chunk), repairs)


def folded_pieces(folded: str, repairs: Repairs | None) -> list[Piece]:
    """The tokens of a chunk in normal form."""
    if repairs is None or len(folded) > _LONGEST_CHUNK or "/" in folded:
        return [_cut(piece) for piece in pieces(folded)]
    meant = repairs.marked(folded)
    if meant is not None:
        return [(meant, 0, len(folded))]
    return [part for piece in pieces(folded) for part in _repaired(_cut(piece), repairs)]


def chunk_places(chunk: str, repairs: Repairs | None) -> tuple[Span, ...]:
    """Where in a chunk as written each of its tokens comes from, in the same order."""
    if chunk.isascii() and fold(chunk) == chunk.lower():
        return tuple((start, end) for _, start, end in folded_pieces(chunk.lower(), repairs))
    traced = fold_traced(chunk)
    return tuple(traced.origin(s, e) for _, s, e in folded_pieces(traced.text, repairs))


def text_tokens(text: str, repairs: Repairs | None, known: dict[str, tuple[str, ...]]) -> list[str]:
    """The tokens of a text, as a model reads it; ``known`` remembers chunks between calls."""
    found = _tokens(text, repairs, known)
    if _spelt(found):
        found = _tokens(fold(text), repairs, known)
    return found


def _tokens(text: str, repairs: Repairs | None, known: dict[str, tuple[str, ...]]) -> list[str]:
    found: list[str] = []
    for chunk in text.split():
        if chunk not in known:
            known[chunk] = tuple(token for token, _, _ in chunk_pieces(chunk, repairs))
        found += known[chunk]
    return found


def _spelt(tokens: list[str]) -> bool:
    """Whether three letters in a row stand alone: a word spelt out, perhaps."""
    run = 0
    for token in tokens:
        run = run + 1 if len(token) == 1 and single(token) else 0
        if run == 3:
            return True
    return False


def single(token: str) -> bool:
    """Whether a token is one Latin letter."""
    return len(token) == 1 and token.isascii() and token.isalpha()


def _cut(piece: Piece) -> Piece:
    """The piece with marks at most three times in a row, and no longer than is read."""
    token, start, end = piece
    if len(token) > 3 and not token[0].isalnum():
        token = _MARKS.sub(r"\1\1\1", token)
    return token[:_LONGEST_TOKEN], start, end


def _repaired(piece: Piece, repairs: Repairs) -> list[Piece]:
    token, start, end = piece
    meant = repairs.word(token)
    if meant is None:
        return [piece]
    if sum(map(len, meant)) != end - start:
        return [(word, start, end) for word in meant]
    places = [start]
    for word in meant:
        places.append(places[-1] + len(word))
    return [(word, places[i], places[i + 1]) for i, word in enumerate(meant)]
