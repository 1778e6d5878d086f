"""What an application may do wrong: it is told so where it does, and nothing else ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.client import Client, Refused, SendMessage
from tests.hand_time import run_by_hand
from tests.scripted_service import ScriptedService

if TYPE_CHECKING:
    from collections.abc import Callable

MESSAGE = SendMessage("c", "m", "b")


def client(service: ScriptedService) -> Client:
    return Client("http://scripted", token="t", open_socket=service.network)


@pytest.mark.parametrize(
    "act",
    [
        lambda chat: chat.events(),
        lambda chat: chat.cursor,
        lambda chat: chat.read("c", 1),
        lambda chat: chat.typing("c"),
        lambda chat: chat.taken(None),
    ],
)
def test_what_needs_the_block_says_so_before_it(act: Callable[[Client], object]) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="async with"):
            act(client(ScriptedService()))

    run_by_hand(main())


def test_a_message_before_the_block_is_not_kept() -> None:
    async def main() -> None:
        chat = client(ScriptedService())
        with pytest.raises(RuntimeError, match="async with"):
            await chat.submit(MESSAGE)
        with pytest.raises(RuntimeError, match="async with"):
            await chat.connected()
        assert chat.unsent == []

    run_by_hand(main())


@pytest.mark.parametrize(
    "act",
    [
        lambda chat: chat.read("half \ud800", 1),
        lambda chat: chat.read("c", -1),
        lambda chat: chat.typing("half \ud800"),
    ],
)
def test_a_mark_that_the_service_would_refuse_does_not_end_the_connection(act: Callable[[Client], object]) -> None:
    async def main() -> None:
        async with client(ScriptedService()) as chat:
            with pytest.raises(Refused) as refused:
                act(chat)
            assert refused.value.code == "invalid"
            assert (await chat.send("c", "still here")).body == "still here"

    run_by_hand(main())
