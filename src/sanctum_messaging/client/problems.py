"""Problem documents as a client reads them, also from whoever stands before the service and writes none."""

from __future__ import annotations

import msgspec

from sanctum_messaging.protocol.codes import PROBLEMS
from sanctum_messaging.protocol.resources import FieldProblem, Problem

_CLIENT_ERRORS = range(400, 500)
_TRY_LATER = frozenset({408, 425, 429})
_decoder = msgspec.json.Decoder(Problem)


def read_problem(status: int, retry_after: str | None, body: bytes | None) -> Problem:
    """Read why a request was refused; a proxy's own answer becomes a problem with the code ``http_<status>``."""
    try:
        return _decoder.decode(body or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Problem(
            type="about:blank",
            title="Something before the service refused it.",
            status=status,
            code=f"http_{status}",
            detail="",
            request_id="",
            retryable=status not in _CLIENT_ERRORS or status in _TRY_LATER,
            retry_after_ms=_milliseconds(retry_after),
        )


def own_problem(code: str, errors: tuple[FieldProblem, ...] = ()) -> Problem:
    """Write the problem with which the service would refuse what the client need not even send."""
    kind = PROBLEMS[code]
    return Problem(
        type=f"urn:sanctum:problem:{code}",
        title=kind.title,
        status=kind.status,
        code=code,
        detail="".join(f"{error.field}: {error.code}. " for error in errors).rstrip(),
        request_id="",
        retryable=kind.retryable,
        errors=list(errors),
    )


def _milliseconds(retry_after: str | None) -> int | msgspec.UnsetType:
    return int(retry_after) * 1000 if retry_after is not None and retry_after.isdecimal() else msgspec.UNSET
