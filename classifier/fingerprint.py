"""A short name for what a text says, to recognise the same text sent again."""

import hashlib
import re

from classifier.text import fold

_WORDS = re.compile(r"\w+")


def fingerprint(text: str) -> str:
    """64 bits as 16 hexadecimal digits: a hash of the words of the normal form.

    Case, spacing, punctuation and the disguises that the normal form takes off make no
    difference; a text without any word is hashed as written.
    """
    words = " ".join(_WORDS.findall(fold(text))) or text
    return hashlib.blake2b(words.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
