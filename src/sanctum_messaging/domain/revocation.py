"""Tokens that are withdrawn before they expire."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sanctum_messaging.domain.model import Millis, TenantId

REVOCATION_KEPT_MS = 90 * 24 * 3_600_000
"""How long a revocation is kept, and with that how long it holds: far longer than an access token should live."""


class RevocationKind(StrEnum):
    """What a revocation names."""

    USER = "user"
    """All tokens of a user that were issued before the revocation; one that is issued after it is good."""
    SESSION = "session"
    """All tokens of a session, whenever they were issued."""
    TOKEN = "token"  # noqa: S105 # It names a kind.
    """One token, by its id."""


@dataclass(frozen=True, slots=True)
class NewRevocation:
    """What is to be revoked.

    ``not_before`` is the wall clock of whoever revokes: of a user, the tokens issued before it are refused.
    """

    tenant: TenantId
    kind: RevocationKind
    value: str
    not_before: Millis


@dataclass(frozen=True, slots=True)
class Revocation:
    """A revocation that is stored; ids grow in the order of the commits."""

    id: int
    tenant: TenantId
    kind: RevocationKind
    value: str
    not_before: Millis
    created_at: Millis
