"""Everything that the service refuses, each with a stable code.

    SanctumError
    ├── InvalidError            the request makes no sense            (fields named)
    │   └── InvalidCursorError
    ├── UnauthenticatedError    no valid token
    │   └── RevokedError        a token that was withdrawn
    ├── ForbiddenError          a valid caller without the rank
    ├── NotFoundError           not there, or not for this caller: the same answer
    ├── ConflictError           the request contradicts what is stored
    ├── PreconditionError       ``If-Match`` absent or stale
    ├── CursorLostError         the log does not hold what the cursor names
    ├── RateLimitedError        more of it than the caller may do now
    └── UnavailableError        try again later

The codes and their meaning over HTTP and on the socket stand in ``protocol/codes.py``; errors know neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sanctum_messaging.domain.model import Cursor


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One fault of one field: its path (``participants[0].role``) and a code such as ``missing``."""

    field: str
    code: str


class SanctumError(Exception):
    """The root. ``code`` is stable; ``detail`` is a sentence for a developer and holds no caller's text."""

    code: str = "internal"
    retry_after_ms: int | None = None
    """How long to wait before the same may succeed, where that is known."""
    refused: str | None = None
    """Why a token was refused, in words of this program, or which limit it was. It is for the log: no caller is ever
    told."""

    def __init__(self, detail: str, *, code: str | None = None, faults: tuple[FieldFault, ...] = ()) -> None:
        """Keep the sentence, the code of this case and the fields at fault."""
        super().__init__(detail)
        self.detail = detail
        self.faults = faults
        if code is not None:
            self.code = code


class InvalidError(SanctumError):
    """The request makes no sense; ``faults`` names the fields."""

    code = "invalid"

    @classmethod
    def of_field(cls, field: str, code: str, detail: str) -> InvalidError:
        """Refuse one field."""
        return cls(detail, faults=(FieldFault(field, code),))


class InvalidCursorError(InvalidError):
    """A cursor that this service never gave out."""

    code = "invalid_cursor"

    def __init__(self, field: str = "cursor") -> None:
        """Name the field that held it."""
        super().__init__("The cursor is not one that this service gave out.", faults=(FieldFault(field, "malformed"),))


class UnauthenticatedError(SanctumError):
    """No token, or one that is expired, foreign or doctored."""

    code = "unauthenticated"

    def __init__(self, *, refused: str | None = None) -> None:
        """Say no more than that a valid one is needed, and keep why this one was refused."""
        super().__init__("A valid access token is needed.")
        if refused is not None:
            self.refused = refused


class RevokedError(UnauthenticatedError):
    """A token that was withdrawn, itself or with its session or its user; only a new one helps."""

    refused = "revoked"


class ForbiddenError(SanctumError):
    """A valid caller whose role does not allow the call."""

    code = "forbidden"


class NotFoundError(SanctumError):
    """Not there, or not for this caller: nobody can tell which."""

    code = "not_found"

    def __init__(self) -> None:
        """Always the same sentence."""
        super().__init__("There is no such thing, or it is not for you.")


class ConflictError(SanctumError):
    """The request contradicts what is stored."""

    code = "conflict"


class PreconditionError(SanctumError):
    """``If-Match`` is absent or names another version; ``version`` is the current one where it is known."""

    code = "precondition_failed"

    def __init__(self, detail: str, *, code: str | None = None, version: int | None = None) -> None:
        """Keep the current version, so that the caller need not ask for it."""
        super().__init__(detail, code=code)
        self.version = version


class CursorLostError(SanctumError):
    """The log does not hold what the cursor names; ``cursor`` is where to go on after reading the lists again."""

    def __init__(self, reason: str, cursor: Cursor) -> None:
        """Reason is ``too_old`` or ``diverged``."""
        super().__init__(
            "Read the conversations again, then go on from the cursor given here.", code=f"cursor_{reason}"
        )
        self.reason = reason
        self.cursor = cursor


class RateLimitedError(SanctumError):
    """The caller has done more than he may for now; nothing happened, and nothing was counted against him.

    ``scope`` tells whose limit it is: address, device, session, user or connection; ``limit`` which one, to the log.
    """

    code = "rate_limited"

    def __init__(self, scope: str, retry_after_ms: int, limit: str) -> None:
        """Keep whose limit it is and which, and after which time the same will be let through."""
        super().__init__(f"The limit of this {scope} is reached; wait before trying again.")
        self.scope = scope
        self.retry_after_ms = retry_after_ms
        self.refused = limit


class UnavailableError(SanctumError):
    """The service cannot do it now. Codes: ``overloaded``, ``unavailable``, ``outcome_unknown``."""

    code = "unavailable"

    def __init__(self, detail: str, *, code: str | None = None, retry_after_ms: int = 1000) -> None:
        """Keep how long the caller should wait."""
        super().__init__(detail, code=code)
        self.retry_after_ms = retry_after_ms
