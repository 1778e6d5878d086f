"""Why a request is refused before anybody has looked at what it asks for."""

from __future__ import annotations

from enum import StrEnum

from sanctum_messaging.domain.errors import SanctumError

REFUSED = "sanctum.server_refusal"
"""Under this key of the ASGI scope stands the error with which the application has to answer, and do nothing else.

So a refusal bears the same headers, and is told in the same form, as every other answer."""


class Reason(StrEnum):
    """What is wrong with a request; the label of a metric, so there are few."""

    MALFORMED = "malformed"
    ADDRESS_TOO_LONG = "address_too_long"
    HEAD_TOO_LARGE = "head_too_large"
    SLOW_HEAD = "slow_head"
    SLOW_BODY = "slow_body"
    HANDSHAKE = "handshake"


class HandshakeRefusedError(SanctumError):
    """A WebSocket handshake that does not keep to RFC 6455; the answer names the version that is spoken here."""

    code = "bad_request"

    def __init__(self) -> None:
        """Always the same sentence."""
        super().__init__("The WebSocket handshake is not one of version 13 (RFC 6455).")


_REFUSALS = {
    Reason.MALFORMED: ("bad_request", "The request is not well-formed HTTP/1.1, or ambiguous."),
    Reason.ADDRESS_TOO_LONG: ("uri_too_long", "An address has at most 4 KiB."),
    Reason.HEAD_TOO_LARGE: ("headers_too_large", "A head has at most 16 KiB and 64 fields, of at most 8 KiB each."),
    Reason.SLOW_HEAD: ("request_timeout", "A head has to arrive within 10 seconds."),
    Reason.SLOW_BODY: ("request_timeout", "A body has to arrive within 15 seconds."),
}


def refusal_for(reason: Reason) -> SanctumError:
    """Make the error that a client is told."""
    if reason is Reason.HANDSHAKE:
        return HandshakeRefusedError()
    code, detail = _REFUSALS[reason]
    return SanctumError(detail, code=code)
