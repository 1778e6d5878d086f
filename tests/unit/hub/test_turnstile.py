"""What comes all at once begins little by little, and what else there is to do gets its turn between."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sanctum_messaging.hub.endpoints.asgi import WebSocketEndpoint
from sanctum_messaging.hub.turnstile import Turnstile

if TYPE_CHECKING:
    from sanctum_messaging.hub.endpoints.asgi import Message
    from tests.hub_world import World


async def begun(turnstile: Turnstile, numbers: range, *, leaving: range = range(0)) -> list[list[int]]:
    """Have so many come at once, some of whom leave again; list who got through in each turn of the loop."""
    turns: list[list[int]] = [[]]

    async def come(number: int) -> None:
        await turnstile.enter()
        turns[-1].append(number)

    tasks = [asyncio.create_task(come(number)) for number in numbers]
    while not all(task.done() for task in tasks):
        turns.append([])
        await asyncio.sleep(0)
        for number in leaving:
            tasks[number].cancel()
    return [turn for turn in turns if turn]


async def test_so_many_are_let_through_in_a_turn_in_the_order_in_which_they_came() -> None:
    turns = await begun(Turnstile(3), range(8))
    assert turns == [[0, 1, 2], [3, 4, 5], [6, 7]]


async def test_who_leaves_while_he_waits_takes_nobodys_turn() -> None:
    turns = await begun(Turnstile(3), range(12), leaving=range(4, 9))
    assert [number for turn in turns for number in turn] == [0, 1, 2, 3, 9, 10, 11]
    assert max(map(len, turns)) == 3


async def test_whoever_comes_alone_waits_for_nothing() -> None:
    turnstile = Turnstile(1)
    for _ in range(3):
        await begun(turnstile, range(2))
        entering = turnstile.enter()
        try:
            entering.send(None)
        except StopIteration:
            continue
        raise AssertionError("He had to wait.")


async def test_handshakes_that_come_at_once_are_not_all_looked_at_in_one_turn(world: World) -> None:
    endpoint = WebSocketEndpoint(world.hub)
    turns: list[int] = [0]

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        turns[-1] += message["type"] == "websocket.http.response.start"

    tasks = [asyncio.create_task(endpoint(refused_scope(), receive, send)) for _ in range(50)]
    while not all(task.done() for task in tasks):
        turns.append(0)
        await asyncio.sleep(0)
    assert sum(turns) == 50
    assert max(turns) == 8


def refused_scope() -> Message:
    """Make a handshake with a token that proves nothing."""
    return {
        "type": "websocket",
        "scheme": "ws",
        "headers": [(b"authorization", b"Bearer bad")],
        "client": ("127.0.0.1", 1),
        "extensions": {"websocket.http.response": {}},
    }
