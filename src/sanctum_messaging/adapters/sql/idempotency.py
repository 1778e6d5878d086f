"""Idempotency keys: how long they are kept, and what a found row answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sanctum_messaging.domain.errors import InvalidError
from sanctum_messaging.ports.log import Answer

if TYPE_CHECKING:
    from sanctum_messaging.ports.log import Idempotency

KEPT_MS = 24 * 60 * 60 * 1000
"""A client that retries does so within hours; after a day a key may be used anew."""


def answer_of(fingerprint: str, answer: str, wanted: Idempotency) -> Answer:
    """Read the answer that a key got.

    Raises:
        InvalidError: ``idempotency_key_reused``.
    """
    if fingerprint != wanted.fingerprint:
        raise key_reused()
    return decode_answer(answer)


def decode_answer(answer: str) -> Answer:
    """Read a row's answer."""
    return msgspec.json.decode(answer, type=Answer)


def key_reused() -> InvalidError:
    """Refuse a key that was used for something else."""
    return InvalidError("This Idempotency-Key was used for another request.", code="idempotency_key_reused")
