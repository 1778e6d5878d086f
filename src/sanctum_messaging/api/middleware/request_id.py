"""Every request has an id: the client's own, if it is well-formed, or a new one."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from sanctum_messaging.api.calls import find_header
from sanctum_messaging.api.problems import REQUEST_ID

if TYPE_CHECKING:
    from starlette.types import Scope

    from sanctum_messaging.ports.clock import Clock

_WELL_FORMED = re.compile(r"[A-Za-z0-9._~:/+=@-]{1,128}")

_COUNTED_DIGITS = 12
_COUNTED_BITS = 16**_COUNTED_DIGITS - 1


class RequestIds:
    """Gives requests their ids."""

    def __init__(self, clock: Clock) -> None:
        """Draw one id; its last 48 random bits are counted on: unique like any other, at a tenth of the price."""
        drawn = clock.new_id()
        self._prefix = drawn[:-_COUNTED_DIGITS]
        self._counter = itertools.count(int(drawn[-_COUNTED_DIGITS:], 16))

    def give(self, scope: Scope) -> None:
        """Put the id into the scope."""
        sent = find_header(scope, b"x-request-id")
        scope[REQUEST_ID] = sent if sent is not None and _WELL_FORMED.fullmatch(sent) else self._next_id()

    def _next_id(self) -> str:
        return f"{self._prefix}{next(self._counter) & _COUNTED_BITS:0{_COUNTED_DIGITS}x}"
