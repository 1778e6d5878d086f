"""How long the handlers of a route may take. Each has as long as the others, so one timer does for all of them."""

from __future__ import annotations

import asyncio
from typing import Any

Task = asyncio.Task[Any]


class HandlerDeadline:
    """Ends the tasks whose handlers take too long. To begin and to finish in time costs an entry of a dictionary."""

    def __init__(self, seconds: float) -> None:
        """Give each so long."""
        self._seconds = seconds
        # In the order in which they began, which is that of their ends.
        self._due: dict[Task, float] = {}
        self._ended: set[Task] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> Task:
        """Watch the current task from now on; ``finish`` has to follow with what is returned."""
        loop = asyncio.get_running_loop()
        task: Task = asyncio.current_task(loop)  # type: ignore[assignment]  # whatever is awaited runs in one
        due = self._due[task] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_at(due, self._look)
        return task

    def ended(self, task: Task) -> bool:
        """Tell whether the deadline, and nothing else, is why a task was cancelled; ask once, while it is."""
        return task in self._ended and task.uncancel() == 0

    def finish(self, task: Task) -> None:
        """Watch no more."""
        if self._due.pop(task, None) is None:
            self._ended.discard(task)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._due:
            task, due = next(iter(self._due.items()))
            if due > loop.time():
                self._timer = loop.call_at(due, self._look)
                return
            del self._due[task]
            self._ended.add(task)
            task.cancel()
