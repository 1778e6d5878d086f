"""Who acts: from the token of a request, and for a service from the user that it names."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sanctum_messaging.domain.errors import ForbiddenError, InvalidError
from sanctum_messaging.domain.model import SERVICE_SCOPE, Actor, DeviceId, Millis, SessionId, UserId
from sanctum_messaging.ports.identity import is_name

if TYPE_CHECKING:
    from sanctum_messaging.ports.identity import TokenVerifier

NO_DEVICE = DeviceId("-")
"""The device of a token that names neither a device nor a session."""


async def authenticate(verifier: TokenVerifier, token: str) -> Actor:
    """Tell who calls with this token.

    Raises:
        UnauthenticatedError: the token is not valid.
        UnavailableError: no token can be proven now.
    """
    proven = await verifier.verify(token)
    device = proven.device or proven.session or NO_DEVICE
    return Actor(
        tenant=proven.tenant,
        user=proven.subject,
        device=DeviceId(device),
        session=SessionId(proven.session or proven.token_id or device),
        expires_at=proven.expires_at,
        scopes=proven.scopes,
        service=SERVICE_SCOPE in proven.scopes,
        token_id=proven.token_id,
        issued_at=proven.issued_at or Millis(0),
        proven_by=proven.proven_by,
    )


def act_for(bearer: Actor, act_as: str) -> Actor:
    """Tell who acts when a caller names a user to act for; ``act_as`` is the header ``Act-As``.

    Raises:
        ForbiddenError: ``act_as_not_allowed``, since the caller's token is no service token.
        InvalidError: ``Act-As`` can't be a user.
    """
    if not bearer.service:
        raise ForbiddenError("Only a service token may act for another user.", code="act_as_not_allowed")
    if not is_name(act_as):
        raise InvalidError.of_field("Act-As", "malformed", "Act-As must be 1 to 255 characters without controls.")
    # Also when a service names itself: it then asks for what that user sees, not for all of the tenant.
    return replace(bearer, user=UserId(act_as), impersonating=True, subject=bearer.user)
