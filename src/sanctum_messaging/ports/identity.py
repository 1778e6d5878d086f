"""Who is calling: what a token says once it has been proven."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sanctum_messaging.domain.model import DeviceId, Millis, ProvingKey, SessionId, TenantId, UserId

_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,255}")


def is_name(text: str) -> bool:
    """Tell whether the text can name a tenant, user, device or session: 1-255 characters without controls."""
    return _NAME.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What a proven token says; every name in it passes :func:`is_name`.

    ``device``, ``session``, ``token_id`` and ``issued_at`` are none where the token says nothing of them.
    ``scopes`` are the token's that mean something here.
    ``expires_at`` is the token's own expiry, without the leeway that the verifier grants to clocks that differ.
    """

    tenant: TenantId
    subject: UserId
    device: DeviceId | None
    session: SessionId | None
    scopes: frozenset[str]
    expires_at: Millis
    token_id: str | None = None
    issued_at: Millis | None = None
    proven_by: ProvingKey | None = None


class TokenVerifier(Protocol):
    """Proves access tokens."""

    async def verify(self, token: str) -> VerifiedToken:
        """Prove a token: signed by the identity provider for this service, in force now, and well-formed.

        Any text may be given, of any length; the work that it causes is bounded. A token is refused from the moment it
        expires, also when it was accepted before.

        Raises:
            UnauthenticatedError: the token is not valid; ``refused`` says why, and nothing of what the token holds.
            UnavailableError: nothing can be proven now, since the provider's keys could not be read.
        """
        ...

    def trusts(self, key: ProvingKey) -> bool:
        """Tell whether the key that proved a token has not been withdrawn since, as far as that is known; cheap."""
        ...
