"""The readings of revocations and of the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.observability.metrics import Reading

if TYPE_CHECKING:
    from sanctum_messaging.bootstrap.tokens import TokenWatch


def token_readings(tokens: TokenWatch) -> list[Reading]:
    """List them."""
    return [
        Reading("revocations", "Revocations that are known here.", lambda: len(tokens.known), "gauge"),
        Reading("audit_entries", "Uses of service tokens put on record.", lambda: tokens.audit.recorded),
        Reading("audit_queue", "Uses that wait to be put on record.", lambda: tokens.audit.queued, "gauge"),
    ]
