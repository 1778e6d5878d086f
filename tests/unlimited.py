"""A service without rate limits, for tests that ask more of it than is polite and are about something else."""

from __future__ import annotations

from sanctum_messaging.config.rate_limits import RATE_LIMITS

UNLIMITED: dict[str, str] = {variable.name: "0" for variable in RATE_LIMITS if variable.range.startswith("0-")}
