"""What moving a read marker comes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.domain.errors import FieldFault, InvalidError, NotFoundError
from sanctum_messaging.domain.model import ReadMarker, Seq

if TYPE_CHECKING:
    from sanctum_messaging.domain.errors import SanctumError


def moved_marker(read_seq: int | None, in_range: int | None, unread: int) -> ReadMarker | SanctumError:
    """Read where the marker stands now (none: no such participant), whether it was in range, and what is unread."""
    if read_seq is None:
        return NotFoundError()
    if not in_range:
        faults = (FieldFault("seq", "too_large"),)
        return InvalidError("The seq is above the conversation's last.", code="seq_out_of_range", faults=faults)
    return ReadMarker(Seq(read_seq), unread)
