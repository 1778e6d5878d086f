"""What happened in a soak, counted: every answer, every end of a socket, and whatever should not have been."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

SHOWN = 20


@dataclass(slots=True)
class Ledger:
    """All who make traffic write into one. ``wrong`` stays empty as long as the service does what it should."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By what was asked for, and the status."""
    closes: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By whose sockets they were, and the close code."""
    delivered: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def sent(self) -> int:
        """How many messages were taken."""
        return sum(count for (kind, status), count in self.answers.items() if kind.endswith("send") and status < 300)

    def note_answer(self, kind: str, status: int, expected: Collection[int]) -> None:
        """Take down an answer."""
        self.answers[kind, status] += 1
        if status not in expected:
            self.note_wrong(f"{kind} was answered {status}")

    def note_close(self, kind: str, code: int, expected: Collection[int]) -> None:
        """Take down how a socket ended."""
        self.closes[kind, code] += 1
        if code not in expected:
            self.note_wrong(f"a socket of {kind} was closed with {code}")

    def note_wrong(self, what: str) -> None:
        """Take down what should not have been, and tell of it at once: it may take long until all is over."""
        self.wrong.append(what)
        print(f"{datetime.now(UTC):%X} wrong: {what}", flush=True)  # noqa: T201 - as above

    def describe(self) -> str:
        """Say what all of it was."""
        answers = ", ".join(f"{kind} {status}: {count}" for (kind, status), count in sorted(self.answers.items()))
        closes = ", ".join(f"{kind} {code}: {count}" for (kind, code), count in sorted(self.closes.items()))
        wrong = ", ".join(f"{each}: {count}" for each, count in Counter(self.wrong).most_common(SHOWN))
        delivered = f"delivered to the crowd: {self.delivered:,}"
        return f"answers: {answers}\ncloses: {closes}\n{delivered}\nwrong: {wrong or 'nothing'}"


class ErrorLines(list[str]):
    """Takes the place of the lines that a process wrote, and keeps of them those that tell of a fault."""

    MARKS = ("[error ", "[critical", "Traceback ")
    missed_redis = False
    """Whether Redis did not answer in time, as on a machine that is too busy: sessions may then be forgotten."""

    def append(self, line: str) -> None:
        """Take a line."""
        self.missed_redis |= "redis_unavailable" in line
        if any(mark in line for mark in self.MARKS):
            super().append(line)
