"""What the process shows of itself, beside what Prometheus' own client does."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from sanctum_messaging import __version__
from sanctum_messaging.observability.logging import count_dropped_lines
from sanctum_messaging.observability.metrics import Reading

if TYPE_CHECKING:
    from sanctum_messaging.api.services import Readiness
    from sanctum_messaging.bootstrap.gate import Gate
    from sanctum_messaging.observability.loop_lag import LoopLag

_STATES = ("ready", "degraded", "not_ready", "stopping")


def process_readings(loop_lag: LoopLag, gate: Gate) -> list[Reading]:
    """List the readings of the event loop, the log, the version, and the readiness."""
    version, python = __version__, platform.python_version()
    return [
        Reading("build_info", "The version.", lambda: {(version, python): 1}, "gauge", ("version", "python")),
        Reading(
            "readiness",
            "1 for the state that /readyz tells, looked at every 5 s whether or not somebody asks; of the two in which "
            "it answers 503, stopping is wanted.",
            lambda: {state: int(_state_of(gate.told) == state) for state in _STATES},
            "gauge",
            "state",
        ),
        Reading(
            "event_loop_lag_seconds", "How late the event loop woke a sleeper.", lambda: loop_lag.lateness, "histogram"
        ),
        Reading("log_lines_dropped", "Lines of the log that nobody took in time.", count_dropped_lines),
    ]


def _state_of(told: Readiness) -> str:
    """Name the state; nobody is called out of bed for a stop."""
    return told.code if told.code == "stopping" else told.state
