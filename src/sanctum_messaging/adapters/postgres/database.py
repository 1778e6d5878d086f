"""The database as the store sees it: statements, each a transaction of its own and one round trip.

What may be repeated after a failure is, for a few seconds and with jitter; the rest says honestly what is known.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import asyncpg

from sanctum_messaging.adapters.postgres.admission import check_admission
from sanctum_messaging.adapters.postgres.connecting import Connector, DatabaseRefusedError
from sanctum_messaging.adapters.postgres.failures import Failure, failure_of, unavailable
from sanctum_messaging.adapters.postgres.lanes import Lane
from sanctum_messaging.domain.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

__all__ = ["Database", "DatabaseRefusedError"]

WRITE_CONNECTIONS = 2
"""For read markers and resume states, which are short and coalesced."""
REPEAT_WRITES_SECONDS = 5.0
"""From the first failure on: longer than a server takes to restart, shorter than a caller waits."""
REPEAT_READS_SECONDS = 2.0
"""From the first failure on: a reader asks again by himself, and many of them must not pile up."""
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 1.0

_NOTHING_DONE = frozenset({Failure.UNSENT, Failure.CONFLICT})
_ANYTHING_LOST = _NOTHING_DONE | {Failure.LOST}
_random = random.SystemRandom()


class Database:
    """One PostgreSQL database. ``open`` before use, ``close`` after.

    Appends have a connection of their own, since an instance makes one at a time and all its senders wait for it; other
    writes have a few; the rest of the pool serves reads. So no append waits behind a reader or a storm of reconnects.
    Where the pool allows it, one of these only follows what others write, for which all clients of an instance wait.
    """

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        """Name the database; nothing is connected yet."""
        self._connector = Connector(url)
        self._appends = Lane(1, self._connector.connect)
        self._writes = Lane(WRITE_CONNECTIONS, self._connector.connect)
        reads = pool_size - WRITE_CONNECTIONS - 1
        self._reads = Lane(max(1, reads - 1), self._connector.connect)
        self._follows = self._reads if reads < 2 else Lane(1, self._connector.connect)  # noqa: PLR2004 - itself and another
        self.lanes = {"append": self._appends, "write": self._writes, "follow": self._follows, "read": self._reads}
        """By what they are for; two may be one."""

    async def open(self) -> None:
        """Prove that the database is one that we can use.

        Raises:
            DatabaseRefusedError: it is not, for the reason in its sentence.
        """
        await check_admission(self._connector)

    async def close(self) -> None:
        """Let what is under way finish, and end all connections."""
        await asyncio.gather(*(lane.close() for lane in set(self.lanes.values())))

    async def read(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """Run a statement that only reads; it sees every commit that came before.

        Raises:
            UnavailableError: ``overloaded``, or ``unavailable`` after repeats.
        """
        return await _run(self._reads, statement, arguments, _patience_of_read())

    async def follow(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """Read what others wrote, on the connection kept for that; otherwise as ``read``."""
        return await _run(self._follows, statement, arguments, _patience_of_read())

    async def read_row(self, statement: str, *arguments: object) -> asyncpg.Record | None:
        """Run a statement that reads at most one row."""
        rows = await self.read(statement, *arguments)
        return rows[0] if rows else None

    async def write(self, statement: str, *arguments: object, repeatable: bool = False) -> list[asyncpg.Record]:
        """Run a statement that writes, to its end even if the caller is cancelled.

        ``repeatable`` says that a second run after a first one that was committed does no harm and gives the same.

        Raises:
            UnavailableError: ``overloaded`` or ``unavailable``: nothing was written. ``outcome_unknown``: it was, or
                not.
        """
        return await _run(self._writes, statement, arguments, _patience_of_write(repeatable=repeatable))

    async def append(self, statement: str, *arguments: object, repeatable: bool) -> list[asyncpg.Record]:
        """Run a statement that appends to the log, on the connection kept for that; otherwise as ``write``."""
        return await _run(self._appends, statement, arguments, _patience_of_write(repeatable=repeatable))


class _Patience:
    """What of a statement's failures is worth another attempt, and for how long."""

    def __init__(self, worth: AbstractSet[Failure], seconds: float, *, writes: bool) -> None:
        self._worth = worth
        self._seconds = seconds
        self._writes = writes
        self._unknown = False
        self._pause = _FIRST_PAUSE_SECONDS
        self._deadline: float | None = None

    async def wait_after(self, error: Exception) -> None:
        """Wait before the next attempt, or raise what the caller gets."""
        failure = failure_of(error)
        if failure is None:
            raise error
        # An earlier attempt may have been committed whatever this one came to.
        self._unknown = self._unknown or (self._writes and failure is Failure.LOST)
        now = asyncio.get_running_loop().time()
        if self._deadline is None:
            self._deadline = now + self._seconds
        pause = _random.uniform(0, self._pause)
        if failure not in self._worth or now + pause > self._deadline:
            raise unavailable(failure, unknown=self._unknown) from error
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS)
        await asyncio.sleep(pause)

    def refusal_of(self, overloaded: UnavailableError) -> UnavailableError:
        """Tell of a later attempt that found no connection; the first one may have been committed nevertheless."""
        return unavailable(Failure.LOST, unknown=True) if self._unknown else overloaded


def _patience_of_read() -> _Patience:
    return _Patience(_ANYTHING_LOST, REPEAT_READS_SECONDS, writes=False)


def _patience_of_write(*, repeatable: bool) -> _Patience:
    return _Patience(_ANYTHING_LOST if repeatable else _NOTHING_DONE, REPEAT_WRITES_SECONDS, writes=True)


async def _run(lane: Lane, statement: str, arguments: tuple[object, ...], patience: _Patience) -> list[asyncpg.Record]:
    while True:
        try:
            return await lane.run(statement, arguments)
        except UnavailableError as overloaded:
            raise patience.refusal_of(overloaded) from overloaded
        except Exception as error:  # noqa: BLE001 - raised again unless it tells of a failure worth another attempt
            await patience.wait_after(error)
