"""A file that only a passphrase opens: AES-256-GCM in chunks, the key by scrypt.

Layout: a mark, 16 bytes of salt, 7 of nonce, then chunks of 64 KiB with a tag of 16 bytes each. The nonce of a chunk is
those 7 bytes, its number, and whether it is the last: a chunk that is changed, moved or cut off does not open. All
chunks but the last are of one size, so a reader can start anywhere.
"""

from __future__ import annotations

import hashlib
import io
import os
from typing import BinaryIO

from elder_assets.audit.errors import ConfigurationError, StoreError

MARK = b"ELDERSEALED1\n"
SALT_BYTES, NONCE_BYTES, TAG_BYTES = 16, 7, 16
HEAD_BYTES = len(MARK) + SALT_BYTES + NONCE_BYTES
CHUNK_BYTES = 64 * 1024
PASSPHRASE_BYTES_MIN = 12
SCRYPT = {"n": 2**17, "r": 8, "p": 1, "maxmem": 2**28, "dklen": 32}
"""128 MiB and about half a second a guess; the parameters that OWASP's password storage cheat sheet names first."""


def checked_passphrase(text: bytes) -> bytes:
    """A passphrase as a file holds it, without the line's end.

    Raises:
        ConfigurationError: it is too short.
    """
    passphrase = text.rstrip(b"\r\n")
    if len(passphrase) < PASSPHRASE_BYTES_MIN:
        raise ConfigurationError("passphrase", "a short text", f"at least {PASSPHRASE_BYTES_MIN} bytes")
    return passphrase


def is_sealed(file: BinaryIO) -> bool:
    """Whether a file, at its start, is one of these."""
    found = file.read(len(MARK)) == MARK
    file.seek(0)
    return found


class _Chunks:
    """Seals and opens single chunks."""

    def __init__(self, passphrase: bytes, head: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        salt = head[len(MARK) : len(MARK) + SALT_BYTES]
        self._cipher = AESGCM(hashlib.scrypt(passphrase, salt=salt, **SCRYPT))
        self._head = head

    def seal(self, number: int, data: bytes, *, is_last: bool) -> bytes:
        return self._cipher.encrypt(self._nonce(number, is_last), data, self._head)

    def open(self, number: int, data: bytes, *, is_last: bool) -> bytes:
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher.decrypt(self._nonce(number, is_last), data, self._head)
        except InvalidTag:
            reason = "the passphrase is wrong, or its start is damaged" if number == 0 else "it is damaged or cut off"
            msg = f"the backup does not open: {reason}"
            raise StoreError(msg) from None

    def _nonce(self, number: int, is_last: bool) -> bytes:
        return self._head[-NONCE_BYTES:] + number.to_bytes(4, "big") + bytes([is_last])


class SealingWriter(io.RawIOBase):
    """Seals what is written, in one pass; `finish` writes the last chunk, without which nothing opens."""

    def __init__(self, file: BinaryIO, passphrase: bytes) -> None:
        head = MARK + os.urandom(SALT_BYTES + NONCE_BYTES)
        self._file, self._chunks = file, _Chunks(passphrase, head)
        self._waiting, self._number = bytearray(), 0
        file.write(head)

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        """Take bytes; whole chunks go out at once, but the last one waits for more."""
        given = bytes(data)  # type: ignore[call-overload]
        self._waiting += given
        while len(self._waiting) > CHUNK_BYTES:
            self._put(bytes(self._waiting[:CHUNK_BYTES]), is_last=False)
            del self._waiting[:CHUNK_BYTES]
        return len(given)

    def _put(self, data: bytes, *, is_last: bool) -> None:
        self._file.write(self._chunks.seal(self._number, data, is_last=is_last))
        self._number += 1

    def finish(self) -> None:
        """Write what waits as the last chunk."""
        self._put(bytes(self._waiting), is_last=True)


class SealedReader(io.RawIOBase):
    """Reads a sealed file from anywhere.

    Raises:
        StoreError: the passphrase is wrong, or the file is damaged or cut off.
    """

    def __init__(self, file: BinaryIO, passphrase: bytes) -> None:
        self._file = file
        size = file.seek(0, os.SEEK_END) - HEAD_BYTES
        if size < TAG_BYTES:
            msg = "the backup does not open: it is cut off"
            raise StoreError(msg)
        file.seek(0)
        self._chunks = _Chunks(passphrase, file.read(HEAD_BYTES))
        whole = CHUNK_BYTES + TAG_BYTES
        self._count = -(-size // whole)
        self._size = size - self._count * TAG_BYTES
        self._at, self._held = 0, (-1, b"")
        self._chunk(0)
        self._chunk(self._count - 1)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place of the plain bytes."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(start + offset, 0)
        return self._at

    def tell(self) -> int:
        """The place of the next byte."""
        return self._at

    def readinto(self, buffer: object) -> int:
        """Fill a buffer from one chunk at most."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        number, start = divmod(self._at, CHUNK_BYTES)
        if self._at >= self._size:
            return 0
        part = self._chunk(number)[start : start + len(view)]
        view[: len(part)] = part
        self._at += len(part)
        return len(part)

    def _chunk(self, number: int) -> bytes:
        if self._held[0] != number:
            self._file.seek(HEAD_BYTES + number * (CHUNK_BYTES + TAG_BYTES))
            data = self._file.read(CHUNK_BYTES + TAG_BYTES)
            self._held = (number, self._chunks.open(number, data, is_last=number == self._count - 1))
        return self._held[1]
