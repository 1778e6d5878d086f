"""K10: whatever breaks, the service says honestly what it could not do."""

from __future__ import annotations

from collections.abc import Iterator

from sanctum_messaging.protocol.codes import PROBLEMS, CloseCode
from tests.fault.history import Recording, Violation
from tests.fault.log import Log

LOST = 1006
"""No close frame came, since the process or the link is gone."""
NEVER_EXPECTED = {"internal", "malformed_json", "bad_request", "unauthenticated", "headers_too_large"}
"""Either the service failed, or it says of a good request that it is a bad one."""


def check_errors(recording: Recording, log: Log) -> Iterator[Violation]:
    """Every refusal has a code of the catalogue, and none says that the service failed; so has every close."""
    for answer in recording.answers:
        problem = answer.code if answer.code in PROBLEMS else ""
        if problem in NEVER_EXPECTED or (answer.outcome == "fail" and not problem):
            yield Violation("K10", f"call {answer.number} was answered {answer.code!r}")
    for close in recording.closes:
        if close.code != LOST and close.code not in set(CloseCode):
            yield Violation("K10", f"a socket of {close.client} was closed with {close.code}")
