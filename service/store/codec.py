"""How records are written to Redis: MessagePack by prebuilt codecs, private parts encrypted."""

from __future__ import annotations

import os

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from service.records import Ban, Comment, Entry, Moderator, Private, Site

encode = msgspec.msgpack.Encoder().encode
decode_comment = msgspec.msgpack.Decoder(Comment).decode
decode_entry = msgspec.msgpack.Decoder(Entry).decode
decode_private = msgspec.msgpack.Decoder(Private).decode
decode_ban = msgspec.msgpack.Decoder(Ban).decode
decode_site = msgspec.msgpack.Decoder(Site).decode
decode_moderator = msgspec.msgpack.Decoder(Moderator).decode


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
