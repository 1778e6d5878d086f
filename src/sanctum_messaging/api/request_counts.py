"""How often each call was made, how it was answered, and how long that took."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sanctum_messaging.domain.limits import Use
from sanctum_messaging.observability.histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sanctum_messaging.api.routing import AnyRoute

METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"})
OTHER = "other"
"""Stands for what is none of the known: clients must not be able to make new names."""
SYNC = "sync"
"""The kind of the long-polls, which take as long as nothing happens."""
OPERATIONS = "operations"


class RequestCounts:
    """Plain numbers, read by whoever shows metrics."""

    def __init__(self) -> None:
        """Begin with none."""
        self.answers: Counter[tuple[str, str, int]] = Counter()
        """By method, path of the route, and status; 0 stands for a client who went away before the answer."""
        self.seconds = {kind: Histogram() for kind in (*Use, SYNC, OPERATIONS, OTHER)}

    def count(self, method: str, path: str, status: int, *, kind: str, seconds: float) -> None:
        """Count one request; all names are of few different texts."""
        self.answers[method, path, status] += 1
        self.seconds[kind].observe(seconds)


def kinds_of(routes: Iterable[AnyRoute]) -> dict[str, str]:
    """Tell the kind of each route by its name: calls of one kind take about as long as one another."""
    kinds = {f"{route.method} {route.path}": str(route.use) for route in routes}
    return {name: SYNC if name == "GET /v1/sync" else kind for name, kind in kinds.items()}
