"""The two catalogues of the wire: problem codes and close codes, each with what a client should do.

``docs/errors.md`` and the client libraries are made from these tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One kind of problem: its HTTP status, its title, and whether the same request may succeed later."""

    status: int
    title: str
    retryable: bool = False


PROBLEMS: dict[str, ProblemKind] = {
    "malformed_json": ProblemKind(400, "The body is not valid JSON."),
    "bad_request": ProblemKind(400, "The request is malformed."),
    "unauthenticated": ProblemKind(401, "A valid access token is needed."),
    "forbidden": ProblemKind(403, "The caller's role does not allow this."),
    "act_as_not_allowed": ProblemKind(403, "Only a service token may act for another user."),
    "origin_not_allowed": ProblemKind(403, "Requests from this origin are not allowed."),
    "not_found": ProblemKind(404, "There is no such thing, or it is not for the caller."),
    "method_not_allowed": ProblemKind(405, "This method is not allowed here."),
    "request_timeout": ProblemKind(408, "The request did not arrive in time.", retryable=True),
    "conflict": ProblemKind(409, "The request contradicts what is stored."),
    "client_message_id_reused": ProblemKind(409, "This client message id was used for other content."),
    "direct_conversation_fixed": ProblemKind(409, "A direct conversation's participants are fixed."),
    "last_owner": ProblemKind(409, "A conversation keeps at least one owner."),
    "too_many_participants": ProblemKind(409, "The conversation has as many participants as it may have."),
    "message_deleted": ProblemKind(409, "The message was deleted."),
    "cursor_too_old": ProblemKind(410, "The log no longer holds what follows this cursor."),
    "cursor_diverged": ProblemKind(410, "The log is not the one this cursor was read from."),
    "precondition_failed": ProblemKind(412, "The resource has another version."),
    "body_too_large": ProblemKind(413, "The body is too large."),
    "uri_too_long": ProblemKind(414, "The address of the request is too long."),
    "unsupported_media_type": ProblemKind(415, "The body must be application/json."),
    "host_not_allowed": ProblemKind(421, "The service does not answer for this host."),
    "invalid": ProblemKind(422, "The request makes no sense."),
    "invalid_cursor": ProblemKind(422, "The cursor is not one that this service gave out."),
    "idempotency_key_reused": ProblemKind(422, "This idempotency key was used for another request."),
    "seq_out_of_range": ProblemKind(422, "The seq is above the conversation's last."),
    "ack_ahead": ProblemKind(422, "The acknowledged cursor is above what was sent."),
    "unknown_op": ProblemKind(422, "There is no such op."),
    "unexpected_frame": ProblemKind(422, "This frame is not expected now."),
    "if_match_required": ProblemKind(428, "If-Match is needed."),
    "rate_limited": ProblemKind(429, "The caller has done more than it may for now.", retryable=True),
    "headers_too_large": ProblemKind(431, "The header fields are too large."),
    "internal": ProblemKind(500, "The service failed; the fault was logged."),
    "overloaded": ProblemKind(503, "The service has more to do than it can.", retryable=True),
    "unavailable": ProblemKind(503, "The service cannot do this now.", retryable=True),
    "outcome_unknown": ProblemKind(503, "Whether it was done is unknown; repeat it with the same key.", retryable=True),
    "stopping": ProblemKind(503, "The service is stopping.", retryable=True),
}
"""Every problem code, with what it means over HTTP and in an ``error`` frame."""

ANY_REQUEST = (
    "bad_request",
    "origin_not_allowed",
    "request_timeout",
    "body_too_large",
    "uri_too_long",
    "host_not_allowed",
    "headers_too_large",
    "internal",
    "overloaded",
    "unavailable",
    "stopping",
)
"""What any HTTP request may be refused with, whatever it asks for and whoever asks."""


FIELD_CODES: dict[str, str] = {
    "missing": "The field is needed.",
    "unknown": "There is no such field here.",
    "duplicate": "It was given more than once.",
    "type": "It is of another JSON type.",
    "too_short": "It has fewer characters or items than it must have.",
    "too_long": "It has more characters, bytes or items than it may have.",
    "too_small": "The number is below the least one.",
    "too_large": "The number is above the greatest one.",
    "too_deep": "Objects and arrays are nested in more levels than they may be.",
    "pattern": "It holds a character that is not allowed here.",
    "not_allowed": "It is none of the values allowed here.",
    "malformed": "It is not of the form that it should have.",
    "nul": "It holds U+0000.",
    "lone_surrogate": "It holds half of a surrogate pair.",
    "oneself": "The caller is in it already and is not named.",
    "unexpected": "It does not go together with another field.",
    "not_found": "It names nothing that the caller may see.",
}
"""What is wrong with one field: the codes in a problem's ``errors``."""


class CloseCode(IntEnum):
    """Why the server closed a socket. After 4000-4499 the client reconnects; after 4500-4999 it doesn't."""

    NORMAL = 1000
    PROTOCOL_ERROR = 1002
    BINARY = 1003
    NOT_UTF8 = 1007
    TOO_LARGE = 1009
    DRAIN = 4000
    INTERNAL = 4001
    HEARTBEAT = 4002
    SLOW = 4003
    TOKEN_EXPIRED = 4005
    FLOOD = 4007
    HELLO_TIMEOUT = 4008
    OVERLOADED = 4009
    BAD_FRAME = 4500
    UNAUTHENTICATED = 4501
    FORBIDDEN = 4503
    REPLACED = 4504
    TOO_MANY_CONNECTIONS = 4505
    UNSUPPORTED_VERSION = 4506


CLOSE_REASONS: dict[CloseCode, str] = {
    CloseCode.NORMAL: "The client said bye.",
    CloseCode.PROTOCOL_ERROR: "The WebSocket framing was wrong.",
    CloseCode.BINARY: "Only text frames are taken.",
    CloseCode.NOT_UTF8: "A text frame was not UTF-8.",
    CloseCode.TOO_LARGE: "A frame was too large.",
    CloseCode.DRAIN: "The instance is stopping; reconnect.",
    CloseCode.INTERNAL: "The service failed; reconnect.",
    CloseCode.HEARTBEAT: "Nothing was heard for two heartbeats; reconnect.",
    CloseCode.SLOW: "Nothing was read for 30 seconds; reconnect.",
    CloseCode.TOKEN_EXPIRED: "The access token expired; reconnect with a fresh one.",
    CloseCode.FLOOD: "Too many frames, or a message in too many or too slow pieces; reconnect later.",
    CloseCode.HELLO_TIMEOUT: "No hello came within 10 seconds; reconnect.",
    CloseCode.OVERLOADED: "The service has more to do than it can; reconnect later.",
    CloseCode.BAD_FRAME: "What was sent is no frame of this protocol.",
    CloseCode.UNAUTHENTICATED: "The access token is not valid.",
    CloseCode.FORBIDDEN: "The access was revoked or is not allowed.",
    CloseCode.REPLACED: "Another socket resumed this session.",
    CloseCode.TOO_MANY_CONNECTIONS: "The user has too many connections.",
    CloseCode.UNSUPPORTED_VERSION: "The server does not speak this version.",
}


def client_reconnects(code: int) -> bool:
    """Tell whether a client should come back after this close code (docs/protocol.md, "Close codes")."""
    return code < CloseCode.BAD_FRAME and code != CloseCode.NORMAL
