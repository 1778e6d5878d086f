"""The system's clock and randomness."""

from __future__ import annotations

import os
import time

from sanctum_messaging.domain.model import Millis


class SystemClock:
    """``ports.clock.Clock`` on the operating system."""

    def now(self) -> Millis:
        """Return milliseconds since the epoch."""
        return Millis(time.time_ns() // 1_000_000)

    monotonic = staticmethod(time.monotonic)
    """Returns seconds that never step back. It is asked five times for a request, so there is nothing around it."""

    def new_id(self) -> str:
        """Return a UUIDv7: 48 bits of milliseconds, then version, variant and 74 random bits (RFC 9562, 5.7)."""
        bits = (self.now() << 80) | int.from_bytes(os.urandom(10))
        bits = bits & ~(0xF << 76) | (0x7 << 76)
        bits = bits & ~(0x3 << 62) | (0x2 << 62)
        digits = f"{bits:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
