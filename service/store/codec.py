"""How records are written to Redis: MessagePack by prebuilt codecs, private parts encrypted."""

from __future__ import annotations

import os
import struct
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from service.records import Ban, Comment, Entry, Moderator, Private, Site

encode = msgspec.msgpack.Encoder().encode
_decode_comment = msgspec.msgpack.Decoder(Comment).decode
decode_entry = msgspec.msgpack.Decoder(Entry).decode
decode_private = msgspec.msgpack.Decoder(Private).decode
decode_ban = msgspec.msgpack.Decoder(Ban).decode
decode_site = msgspec.msgpack.Decoder(Site).decode
decode_moderator = msgspec.msgpack.Decoder(Moderator).decode


_LABELS: Final = (
    "spam", "toxicity", "severe_toxicity", "identity_attack", "insult", "profanity", "threat",
    "sexually_explicit",
)  # fmt: skip
"""The labels of every model, in the order of `_SCORES`; never changed, only followed by another."""
_PLACES: Final = 10_000
"""Scores are kept to four places."""
_SCORES: Final = struct.Struct(">B8H")
"""`_MARK`, then the scores in ten thousandths: 17 bytes before the record instead of 161 in it."""
_MARK: Final = 0xC1
"""The one byte that no MessagePack begins with."""


def encode_comment(comment: Comment) -> bytes:
    """A comment as it is kept: its scores in front, the rest as MessagePack."""
    scores = comment.scores
    if scores is None or tuple(scores) != _LABELS or not all(0 <= s <= 1 for s in scores.values()):
        return encode(comment)
    whole = [round(score * _PLACES) for score in scores.values()]
    if any(part / _PLACES != score for part, score in zip(whole, scores.values(), strict=True)):
        return encode(comment)  # not of our making: kept exactly
    return _SCORES.pack(_MARK, *whole) + encode(msgspec.structs.replace(comment, scores=None))


def decode_comment(kept: bytes) -> Comment:
    """The comment that was kept.

    Raises:
        msgspec.DecodeError: these bytes are none.
    """
    if kept[:1] != b"\xc1":
        return _decode_comment(kept)
    if len(kept) <= _SCORES.size:
        raise msgspec.DecodeError("cut off")
    comment = _decode_comment(memoryview(kept)[_SCORES.size :])
    _, *whole = _SCORES.unpack_from(kept)
    comment.scores = {name: part / _PLACES for name, part in zip(_LABELS, whole, strict=True)}
    return comment


class Sealed:
    """Seals what must not stand in the open with AES-256-GCM (NIST SP 800-38D): 12 random bytes,
    then ciphertext. What belongs to an author is sealed under that author's own key
    (`store/author_keys`), what belongs to a site or the installation under one sub-key."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, data: bytes, bound_to: str) -> bytes:
        """Ciphertext that opens only together with `bound_to`: what it is, and of whom or what."""
        nonce = os.urandom(12)
        return nonce + self._cipher.encrypt(nonce, data, bound_to.encode())

    def open(self, sealed: bytes, bound_to: str) -> bytes | None:
        """The data; None where it was sealed under another key or bound to something else."""
        try:
            return self._cipher.decrypt(sealed[:12], sealed[12:], bound_to.encode())
        except (InvalidTag, ValueError):
            return None
