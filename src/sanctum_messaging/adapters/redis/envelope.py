"""How what is published looks: a clear header, a seal over everything, and the content.

A hub reads the header of each envelope, and the rest of few: what is its own, or applied already, goes unopened. The
seal proves that an instance with the same key wrote it, to which log, and that nothing was changed on the way.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from enum import IntEnum
from typing import Literal, NamedTuple

VERSION = 1
"""Of everything below and of the contents. An instance of another version is not understood, but found by the sweep."""
MAX_BYTES = 4 * 1024 * 1024
"""Nobody seals more than a quarter of it; a larger one is not even looked at."""

_DIGEST_BYTES = 16
_HEADER = struct.Struct(f">BB{_DIGEST_BYTES}s{_DIGEST_BYTES}sQQ8s")
_SEALED = _HEADER.size + _DIGEST_BYTES

Fault = Literal["foreign", "forged", "garbled", "too_large"]


class Kind(IntEnum):
    """What is inside."""

    EVENTS = 1
    SIGNALS = 2
    TAKEOVERS = 3
    HEARTBEAT = 4


class RejectedError(Exception):
    """An envelope that nobody may believe."""

    def __init__(self, fault: Fault) -> None:
        """Say why: of another log or version; without our seal; sealed but unreadable; too large."""
        super().__init__(fault)
        self.fault = fault


class Header(NamedTuple):
    """What can be told without opening an envelope.

    Events: their positions, and the tag before them. Signals: ``last`` is the sender's tail. A heartbeat: ``last`` is
    its number.
    """

    kind: Kind
    last: int
    first: int = 0
    tag: str = ""
    is_own: bool = True


class Envelopes:
    """Seals what an instance publishes on a log, and opens what others do."""

    def __init__(self, *, log_id: str, key: bytes, instance: str) -> None:
        if not key:
            raise ValueError("the bus needs a key")
        # The digests make the header one of fixed size, whatever a log or an instance is called.
        self._log = _digest(log_id.encode())
        self._instance = _digest(instance.encode())
        self._key = hashlib.blake2b(key, person=b"sanctum bus", digest_size=32).digest()

    def seal(self, header: Header, content: bytes) -> bytes:
        """Put a content into an envelope."""
        tag = header.tag.encode()
        clear = _HEADER.pack(VERSION, header.kind, self._log, self._instance, header.first, header.last, tag)
        return b"".join((clear, self._mac(clear, content), content))

    def read_header(self, envelope: bytes) -> Header:
        """Read the header, and believe none of it: it may only serve to drop the envelope.

        Raises:
            RejectedError: it is too large, too short, or of another log or version.
        """
        if len(envelope) > MAX_BYTES:
            raise RejectedError("too_large")
        if len(envelope) < _SEALED:
            raise RejectedError("garbled")
        version, kind, log, instance, first, last, tag = _HEADER.unpack_from(envelope)
        if version != VERSION or log != self._log or kind not in _KINDS:
            raise RejectedError("foreign")
        return Header(_KINDS[kind], last, first, tag.rstrip(b"\0").decode("latin-1"), instance == self._instance)

    def open(self, envelope: bytes) -> bytes:
        """Break the seal, after which the header is true as well.

        Raises:
            RejectedError: the seal is not ours.
        """
        clear, seal, content = envelope[: _HEADER.size], envelope[_HEADER.size : _SEALED], envelope[_SEALED:]
        if not hmac.compare_digest(seal, self._mac(clear, content)):
            raise RejectedError("forged")
        return content

    def _mac(self, clear: bytes, content: bytes) -> bytes:
        mac = hashlib.blake2b(clear, key=self._key, digest_size=_DIGEST_BYTES)
        mac.update(content)
        return mac.digest()


_KINDS = {int(kind): kind for kind in Kind}


def _digest(name: bytes) -> bytes:
    return hashlib.blake2b(name, digest_size=_DIGEST_BYTES).digest()
