"""Two instances' caches of participants, with every answer of the database and of what they share held at will.

Whoever asks gets the set of a version that is not older than the one he learned, exactly as the database had it.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.domain.model import ConversationId
from sanctum_messaging.ports.participant_cache import ParticipantSet
from sanctum_messaging.workers.participant_cache import ParticipantCache
from tests.conftest import HandClock
from tests.participant_sets import names_of, participant_set, started

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

GROUPS = (ConversationId("one"), ConversationId("two"))
MAX_PARTICIPANTS = 5
"""Less than the groups hold together."""
TURNS = 12
"""Of the loop, after which nothing moves that is not held."""

instances = st.sampled_from((0, 1))
groups = st.sampled_from(GROUPS)
names = st.sampled_from(("ann", "bob", "cid"))
numbers = st.integers(0, 20)
"""Which one of several, counted round."""


class Held:
    """Calls that wait until they are let go, or fail."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, asyncio.Future[None]]] = []

    async def wait(self, call: str) -> None:
        held = (call, asyncio.get_running_loop().create_future())
        self.calls.append(held)
        try:
            await held[1]
        finally:
            self.calls.remove(held)


class Database:
    """All versions that each group ever had, the first of which is 1."""

    def __init__(self, held: Held) -> None:
        self.versions: dict[ConversationId, list[tuple[str, ...]]] = {group: [("ann",)] for group in GROUPS}
        self._held = held

    async def read_participants(self, conversation_id: ConversationId) -> ParticipantSet:
        await self._held.wait("read")
        versions = self.versions[conversation_id]
        answer = participant_set(conversation_id, len(versions), *versions[-1])
        await self._held.wait("answer")
        return answer


class Shared:
    """What both instances share; puts arrive when they are let go, and findings are as old as they are held."""

    def __init__(self, held: Held) -> None:
        self._sets: dict[tuple[ConversationId, int], ParticipantSet] = {}
        self._held = held

    async def find(self, conversation_id: ConversationId, version: int) -> ParticipantSet | None:
        found = self._sets.get((conversation_id, version))
        await self._held.wait("find")
        return found

    async def put(self, conversation_id: ConversationId, found: ParticipantSet) -> None:
        await self._held.wait("put")
        self._sets[conversation_id, found.version] = found

    async def forget_all(self) -> None:
        await self._held.wait("forget_all")
        self._sets.clear()


@dataclass
class Asked:
    """A question, and the logs that its answer may be of."""

    task: asyncio.Task[ParticipantSet]
    group: ConversationId
    version: int
    logs: list[dict[ConversationId, list[tuple[str, ...]]]]

    def check(self) -> None:
        """Compare an answer with what the database had."""
        if self.task.exception() is not None:
            assert isinstance(self.task.exception(), UnavailableError), self.task.exception()
            return
        found = self.task.result()
        assert found.version >= self.version
        had = [versions[found.version - 1] for log in self.logs if len(versions := log[self.group]) >= found.version]
        assert tuple(names_of(found)) in had, (found, had)


def _action(name: str, *arguments: st.SearchStrategy[Any], weight: int = 1) -> list[st.SearchStrategy[tuple[Any, ...]]]:
    return [st.tuples(st.just(name), *arguments) for _ in range(weight)]


actions = st.one_of(
    *_action("join_or_leave", groups, names, weight=3),
    *_action("ask", instances, groups, st.integers(0, 1), weight=6),
    *_action("let_go", numbers, weight=6),
    *_action("let_all_go", weight=3),
    *_action("fail", numbers),
    *_action("cancel", numbers),
    *_action("invalidate", instances, groups),
    *_action("fall_silent_or_speak", instances),
    *_action("pass_time", st.sampled_from((1, 20, 31))),
    *_action("fail_over", st.integers(1, 2), st.integers(0, 2), names),
)


class CacheMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = HandClock()
        self.held = Held()
        self.database = Database(self.held)
        self.heard = [True, True]
        self.asked: list[Asked] = []
        self.lifespan = AsyncExitStack()
        shared = Shared(self.held)
        self.caches = [self.run(self._start(shared, instance)) for instance in (0, 1)]
        # The caches begin to believe what they share.
        self.let_all_go("forget_all")

    async def _start(self, shared: Shared, instance: int) -> ParticipantCache:
        cache = ParticipantCache(
            self.database,
            self.clock,
            shared,
            use_memory=lambda: self.heard[instance],
            max_participants=MAX_PARTICIPANTS,
        )
        return await self.lifespan.enter_async_context(started(cache))

    def run(self, work: Coroutine[None, None, T]) -> T:
        return self.runner.get_loop().run_until_complete(work)

    @rule(actions=st.lists(actions, min_size=4, max_size=10))
    def act(self, actions: list[tuple[Any, ...]]) -> None:
        """Do one thing after the other; what a thing is called is the method that does it."""
        for name, *arguments in actions:
            getattr(self, name)(*arguments)
            self._turn()
            self._check_answers()

    def join_or_leave(self, group: ConversationId, name: str) -> None:
        versions = self.database.versions[group]
        versions.append(tuple(sorted({name} ^ set(versions[-1]))))

    def ask(self, instance: int, group: ConversationId, age: int) -> None:
        """Ask for the version that the database has, or had when one learned it."""
        version = max(1, len(self.database.versions[group]) - age)
        task = self.runner.get_loop().create_task(self.caches[instance].get(group, version))
        self.asked.append(Asked(task, group, version, [self.database.versions]))

    def let_go(self, number: int) -> None:
        if self.held.calls:
            self.held.calls[number % len(self.held.calls)][1].set_result(None)

    def let_all_go(self, only: str | None = None) -> None:
        self._turn()
        while held := [future for call, future in self.held.calls if only in {None, call}]:
            for each in held:
                each.set_result(None)
            self._turn()

    def fail(self, number: int) -> None:
        """Fail a call that may fail."""
        failing = [future for call, future in self.held.calls if call in {"read", "answer"}]
        if failing:
            failing[number % len(failing)].set_exception(UnavailableError("It is down."))

    def cancel(self, number: int) -> None:
        waiting = [each for each in self.asked if not each.task.done()]
        if waiting:
            given_up = waiting[number % len(waiting)]
            given_up.task.cancel()
            self.asked.remove(given_up)

    def invalidate(self, instance: int, group: ConversationId) -> None:
        """An event arrives, whenever it does: nobody's answer depends on it."""
        self.caches[instance].invalidate(group)

    def fall_silent_or_speak(self, instance: int) -> None:
        self.heard[instance] = not self.heard[instance]

    def pass_time(self, seconds: int) -> None:
        self.clock.advance(seconds)

    def fail_over(self, lost: int, regrown: int, name: str) -> None:
        """The log loses its end and goes on in another way, perhaps to the same versions; both hubs learn it at once.

        What was on its way into the shared level has arrived: a put of another instance that comes after the new log's
        own is not told from it.
        """
        self.let_all_go("put")
        before = self.database.versions
        self.database.versions = {group: before[group][: max(1, len(before[group]) - lost)] for group in GROUPS}
        for group in GROUPS:
            for _ in range(regrown):
                self.join_or_leave(group, name)
        for cache in self.caches:
            cache.invalidate(None)
        for each in self.asked:
            each.logs.append(self.database.versions)

    @invariant()
    def memory_is_bounded(self) -> None:
        for cache in self.caches:
            assert 0 <= cache.participants + cache.entries <= MAX_PARTICIPANTS

    def teardown(self) -> None:
        try:
            self.let_all_go()
            assert all(each.task.done() for each in self.asked)
            self._check_answers()
        finally:
            self.run(self.lifespan.aclose())
            self.runner.close()

    def _check_answers(self) -> None:
        for each in [each for each in self.asked if each.task.done()]:
            each.check()
            self.asked.remove(each)

    def _turn(self) -> None:
        async def turn() -> None:
            for _ in range(TURNS):
                await asyncio.sleep(0)

        self.run(turn())


def test_whoever_asks_gets_what_the_database_had() -> None:
    run_state_machine_as_test(
        CacheMachine,
        settings=settings(
            max_examples=100,
            stateful_step_count=10,
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
