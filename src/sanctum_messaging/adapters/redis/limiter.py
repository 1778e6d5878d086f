"""Rate limits counted in Redis, for all instances together.

All checks that arrive while a call is under way travel together in the next one: the more, the cheaper.
Nothing depends on Redis: while it does not answer, this instance counts its own share of each limit.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from sanctum_messaging.adapters.redis.availability import Outage
from sanctum_messaging.adapters.redis.connection import UNAVAILABLE, UNINTELLIGIBLE
from sanctum_messaging.adapters.redis.limit_batch import Batch, Check
from sanctum_messaging.adapters.redis.limit_refusals import Refusals
from sanctum_messaging.adapters.redis.limit_shares import Shares
from sanctum_messaging.domain.limits import Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence
    from typing import NoReturn

    from redis.asyncio import Redis

    from sanctum_messaging.adapters.redis.limit_batch import Reply
    from sanctum_messaging.domain.limits import Charge, Level
    from sanctum_messaging.ports.clock import Clock
    from sanctum_messaging.ports.limiter import LocalLimiter

ANSWER_SECONDS = 0.25
"""Redis answers within milliseconds; a request must not wait much longer for being allowed than for being served. Who
waited so long for those before him, because they are many and Redis is slow, is decided here."""
RETRY_SECONDS = 0.25
"""Between two attempts to reach Redis again. Nobody waits for them."""
RETRIES_PER_BEAT = 12
"""An instance shows itself every 3 s, so that two times may be lost before it is not counted (``limit_batch``)."""
MAX_WAITING = 10_000
"""Checks that wait for Redis; more are decided here at once, and may so overtake others."""
MAX_BATCH = 128
"""Checks of one call, which keep Redis busy for about a millisecond."""


@dataclass(slots=True)
class LimiterCounts:
    """Counts since the limiter was made."""

    checks: int = 0
    """All that were asked for."""
    batches: int = 0
    """Calls of the script that had checks in them."""
    remembered: int = 0
    """Checks that were refused again without a call."""
    local: int = 0
    """Checks decided by this instance's share, because Redis did not answer, or too many waited, or for too long."""


class RedisLimiter:
    """``ports.limiter.Limiter``. ``run`` keeps it going; without, it counts this instance's share.

    Callers resume in the order of their calls, whoever decided, as long as no more than ``MAX_WAITING`` wait. For one
    who gave up nothing is taken, unless his call was under way already.
    """

    def __init__(
        self,
        redis: Redis,
        clock: Clock,
        local: LocalLimiter,
        *,
        log_id: str,
        instance: str,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        """Use a client of ``connection.open_redis``, and count with the instances of the same log.

        ``instance`` is a name that no other instance has.
        """
        self.counts = LimiterCounts()
        self.outage = Outage("limiter")
        self._script = redis.register_script(files(__package__).joinpath("limiter.lua").read_text("utf-8"))
        self._monotonic = clock.monotonic
        self._shares = Shares(local, clock)
        self._refusals = Refusals(clock)
        self._log_id = log_id
        self._instance = instance
        self._answer_seconds = answer_seconds
        self._queue: deque[Check] = deque()
        self._arrived = asyncio.Event()
        self._waiting = 0
        """Callers who have not resumed yet; nobody may be answered before them."""
        self._is_running = False
        self.is_reachable = False
        """Whether Redis answered when it was last asked."""

    @property
    def instances(self) -> int:
        """How many instances there were when Redis was last asked."""
        return self._shares.instances

    def take(self, charges: Sequence[Charge]) -> Verdict | Awaitable[Verdict]:
        """Take one from each limit, or nothing from any; see the port."""
        self.counts.checks += 1
        return self._decide(charges, takes=True)

    async def look(self, charges: Sequence[Charge]) -> tuple[Level, ...]:
        """Tell the levels and take nothing; see the port."""
        verdict = self._decide(charges, takes=False)
        return (verdict if isinstance(verdict, Verdict) else await verdict).levels

    async def run(self) -> NoReturn:
        """Ask Redis until cancelled; who waits then is answered by this instance's share."""
        self._is_running = True
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_showing())
                while True:
                    await self._arrived.wait()
                    self._arrived.clear()
                    while self._queue:
                        await self._serve()
        finally:
            self._is_running = self.is_reachable = False
            self._answer(len(self._queue))

    async def show(self) -> None:
        """Show Redis that this instance is there, and learn how many there are; ``run`` does it every few seconds."""
        await self._ask(Batch(self._log_id, self._shares.told_ms), self._instance)

    def _decide(self, charges: Sequence[Charge], *, takes: bool) -> Verdict | Awaitable[Verdict]:
        if self._waiting == 0 and (known := self._find_known(charges, takes=takes)) is not None:
            return known
        if not self._is_running or self._waiting >= MAX_WAITING:
            return self._decide_here(charges, takes=takes)
        check = Check(charges, takes, asyncio.get_running_loop().create_future(), since=self._monotonic())
        self._queue.append(check)
        self._arrived.set()
        self._waiting += 1
        # Called in the turn in which whoever awaits it resumes, right before him, and also if he gives up.
        check.answer.add_done_callback(self._let_go)
        return check.answer

    def _let_go(self, _answer: asyncio.Future[Verdict]) -> None:
        self._waiting -= 1

    async def _serve(self) -> None:
        """Decide the first of those that wait. Nobody leaves the queue without an answer."""
        checks = list(islice(self._queue, MAX_BATCH))
        if late := self._count_late(checks):
            self._answer(late)
            return
        batch = Batch(self._log_id, self._shares.told_ms)
        for check in checks:
            if check.answer.cancelled():
                continue
            check.verdict = self._find_known(check.charges, takes=check.takes)
            if check.verdict is None:
                batch.add(check)
        if len(batch):
            self.counts.batches += 1
            for reply in await self._ask(batch):
                self._note(reply)
        self._answer(len(checks))

    def _count_late(self, checks: Sequence[Check]) -> int:
        """Count those that have waited too long to be asked for; they are the first."""
        latest = self._monotonic() - self._answer_seconds
        return sum(check.since < latest for check in checks)

    def _answer(self, count: int) -> None:
        """Answer the first of those that wait, in their order; who has no verdict gets it of this instance."""
        for _ in range(count):
            check = self._queue.popleft()
            if not check.answer.done():
                verdict = check.verdict or self._decide_here(check.charges, takes=check.takes)
                check.answer.set_result(verdict)

    def _find_known(self, charges: Sequence[Charge], *, takes: bool) -> Verdict | None:
        """Decide without Redis if it can't be asked, or need not."""
        if not self.is_reachable:
            return self._decide_here(charges, takes=takes)
        found = self._refusals.find(charges) if takes else None
        self.counts.remembered += found is not None
        return found

    def _decide_here(self, charges: Sequence[Charge], *, takes: bool) -> Verdict:
        if not takes:
            return self._shares.look(charges)
        self.counts.local += 1
        return self._shares.take(charges)

    def _note(self, reply: Reply) -> None:
        verdict = reply.check.verdict = reply.verdict()
        if verdict.refused is not None and reply.check.takes:
            self._refusals.remember(reply, verdict.retry_after_ms)

    async def _keep_showing(self) -> NoReturn:
        """Show that this instance is there; while Redis is away, try more often."""
        while True:
            await self.show()
            for _ in range(RETRIES_PER_BEAT):
                await asyncio.sleep(RETRY_SECONDS)
                if not self.is_reachable:
                    break

    async def _ask(self, batch: Batch, instance: str = "") -> list[Reply]:
        """Have a batch decided; there is no reply to any check of it if Redis does not answer in time."""
        try:
            async with asyncio.timeout(self._answer_seconds):
                answer = await self._script(keys=batch.keys, args=[batch.encode(instance)])
            instances, replies = batch.read(answer)
        except (*UNAVAILABLE, *UNINTELLIGIBLE, msgspec.MsgspecError) as error:
            self.is_reachable = False
            self.outage.note_failure(error)
            self._shares.count(None)
            return []
        self.is_reachable = True
        self.outage.note_success()
        if instances:
            self._shares.count(instances)
        return replies
