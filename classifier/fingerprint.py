"""Short names for what a text says, to recognise the same or nearly the same text again."""

import hashlib
import re
from typing import Final

import numpy as np

from classifier.text import fold

NEAR: Final = 6
"""Bits two ``simhash``es may differ in for texts to count as nearly the same."""
_BITS = 64
_RUN = 3  # words hashed together: a word swapped changes three of them
_WORDS = re.compile(r"\w+")
_LINK_OR_NUMBER = re.compile(r"(?:https?://|www\.)\S+|\d+")


def fingerprint(text: str) -> str:
    """64 bits as 16 hexadecimal digits: a hash of the words of the normal form.

    Case, spacing, punctuation and the disguises that the normal form takes off make no
    difference; a text without any word is hashed as written.
    """
    return fingerprint_of(words_of(fold(text)), text)


def words_of(folded: str) -> list[str]:
    """The words of a text in normal form."""
    return _WORDS.findall(folded)


def fingerprint_of(words: list[str], text: str) -> str:
    """The ``fingerprint`` of a text whose words are known."""
    said = " ".join(words) or text
    return hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def simhash(text: str) -> int:
    """64 bits that differ in few places for texts that differ in few words (Charikar 2002).

    Runs of three words of the normal form, links and numbers left out, vote on each bit: a
    template with another link or name keeps its hash within ``NEAR`` bits. 0 without words.
    """
    words = _WORDS.findall(_LINK_OR_NUMBER.sub(" ", fold(text)))
    if not words:
        return 0
    runs = {" ".join(words[k : k + _RUN]) for k in range(max(1, len(words) - _RUN + 1))}
    digests = b"".join(
        hashlib.blake2b(run.encode("utf-8", "surrogatepass"), digest_size=_BITS // 8).digest()
        for run in sorted(runs)
    )
    votes = np.unpackbits(np.frombuffer(digests, np.uint8).reshape(len(runs), -1), axis=1)
    return int.from_bytes(np.packbits(2 * votes.sum(0) > len(runs)).tobytes(), "big")


def apart(first: int, second: int) -> int:
    """In how many bits two ``simhash``es differ, 0..64."""
    return (first ^ second).bit_count()
