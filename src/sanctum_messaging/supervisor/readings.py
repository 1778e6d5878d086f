"""What the supervisor shows of its processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.observability.metrics import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def supervisor_readings(
    listening: Callable[[], int], restarts: Callable[[], int], up: Callable[[], Mapping[str, int]]
) -> list[Reading]:
    """List its readings; ``up`` tells by the processes' numbers."""
    return [
        Reading("workers", "Processes that take connections.", listening, "gauge"),
        Reading("worker_restarts", "Processes that ended and were replaced.", restarts),
        Reading("worker_up", "Whether a process told its metrics, which else are missing here.", up, "gauge", "worker"),
    ]
