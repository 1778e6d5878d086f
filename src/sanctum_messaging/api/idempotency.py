"""``Idempotency-Key``: a repeat of a creating call gets the first one's answer."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from sanctum_messaging.api.calls import find_header
from sanctum_messaging.domain.errors import InvalidError
from sanctum_messaging.ports.log import Idempotency

if TYPE_CHECKING:
    from starlette.types import Scope

    from sanctum_messaging.api.calls import Headers
    from sanctum_messaging.domain.model import Actor

KEY_PATTERN = r"^[\x21-\x7e]{1,255}$"
REPLAYED = (b"idempotent-replayed", b"true")

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def read_idempotency(scope: Scope, actor: Actor, operation: str, body: msgspec.Struct) -> Idempotency | None:
    """Read the key, with a fingerprint of the operation and its body; spaces in the JSON don't count.

    Raises:
        InvalidError: the key is not 1 to 255 visible ASCII characters.
    """
    key = find_header(scope, b"idempotency-key")
    if key is None:
        return None
    if _KEY.fullmatch(key) is None:
        raise InvalidError.of_field(
            "Idempotency-Key", "malformed", "An Idempotency-Key is 1 to 255 visible ASCII characters."
        )
    fingerprint = sha256(msgspec.json.encode([operation, body])).hexdigest()
    return Idempotency(actor.user, key, fingerprint)


def replayed_header(*, replayed: bool) -> Headers:
    """Say that an answer is the first one's."""
    return (REPLAYED,) if replayed else ()
