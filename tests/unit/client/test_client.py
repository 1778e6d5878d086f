from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from sanctum_messaging.client import (
    Client,
    ClientClosed,
    ConnectionEnded,
    Event,
    FileStorage,
    MessageEvent,
    MessageResource,
    Messages,
    ParticipantEvent,
    Place,
    Refused,
    State,
    Unauthenticated,
)
from tests.hand_time import hand_loop, run_by_hand
from tests.scripted_service import START, ScriptedService

if TYPE_CHECKING:
    from pathlib import Path


def client(service: ScriptedService, **options: Any) -> Client:  # noqa: ANN401 - as of the client
    return Client("http://scripted", **{"token": "t", "cursor": START, "open_socket": service.network, **options})


class TestTaking:
    def test_what_a_loop_was_left_with_comes_first_in_the_next_unless_it_was_taken(self) -> None:
        async def main() -> None:
            service = ScriptedService()
            service.append()
            service.append()
            async with client(service) as chat:
                first = await anext(chat.events())
                assert isinstance(first, MessageEvent)
                await hand_loop().settle()
                assert await anext(chat.events()) is first
                assert chat.cursor == START
                chat.taken(first)
                assert chat.cursor == first.cursor
                second = await anext(chat.events())
                assert isinstance(second, MessageEvent)
                assert second.seq == 2
                with pytest.raises(ValueError, match="last"):
                    chat.taken(first)

        run_by_hand(main())

    def test_the_place_is_written_down(self, tmp_path: Path) -> None:
        async def main() -> None:
            service = ScriptedService()
            service.append()
            storage = FileStorage(tmp_path / "new" / "place.json")
            async with client(service, storage=storage) as chat:
                chat.taken(await anext(chat.events()))
            place = await storage.load()
            assert place == Place(service.cursor(1), None), "after a bye the session is void"
            service.append()
            async with client(service, storage=storage) as chat:
                event = await anext(chat.events())
                assert isinstance(event, MessageEvent)
                assert event.seq == 2
            assert [path.name for path in (tmp_path / "new").iterdir()] == ["place.json"]

        asyncio.run(main())

    def test_a_storage_that_fails_ends_the_client(self) -> None:
        class Full:
            async def load(self) -> None: ...

            async def save(self, place: Place) -> None:
                raise OSError("the disk is full")

        async def main() -> None:
            async with client(ScriptedService(), storage=Full()) as chat:
                async for _ in chat.events():
                    pass

        with pytest.raises(ExceptionGroup) as failed:
            run_by_hand(main())
        assert failed.group_contains(OSError, match="full")


class TestTheBlock:
    def test_an_error_of_the_application_stays_as_it_is(self) -> None:
        async def main() -> None:
            async with client(ScriptedService()):
                await hand_loop().settle()
                raise KeyError("mine")

        with pytest.raises(KeyError):
            run_by_hand(main())

    def test_its_end_ends_the_loop_of_another_task(self) -> None:
        async def listen(chat: Client) -> str:
            async for _ in chat.events():
                pass
            return "over"

        async def main() -> None:
            async with client(ScriptedService()) as chat:
                listening = asyncio.create_task(listen(chat))
                await hand_loop().settle()
            assert await listening == "over"

        run_by_hand(main())

    def test_what_came_before_the_end_is_given_before_it_is_told(self) -> None:
        async def main() -> None:
            service = ScriptedService()
            async with client(service) as chat:
                await hand_loop().settle()
                service.append()
                service.listeners[0].socket.end(4504)
                await hand_loop().settle()
                assert chat.state is State.STOPPED
                events = chat.events()
                event = await anext(events)
                assert isinstance(event, MessageEvent)
                assert event.seq == 1
                with pytest.raises(ConnectionEnded, match="4504"):
                    await anext(events)

        run_by_hand(main())

    def test_it_tells_when_the_stream_has_begun_or_will_not(self) -> None:
        async def main() -> None:
            service = ScriptedService()
            service.network.greet, greet = None, service.network.greet
            async with client(service) as chat:
                begun = asyncio.create_task(chat.connected())
                await hand_loop().settle()
                assert not begun.done()
                service.network.greet = greet
                service.network.fail()
                await hand_loop().advance(1)
                await begun
            with pytest.raises(ClientClosed):
                await chat.connected()

        run_by_hand(main())

    def test_a_service_is_named_by_its_http_address(self) -> None:
        with pytest.raises(ValueError, match="http"):
            Client("ws://somewhere", token="t")


class TestTokens:
    def test_one_that_is_refused_is_replaced_once(self) -> None:
        async def main() -> None:
            service = ScriptedService()
            service.network.greet = None
            tokens = iter(["old", "new", "newer"])
            async with client(service, token=lambda: next(tokens)) as chat:
                await hand_loop().settle()
                service.network.refuse(401)
                await hand_loop().settle()
                assert [token for token, _ in service.network.opening] == ["new"]
                service.network.refuse(401)
                with pytest.raises(Unauthenticated):
                    await anext(chat.events())

        run_by_hand(main())

    def test_one_that_grew_old_while_nobody_answered_is_replaced_as_well(self) -> None:
        async def main() -> None:
            service = ScriptedService()
            greet, service.network.greet = service.network.greet, None
            tokens = iter(["old", "new", "newer"])
            async with client(service, token=lambda: next(tokens)) as chat:
                await hand_loop().settle()
                service.network.refuse(401)
                await hand_loop().settle()
                service.network.fail()
                await hand_loop().advance(1)
                service.network.greet = greet
                service.network.refuse(401)
                await chat.connected()
                assert [socket.token for socket in service.network.sockets] == ["newer"]

        run_by_hand(main())

    def test_a_fixed_one_that_is_refused_ends_the_client(self) -> None:
        async def main() -> None:
            service = ScriptedService()
            service.network.greet = None
            async with client(service) as chat:
                await hand_loop().settle()
                service.network.refuse(401)
                with pytest.raises(Unauthenticated):
                    await anext(chat.events())

        run_by_hand(main())

    def test_whoever_gives_them_may_fail_for_a_while(self) -> None:
        async def main() -> None:
            service = ScriptedService()
            failures = iter([ConnectionError("no network"), KeyError("bug")])

            async def give() -> str:
                await asyncio.sleep(0)
                for failure in failures:
                    raise failure
                return "good"

            async with client(service, token=give) as chat:
                await hand_loop().advance(10)
                assert chat.state is State.LIVE
                assert list(failures) == []

        run_by_hand(main())

    def test_one_that_does_not_come_is_asked_for_again(self) -> None:
        async def main() -> None:
            asked: list[asyncio.Future[str]] = []

            async def give() -> str:
                asked.append(asyncio.get_running_loop().create_future())
                return await asked[-1] if len(asked) == 1 else "good"

            async with client(ScriptedService(), token=give) as chat:
                await hand_loop().advance(29)
                assert (len(asked), chat.state) == (1, State.CONNECTING)
                await hand_loop().advance(10)
                assert (len(asked), chat.state) == (2, State.LIVE)
                assert asked[0].cancelled()

        run_by_hand(main())

    def test_whoever_gives_them_may_give_up(self) -> None:
        async def main() -> None:
            def give() -> str:
                raise Unauthenticated("signed out")

            async with client(ScriptedService(), token=give) as chat:
                with pytest.raises(Unauthenticated, match="signed out"):
                    await anext(chat.events())

        run_by_hand(main())


@pytest.mark.parametrize("status", [403, 404, 421])
def test_a_handshake_that_makes_no_sense_ends_the_client(status: int) -> None:
    async def main() -> None:
        service = ScriptedService()
        service.network.greet = None
        async with client(service) as chat:
            await hand_loop().settle()
            service.network.refuse(status)
            with pytest.raises(Refused, match=f"http_{status}"):
                await anext(chat.events())

    run_by_hand(main())


def test_what_a_newer_service_says_is_given_as_it_came() -> None:
    async def main() -> None:
        service = ScriptedService()
        for type_, data in (
            ("reaction.added", {"emoji": "!"}),
            ("message.created", {"message": {"form": "new"}}),
            ("participant.removed", {"participant": {"userId": "b", "role": "member", "joinedAt": "", "leftAt": ""}}),
        ):
            service.append()
            service.log[-1] |= {"type": type_, "data": data, "newField": 1}
        async with client(service) as chat:
            events = chat.events()
            given = [await anext(events) for _ in range(3)]
            assert [type(each) for each in given] == [Event, Event, ParticipantEvent]

    run_by_hand(main())


def test_of_a_message_the_higher_version_is_kept() -> None:
    def message(version: int, identity: str = "m") -> MessageResource:
        fields = ScriptedService().append()
        names = {name: fields[key] for name, key in zip(MessageResource.__struct_fields__, fields, strict=True)}
        return MessageResource(**{**names, "id": identity, "version": version})

    messages = Messages()
    assert messages.take(message(2))
    assert not messages.take(message(1))
    assert not messages.take(message(2))
    assert messages.take(message(3))
    assert messages.take(message(1, "other"))
    known = messages.get("m")
    assert known is not None
    assert known.version == 3
    messages.forget("one")
    assert messages.get("m") is None
