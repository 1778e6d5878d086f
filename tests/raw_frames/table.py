"""The table: what arrives on a socket, cut to the byte, and what has to come back.

Its sections are those of the case list that WebSocket implementations are measured by (Autobahn's 1 to 7 and 9), in the
terms of docs/protocol.md: texts are frames of ours, and binary messages are refused.
"""

from __future__ import annotations

from tests.raw_frames.closing import CLOSING
from tests.raw_frames.fragments import FRAGMENTS
from tests.raw_frames.framing import FRAMING
from tests.raw_frames.pings import PINGS
from tests.raw_frames.reserved import RESERVED_BITS, RESERVED_OPCODES
from tests.raw_frames.sizes import MASKS_AND_LENGTHS, SIZES
from tests.raw_frames.utf8 import UTF8

TABLE = (
    *FRAMING,
    *PINGS,
    *RESERVED_BITS,
    *RESERVED_OPCODES,
    *FRAGMENTS,
    *UTF8,
    *CLOSING,
    *MASKS_AND_LENGTHS,
    *SIZES,
)
