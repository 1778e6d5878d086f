"""What the proving of tokens shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.adapters.jwt.jwks import JWKSCache
from sanctum_messaging.observability.metrics import Reading

if TYPE_CHECKING:
    from sanctum_messaging.adapters.jwt.verifier import JWTVerifier


def identity_readings(verifier: JWTVerifier) -> list[Reading]:
    """List the readings of the tokens that are proven already, and of the issuers' keys."""
    caches = {name: each.keys for name, each in verifier.trusted.items() if isinstance(each.keys, JWKSCache)}
    proven = verifier.proven
    return [
        Reading("token_cache_entries", "Tokens that are proven already.", lambda: len(proven), "gauge"),
        Reading("token_cache_hits", "Uses of a token that was proven already.", lambda: proven.hits),
        Reading("token_cache_misses", "Uses of a token that had to be looked at.", lambda: proven.misses),
        Reading(
            "jwks_age_seconds",
            "How long ago the issuer's keys were read; of those never read there is none.",
            lambda: {name: age / 1000 for name, cache in caches.items() if (age := cache.age_ms) is not None},
            "gauge",
            "issuer",
        ),
        Reading(
            "jwks_failures",
            "Times that the issuer's keys could not be read.",
            lambda: {name: cache.failures for name, cache in caches.items()},
            label="issuer",
        ),
    ]
