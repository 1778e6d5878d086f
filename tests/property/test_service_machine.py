"""Users do what they like, in any order, on a real service with a real store and real sockets.

A model says what each call must answer. At quiet points every socket is asked until it stands at the log's end; then
all that is stored, listed, counted and was ever delivered has to agree with the model and with the log (I1-I7).

``SANCTUM_EXAMPLES`` and ``SANCTUM_STEPS`` make it longer, as ``make chaos`` does.
"""
# ruff: noqa: FBT001 - an action is given what it consists of by position

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from sanctum_messaging.protocol.frames import Ping
from tests.e2e.in_process import serve_here
from tests.fault.checker import check
from tests.fault.device import Device
from tests.fault.recorder import Drained, Recorder
from tests.fault.stored_log import read_stored_log
from tests.property.model import OK, STALE, Message, Room

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from tests.e2e.in_process import Here
    from tests.fault.recorder import Pending

T = TypeVar("T")

USERS = ("ann", "bob", "cid", "dan")
MOST_ROOMS = 3
BEGINNING = "0-00000000"

users = st.sampled_from(USERS)
roles = st.sampled_from(("observer", "member", "admin", "owner"))
visibilities = st.sampled_from(("all", "joined"))
numbers = st.integers(0, 5)
"""Which one of several, counted from the newest; there may be fewer."""
ages = st.integers(0, 20)
"""Which message, counted from the newest: old ones too, from before somebody joined."""
flags = st.booleans()
actors = st.none() | users
"""Who does it: whoever may, or somebody who perhaps may not."""
senders = st.lists(st.tuples(users, flags), min_size=2, max_size=8)
"""Who sends at once, and whether over the socket."""


def _action(name: str, *arguments: st.SearchStrategy[Any], weight: int = 1) -> list[st.SearchStrategy[tuple[Any, ...]]]:
    return [st.tuples(st.just(name), *arguments) for _ in range(weight)]


actions = st.one_of(
    *_action("send", users, numbers, flags, weight=5),
    *_action("send_at_once", numbers, senders, actors, weight=3),
    *_action("send_while_someone_is_removed", actors, users, numbers, senders, actors, weight=2),
    *_action("join_while_connecting", users, numbers, roles),
    *_action("come_back", users, numbers, ages, weight=2),
    *_action("repeat", numbers, ages, flags, flags, weight=2),
    *_action("edit", numbers, ages, flags, actors, weight=3),
    *_action("delete", numbers, ages, actors),
    *_action("read", users, numbers, numbers, weight=2),
    *_action("add", actors, users, numbers, roles, weight=3),
    *_action("remove", actors, users, numbers, weight=2),
    *_action("change_role", actors, users, numbers, roles),
    *_action("pin", users, numbers),
    *_action("patch", actors, numbers, visibilities),
    *_action("create", users, st.lists(users, unique=True), visibilities),
    *_action("destroy", numbers, actors),
    *_action("connect", users, flags, weight=4),
    *_action("break_off", users, weight=2),
    *_action("acknowledge", users),
    *_action("poll", users),
    *_action("look_at_messages", users, numbers),
    *_action("look_around"),
)


class ServiceMachine(RuleBasedStateMachine):
    """Actions are what users do; ``look_around`` is a quiet point.

    There is one rule, of several actions: for each run Hypothesis leaves some rules out, and a step costs it time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory(prefix="sanctum-machine-")
        self.recorder = Recorder()
        self.rooms: list[Room] = []
        self.sent = 0
        self.polled = dict.fromkeys(USERS, BEGINNING)
        self.sockets: dict[str, AsyncExitStack] = {}
        self.here, self.devices = self.run(self._start())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Let the loop turn until something is done; between two rules the whole service stands still."""
        return self.runner.run(work)

    @initialize(others=st.lists(st.sampled_from(USERS[1:]), min_size=2, unique=True), visibility=visibilities)
    def create_first(self, others: list[str], visibility: str) -> None:
        self._create("ann", others, visibility)

    @rule(actions=st.lists(actions, min_size=6, max_size=12))
    def act(self, actions: list[tuple[Any, ...]]) -> None:
        """Do one thing after the other; what a thing is called is the method that does it."""
        for name, *arguments in actions:
            getattr(self, name)(*arguments)

    # What users do.

    def create(self, user: str, others: list[str], visibility: str) -> None:
        if len(self.rooms) < MOST_ROOMS:
            self._create(user, [each for each in others if each != user], visibility)

    def send(self, user: str, room: int, by_socket: bool) -> None:
        self._send(user, self._room(room), self._new_client_id(), by_socket=by_socket)

    def repeat(self, room: int, message: int, same: bool, by_socket: bool) -> None:
        where, earlier = self._message(room, message)
        if earlier is not None:
            body = earlier.sent_body if same else "something else"
            self._send(earlier.sender, where, earlier.client_id, body=body, by_socket=by_socket)

    def send_at_once(self, room: int, senders: list[tuple[str, bool]], connecting: str | None) -> None:
        """Many sends in flight, perhaps while somebody connects: their order is the service's to choose."""
        self._race(self._room(room), senders, connecting=connecting)

    def send_while_someone_is_removed(
        self, by: str | None, other: str, room: int, senders: list[tuple[str, bool]], connecting: str | None
    ) -> None:
        """Whatever the order is, nothing of the removed user comes after his removal."""
        where = self._room(room)
        user = by or where.owner
        if where.may_remove(user, other) == OK:
            self._race(where, senders, removal=(user, other), connecting=connecting)

    def come_back(self, user: str, room: int, message: int) -> None:
        """He was in it before: what is edited then may be of any of his times in it."""
        where = self._room(room)
        if where.may_remove(where.owner, user) == OK:
            self.remove(where.owner, user, room)
            self.add(None, user, room, "member")
            self.edit(room, message, False, None)  # noqa: FBT003 - not stale

    def join_while_connecting(self, user: str, room: int, role: str) -> None:
        """The hub reads his memberships while they change."""
        where = self._room(room)
        if user not in where.members and user not in self.sockets:
            added = self.run(self._connect_amid([self.devices[where.owner].record_add(where.id, user, role)], user))
            assert added[0].outcome == "ok"
            where.join(user, role, where.next_seq())

    def edit(self, room: int, message: int, stale: bool, by: str | None) -> None:
        where, found = self._message(room, message)
        if found is not None:
            user = by or found.sender
            refusal = where.may_edit(user, found) or (STALE if stale else OK)
            version, body = found.version + stale, f"edited {found.version}"
            work = self.devices[user].record_edit(where.id, found.id, body, etag=f'"v{version}"')
            if self._did(work, refusal):
                found.body, found.version = body, found.version + 1
                where.next_seq()

    def delete(self, room: int, message: int, by: str | None) -> None:
        where, found = self._message(room, message)
        if found is not None:
            user = by or found.sender
            work = self.devices[user].record_delete(where.id, found.id, etag=f'"v{found.version}"')
            if self._did(work, where.may_delete(user, found)):
                found.body, found.version = None, found.version + 1
                where.next_seq()

    def read(self, user: str, room: int, back: int) -> None:
        where = self._room(room)
        seq = max(where.last_seq - back, 0)
        work = self.devices[user].record_read(where.id, seq)
        if self._did(work, OK if user in where.members else "not_found"):
            where.markers[user] = max(where.markers[user], seq)

    def add(self, by: str | None, other: str, room: int, role: str) -> None:
        where = self._room(room)
        user = by or where.owner
        work = self.devices[user].record_add(where.id, other, role)
        if self._did(work, where.may_add(user, role)) and other not in where.members:
            where.join(other, role, where.next_seq())

    def remove(self, by: str | None, other: str, room: int) -> None:
        where = self._room(room)
        user = by or where.owner
        work = self.devices[user].record_remove(where.id, other)
        if self._did(work, where.may_remove(user, other)):
            where.leave(other, where.next_seq())

    def change_role(self, by: str | None, other: str, room: int, role: str) -> None:
        where = self._room(room)
        user = by or where.owner
        work = self.devices[user].record_role(where.id, other, role)
        if self._did(work, where.may_re_role(user, other, role)) and where.members[other] != role:
            where.members[other] = role
            where.next_seq()

    def pin(self, user: str, room: int) -> None:
        """A private mark is an event that only its owner is shown."""
        where = self._room(room)
        pending = self.run(self.devices[user].record_marks(where.id, pinned=True))
        assert pending.code == (OK if user in where.members else "not_found")
        if pending.outcome == "ok":
            where.last_seq = self._stored_seq(where)

    def patch(self, by: str | None, room: int, visibility: str) -> None:
        where = self._room(room)
        user = by or where.owner
        work = self.devices[user].record_patch(where.id, {"historyVisibility": visibility}, version=where.version)
        if self._did(work, where.may_patch(user)):
            where.visibility, where.version = visibility, where.version + 1
            where.next_seq()

    def destroy(self, room: int, by: str | None) -> None:
        where = self._room(room)
        user = by or where.owner
        if len(self.rooms) > 1 and self._did(
            self.devices[user].record_destroy(where.id, version=where.version), where.may_destroy(user)
        ):
            self.rooms.remove(where)

    # How they listen.

    def connect(self, user: str, forget: bool) -> None:
        if user not in self.sockets:
            self.run(self._connect(user, forget=forget))

    def break_off(self, user: str) -> None:
        """The connection is gone in the middle of whatever was on its way."""
        if user in self.sockets:
            self.run(self._disconnect(user))

    def acknowledge(self, user: str) -> None:
        socket = self.devices[user].socket
        if socket is not None:
            self.run(socket.ack())

    def poll(self, user: str) -> None:
        self.polled[user] = self.run(self.devices[user].record_poll(self.polled[user]))

    def look_at_messages(self, user: str, room: int) -> None:
        self.run(self._check_messages(user, self._room(room)))

    # What must hold.

    def look_around(self) -> None:
        """Wait until everything that was sent has come, then compare everything."""
        self.run(self._look_around())

    def teardown(self) -> None:
        try:
            self.run(self._look_around())
        finally:
            self.run(self._stop())
            self.runner.close()
            self.folder.cleanup()

    async def _look_around(self) -> None:
        end = await self.devices["ann"].read_end()
        for user in USERS:
            if user in self.sockets:
                socket = self.devices[user].socket
                assert socket is not None
                await socket.reach(end)
                assert socket.is_live
                assert not socket.resyncs
            await self._check_lists(user)
            self.polled[user] = await self.devices[user].record_poll(self.polled[user])
            for room in self.rooms:
                await self._check_messages(user, room)
                await self._check_participants(user, room)
        drained = [Drained(self.devices[user].name, 0) for user in self.sockets]
        log = read_stored_log(self.here.database_path)
        violations = check([*self.recorder.entries, *drained], log)
        assert not violations, "\n".join(map(str, violations))
        assert all(self._stored_seq(room) == room.last_seq for room in self.rooms)

    async def _check_lists(self, user: str) -> None:
        pending = await self.devices[user].record_conversations()
        lines = {each["id"]: each for each in pending.answer["conversations"]}
        own = {room.id: room for room in self.rooms if user in room.members}
        assert lines.keys() == own.keys()
        for room in own.values():
            last = [message.id for message in room.visible(user)][-1:]
            told = lines[room.id]
            found = [] if told["lastMessage"] is None else [told["lastMessage"]["id"]]
            assert (told["role"], told["readSeq"], told["unreadCount"], told["lastSeq"], found) == (
                room.members[user],
                room.markers[user],
                room.unread(user),
                room.last_seq,
                last,
            )
        totals = (await self.devices[user].get("/v1/unread")).json()
        counts = [room.unread(user) for room in own.values()]
        assert totals == {"total": sum(counts), "conversations": sum(count > 0 for count in counts)}

    async def _check_messages(self, user: str, room: Room) -> None:
        pending = await self.devices[user].record_messages(room.id, limit=200)
        assert pending.code == (OK if user in room.members else "not_found")
        if pending.outcome == "ok":
            found = [(each["id"], each["seq"], each["body"], each["version"]) for each in pending.answer["messages"]]
            assert found == [(each.id, each.seq, each.body, each.version) for each in room.visible(user)]

    async def _check_participants(self, user: str, room: Room) -> None:
        answer = await self.devices[user].get(f"/v1/conversations/{room.id}/participants")
        assert answer.is_success == (user in room.members)
        if answer.is_success:
            found = {each["userId"]: each["role"] for each in answer.json()["participants"]}
            assert found == room.members

    # How it is done.

    def _create(self, user: str, others: list[str], visibility: str) -> None:
        work = self.devices[user].record_create(dict.fromkeys(others, "member"), historyVisibility=visibility)
        pending = self.run(work)
        assert pending.outcome == "ok", pending.code
        room = Room(pending.answer["conversation"]["id"], visibility)
        seq = room.next_seq()
        room.join(user, "owner", seq)
        for other in others:
            room.join(other, "member", seq)
        self.rooms.append(room)

    def _send(self, user: str, room: Room, client_id: str, *, body: str = "", by_socket: bool) -> None:
        body = body or f"body of {client_id}"
        earlier, refusal = room.find_sent(user, client_id), room.may_send(user, client_id, body)
        pending = self.run(self.devices[user].record_send(room.id, client_id, body, by_socket=by_socket))
        assert pending.code == refusal
        if refusal:
            return
        assert pending.result.replayed == (earlier is not None)
        if earlier is None:
            assert pending.result.seq == room.next_seq()
            room.messages.append(_stored(pending, user, client_id, body))
        else:
            assert pending.result.message_id == earlier.id

    def _race(
        self,
        room: Room,
        senders: list[tuple[str, bool]],
        *,
        removal: tuple[str, str] | None = None,
        connecting: str | None = None,
    ) -> None:
        """Do all of it at once, and find out from the answers in which order it was done."""
        drafts = [(user, self._new_client_id(), by_socket) for user, by_socket in senders]
        answers, removed = self.run(self._gather(room, drafts, removal, connecting))
        seqs = set()
        for (user, client_id, _), pending in zip(drafts, answers, strict=True):
            body = f"body of {client_id}"
            allowed = {room.may_send(user, client_id, body)}
            if removal is not None and user == removal[1]:
                allowed.add("not_found")
            assert pending.code in allowed
            if pending.outcome == "ok":
                seqs.add(pending.result.seq)
                room.messages.append(_stored(pending, user, client_id, body))
        fresh = set(range(room.last_seq + 1, room.last_seq + 1 + len(seqs) + (removed is not None)))
        room.last_seq = max(fresh, default=room.last_seq)
        if removal is not None and removed is not None:
            assert removed.outcome == "ok", removed.code
            (gone,) = fresh - seqs
            room.leave(removal[1], gone)
            late = [each for each in room.messages if each.sender == removal[1] and each.seq > gone]
            assert not late

    async def _gather(
        self,
        room: Room,
        drafts: list[tuple[str, str, bool]],
        removal: tuple[str, str] | None,
        connecting: str | None,
    ) -> tuple[list[Pending], Pending | None]:
        calls = [
            self.devices[user].record_send(room.id, client_id, f"body of {client_id}", by_socket=by_socket)
            for user, client_id, by_socket in drafts
        ]
        if removal is None:
            return await self._connect_amid(calls, connecting), None
        calls.append(self.devices[removal[0]].record_remove(room.id, removal[1]))
        *answers, removed = await self._connect_amid(calls, connecting)
        return answers, removed

    async def _connect_amid(
        self, calls: Sequence[Coroutine[Any, Any, Pending]], connecting: str | None
    ) -> list[Pending]:
        """Make calls at once, and have a socket opened among them."""
        if connecting is None or connecting in self.sockets:
            return list(await asyncio.gather(*calls))
        answers, _ = await asyncio.gather(asyncio.gather(*calls), self._connect(connecting, forget=False))
        return list(answers)

    def _did(self, work: Coroutine[Any, Any, Pending], refusal: str) -> bool:
        """Do something; check that it was refused as the model says, or done."""
        pending = self.run(work)
        assert pending.code == refusal
        assert pending.outcome == ("fail" if refusal else "ok")
        return not refusal

    def _room(self, number: int) -> Room:
        return self.rooms[-1 - number % len(self.rooms)]

    def _message(self, room: int, number: int) -> tuple[Room, Message | None]:
        where = self._room(room)
        return where, where.messages[-1 - number % len(where.messages)] if where.messages else None

    def _new_client_id(self) -> str:
        self.sent += 1
        return f"message-{self.sent}"

    def _stored_seq(self, room: Room) -> int:
        return read_stored_log(self.here.database_path).by_conversation[room.id][-1].seq

    async def _connect(self, user: str, *, forget: bool) -> None:
        stack = AsyncExitStack()
        socket = await stack.enter_async_context(self.devices[user].listen(forget=forget))
        # The answer comes amid the replay, and may not tell of more than was sent.
        await socket.push(Ping())
        self.sockets[user] = stack

    async def _disconnect(self, user: str) -> None:
        socket = self.devices[user].socket
        assert socket is not None
        socket.drop()
        await self.sockets.pop(user).aclose()

    async def _start(self) -> tuple[Here, dict[str, Device]]:
        self._stopping = asyncio.Event()
        started: asyncio.Future[Here] = asyncio.get_running_loop().create_future()
        self._serving = asyncio.create_task(self._serve(started))
        here = await started
        devices = {
            user: Device(here.base_url, here.token(user), user=user, name=f"{user}'s phone", recorder=self.recorder)
            for user in USERS
        }
        return here, devices

    async def _serve(self, started: asyncio.Future[Here]) -> None:
        try:
            async with serve_here(Path(self.folder.name)) as here:
                started.set_result(here)
                await self._stopping.wait()
        except Exception as error:
            if started.done():
                raise
            started.set_exception(error)

    async def _stop(self) -> None:
        for user in tuple(self.sockets):
            await self._disconnect(user)
        for device in self.devices.values():
            await device.close()
        self._stopping.set()
        await self._serving


def _stored(pending: Pending, user: str, client_id: str, body: str) -> Message:
    return Message(pending.result.message_id, pending.result.seq, user, client_id, body, body)


def _settings(*, examples: int, steps: int, fixed: bool) -> settings:
    return settings(
        max_examples=int(os.environ.get("SANCTUM_EXAMPLES", examples)),
        stateful_step_count=int(os.environ.get("SANCTUM_STEPS", steps)),
        deadline=None,
        print_blob=True,
        derandomize=fixed,
        database=None,
        # To make a failure small takes minutes: `make chaos` does it.
        phases=(Phase.generate,) if fixed else (Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.timeout(300)
def test_the_service_does_what_the_model_says() -> None:
    """The same examples each time: what is found here is found by everybody."""
    run_state_machine_as_test(ServiceMachine, settings=_settings(examples=18, steps=14, fixed=True))


@pytest.mark.chaos
@pytest.mark.timeout(3_600)
def test_the_service_does_what_the_model_says_for_long() -> None:
    """New examples each time; a failure prints how to see it again."""
    run_state_machine_as_test(ServiceMachine, settings=_settings(examples=150, steps=30, fixed=False))
