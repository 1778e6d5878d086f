from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest

from sanctum_messaging.client import (
    Client,
    ClientClosed,
    ConnectionEnded,
    FileOutbox,
    OutboxFull,
    Refused,
    SendMessage,
)
from sanctum_messaging.client import outbox as outbox_module
from tests.conformance.python_client_run import KeptOutbox
from tests.hand_time import hand_loop, run_by_hand
from tests.scripted_service import ScriptedService

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path
    from typing import Any

    from sanctum_messaging.client import OutboxStorage, Outgoing


def client(service: ScriptedService, outbox: OutboxStorage | None = None) -> Client:
    return Client("http://scripted", token="t", open_socket=service.network, outbox=outbox)


def bodies(service: ScriptedService) -> list[str]:
    return [event["data"]["message"]["body"] for event in service.log]


async def hear(chat: Client) -> None:
    async for _ in chat.events():
        pass


def refusal(send: dict[str, Any], code: str, *, retry_after_ms: int | None = None) -> dict[str, Any]:
    problem = {"type": code, "title": "No.", "status": 0, "code": code, "detail": "", "requestId": ""}
    problem |= {"retryable": retry_after_ms is not None}
    if retry_after_ms:
        problem["retryAfterMs"] = retry_after_ms
    return {"op": "error", "id": send["id"], "problem": problem}


def test_those_whose_answers_were_cut_off_after_the_commit_are_one_message_each() -> None:
    async def main() -> None:
        service = ScriptedService()
        service.answers = False
        async with client(service) as chat:
            sends = [asyncio.create_task(chat.send("c", str(number))) for number in range(40)]
            await hand_loop().settle()
            assert len(bodies(service)) == 32
            service.listeners[0].socket.end()
            service.answers = True
            await hand_loop().advance(1)
            assert [(await sending).body for sending in sends] == [str(number) for number in range(40)]
        assert bodies(service) == [str(number) for number in range(40)]
        assert len(service.listeners) == 2

    run_by_hand(main())


def test_they_go_out_in_the_order_in_which_they_were_made_while_there_was_no_connection() -> None:
    async def main() -> None:
        service = ScriptedService()
        greet, service.network.greet = service.network.greet, None
        async with client(service) as chat:
            sends = [asyncio.create_task(chat.send("c", str(number))) for number in range(100)]
            await hand_loop().settle()
            service.network.greet = greet
            service.network.fail()
            await hand_loop().advance(60)
            await asyncio.gather(*sends)
        assert bodies(service) == [str(number) for number in range(100)]

    run_by_hand(main())


def test_no_more_are_unanswered_than_the_service_takes() -> None:
    async def main() -> None:
        service = ScriptedService()
        service.answers = False
        async with client(service) as chat:
            sends = [asyncio.create_task(chat.send("c", str(number))) for number in range(40)]
            await hand_loop().settle()
            (listener,) = service.listeners
            assert len(listener.sends) == 32
            service.answer(listener)
            await hand_loop().settle()
            assert len(listener.sends) == 8
            service.answer(listener)
            await asyncio.gather(*sends)

    run_by_hand(main())


def test_one_that_is_refused_raises_and_does_not_stop_the_others() -> None:
    async def main() -> None:
        service = ScriptedService()
        service.answers = False
        async with client(service) as chat:
            first, second = (asyncio.create_task(chat.send("c", body)) for body in ("first", "second"))
            await hand_loop().settle()
            (listener,) = service.listeners
            listener.socket.push(refusal(listener.sends.pop(0), "forbidden"))
            service.answer(listener)
            assert (await second).body == "second"
            with pytest.raises(Refused) as refused:
                await first
            assert refused.value.code == "forbidden"
            assert chat.unsent == []

    run_by_hand(main())


def test_one_that_is_put_off_goes_before_what_was_made_after_it() -> None:
    async def main() -> None:
        service = ScriptedService()
        service.answers = False
        async with client(service) as chat:
            first = asyncio.create_task(chat.send("c", "first"))
            await hand_loop().settle()
            (listener,) = service.listeners
            listener.socket.push(refusal(listener.sends.pop(), "rate_limited", retry_after_ms=4_000))
            await hand_loop().settle()
            second = asyncio.create_task(chat.send("c", "second"))
            await hand_loop().advance(3.9)
            assert listener.sends == []
            await hand_loop().advance(0.2)
            assert [send["body"] for send in listener.sends] == ["first", "second"]
            service.answer(listener)
            await asyncio.gather(first, second)

    run_by_hand(main())


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"body": ""}, "body: too_short."),
        ({"body": "x" * 8_001}, "body: too_long."),
        ({"client_message_id": "no id"}, "clientMessageId: pattern."),
        ({"body": "half \ud800"}, ""),
        ({"type": "Text"}, "type: pattern."),
    ],
)
def test_what_the_service_would_refuse_is_not_even_sent(fields: dict[str, str], field: str) -> None:
    async def main() -> None:
        service = ScriptedService()
        async with client(service) as chat:
            message = msgspec.structs.replace(SendMessage("c", "m", "b"), **fields)
            with pytest.raises(Refused) as refused:
                await chat.submit(message)
            assert (refused.value.code, refused.value.problem.detail) == ("invalid", field)

    run_by_hand(main())


def test_one_that_is_cancelled_is_not_repeated() -> None:
    async def main() -> None:
        service = ScriptedService()
        service.answers = False
        async with client(service) as chat:
            sending = asyncio.create_task(chat.send("c", "Hello"))
            await hand_loop().settle()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert chat.unsent == []
            service.listeners[0].socket.end()
            await hand_loop().advance(1)
            assert [len(listener.sends) for listener in service.listeners] == [1, 0]

    run_by_hand(main())


def test_those_that_are_cancelled_take_no_room_from_others() -> None:
    async def main() -> None:
        service = ScriptedService()
        service.answers = False
        async with client(service) as chat:
            sends = [asyncio.create_task(chat.send("c", str(number))) for number in range(32)]
            await hand_loop().settle()
            for sending in sends:
                sending.cancel()
            await asyncio.gather(*sends, return_exceptions=True)
            waiting = asyncio.create_task(chat.send("c", "another"))
            await hand_loop().settle()
            assert not waiting.done()
            service.answers = True
            service.answer(service.listeners[0])
            await hand_loop().settle()
            assert (await waiting).body == "another"

    run_by_hand(main())


def test_too_many_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "MAX_PENDING", 3)

    async def main() -> None:
        service = ScriptedService()
        service.answers = False
        async with client(service) as chat:
            for number in range(3):
                await chat.submit(SendMessage("c", f"m{number}", "b"))
            with pytest.raises(OutboxFull):
                await chat.send("c", "b")

    run_by_hand(main())


@pytest.mark.parametrize("code", [1000, 4503])
def test_those_that_wait_are_told_when_the_connection_ends_for_good(code: int) -> None:
    async def main() -> None:
        service = ScriptedService()
        service.answers = False
        async with client(service) as chat:
            sending = asyncio.create_task(chat.send("c", "Hello"))
            await hand_loop().settle()
            service.listeners[0].socket.end(code)
            with pytest.raises(ConnectionEnded) as ended:
                await sending
            assert ended.value.code == code
            with pytest.raises(ConnectionEnded):
                await chat.send("c", "Again")
            with pytest.raises(ConnectionEnded):
                await hear(chat)

    run_by_hand(main())


def test_those_that_wait_are_told_when_the_client_is_closed() -> None:
    async def main() -> None:
        service = ScriptedService()
        service.answers = False
        async with client(service) as chat:
            sending = await chat.submit(SendMessage("c", "m", "b"))
        with pytest.raises(ClientClosed):
            await sending

    run_by_hand(main())


def test_one_that_was_answered_is_not_kept_however_soon_the_client_is_closed() -> None:
    class Slow(KeptOutbox):
        async def remove(self, outgoing: Outgoing) -> None:
            await asyncio.sleep(1)
            await super().remove(outgoing)

    async def main() -> None:
        service = ScriptedService()
        outbox = Slow()
        async with client(service, outbox) as chat:
            await chat.submit(SendMessage("c", "m", "b"))
            await hand_loop().settle()
            assert chat.unsent == []
            hand_loop().run_freely()
        assert outbox.kept == []

    run_by_hand(main())


async def in_outbox(folder: Path) -> list[str]:
    return [outgoing.message.body for outgoing in await FileOutbox(folder).load()]


def run_here(main: Coroutine[Any, Any, None]) -> None:
    """With the threads that write files, time passes as it does."""
    asyncio.run(main)


def test_what_was_not_sent_goes_out_with_the_next_process(tmp_path: Path) -> None:
    async def first() -> None:
        service = ScriptedService()
        service.network.greet = None
        async with client(service, FileOutbox(tmp_path / "outbox")) as chat:
            for number in range(3):
                await chat.submit(SendMessage("c", f"m{number}", str(number)))
        assert await in_outbox(tmp_path / "outbox") == ["0", "1", "2"]

    async def second() -> None:
        service = ScriptedService()
        async with client(service, FileOutbox(tmp_path / "outbox")) as chat:
            for sending in chat.unsent:
                await sending
        assert bodies(service) == ["0", "1", "2"]
        assert await in_outbox(tmp_path / "outbox") == []

    run_here(first())
    run_here(second())


def test_a_message_that_is_told_to_be_done_is_not_in_the_outbox_any_more(tmp_path: Path) -> None:
    async def main() -> None:
        service = ScriptedService()
        async with client(service, FileOutbox(tmp_path)) as chat:
            await chat.send("c", "Hello")
            assert await in_outbox(tmp_path) == []

    run_here(main())
