"""Who comes in, and for what: the one gate that every request and every socket passes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sanctum_messaging.actions.identity import authenticate

if TYPE_CHECKING:
    from sanctum_messaging.domain.limits import Use
    from sanctum_messaging.domain.model import Actor
    from sanctum_messaging.ports.identity import TokenVerifier


@dataclass(frozen=True, slots=True)
class Visit:
    """A request or a socket that wants to come in.

    ``address`` is the client's, as far as it is known; ``action`` says what is asked for, by the name of its route.
    """

    token: str = field(repr=False)
    act_as: str | None
    address: str | None
    action: str
    use: Use
    request_id: str = ""


class Admission:
    """Proves who is calling before anything is done for him."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier

    async def admit(self, visit: Visit) -> Actor:
        """Return who is calling; nothing but this call has happened if he is refused.

        Raises:
            UnauthenticatedError: the token is not valid.
            ForbiddenError: ``act_as_not_allowed``, since the token is no service token.
            InvalidError: ``Act-As`` can't be a user.
            UnavailableError: no token can be proven now.
        """
        return await authenticate(self._verifier, visit.token, visit.act_as)
