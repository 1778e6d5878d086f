"""How each row of the table of frames is tried."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import msgspec

from sanctum_messaging.domain.model import Cursor
from tests.hub_client import PATIENCE_SECONDS, ClosedError
from tests.integration.asgi_socket import open_socket
from tests.integration.authorization.cases import CONVERSATIONS, message_to, mute_another
from tests.integration.authorization.scene import Case, Given, Place, Scene
from tests.integration.calling import got

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.hub_client import Client, Frame
    from tests.integration.authorization.table import Row
    from tests.integration.calling import Json

CODES = {401: "unauthenticated", 403: "forbidden", 404: "not_found"}
"""What a status alone stands for in a cell."""


def to_conversation(**fields: object) -> Callable[[Given], Json]:
    """Write a frame about the conversation."""
    return lambda given: {"conversationId": given.conversation_id, **fields}


async def send_message(scene: Scene, given: Given) -> None:
    """Have another send."""
    given.message = await scene.callers["other member"].send(given.conversation_id)


async def type_something(scene: Scene, given: Given) -> None:
    """Have another type, who has not done so before in this run."""
    async with open_socket(scene.api.service.asgi, scene.headers_of("other member")) as typist:
        await typist.hello()
        await typist.assert_replied(await typist.push("typing", conversationId=given.conversation_id, on=True))


async def read_something(scene: Scene, given: Given) -> None:
    """Have another read."""
    path = f"{CONVERSATIONS}/{given.conversation_id}/read"
    got(await scene.callers["other member"].post(path, {"seq": 2}), 200)


FRAMES = {
    ("send", "a group"): Case(body=message_to()),
    ("send", "a group, of type `system`"): Case(body=message_to(type="system")),
    ("send", "a deleted group"): Case(Place.DELETED, body=message_to()),
    ("send", "a direct conversation"): Case(Place.DIRECT, body=message_to()),
    ("read", "a group, up to its last seq"): Case(message="another's", body=to_conversation(seq=2)),
    ("read", "a group, beyond its last seq"): Case(message="another's", body=to_conversation(seq=100)),
    ("typing", "a group"): Case(body=to_conversation(on=True)),
    ("typing", "a group, an end without a beginning"): Case(body=to_conversation(on=False)),
    ("ping", "the connection"): Case(Place.NONE),
    ("pong", "the connection"): Case(Place.NONE),
    ("bye", "the connection"): Case(Place.NONE),
}
LISTENING = {
    ("event", "another's message"): Case(then=send_message),
    ("event", "another's marks"): Case(then=mute_another),
    ("signal", "another types"): Case(then=type_something),
    ("signal", "another reads"): Case(message="another's", then=read_something),
}


async def push(scene: Scene, row: Row, case: Case, given: Given) -> str:
    """Send a frame and write down what came of it, as the table does; who is refused has changed nothing."""
    async with open_socket(scene.api.service.asgi, scene.headers_of(given.caller)) as client:
        if given.caller != "anonymous":
            await client.hello()
        before = scene.digest(given.conversation_id)
        found = await answer_to(client, row.call, {} if case.body is None else case.body(given))
        if not found.startswith("ok"):
            assert scene.digest(given.conversation_id) == before, given.caller
        return found


async def answer_to(client: Client, op: str, fields: Json) -> str:
    """Push a frame and write down the answer; behind one that is never answered, a ``ping`` shows that none came."""
    frame_id = await client.push(op, **fields)
    after = await client.push("ping") if op == "pong" else None
    try:
        while True:
            frame = await read(client)
            if frame.get("id") == frame_id:
                return described(frame)
            if after is not None and frame.get("id") == after:
                return "silent"
    except ClosedError as closed:
        return f"closed {closed.code}"


async def read(client: Client) -> Frame:
    async with asyncio.timeout(PATIENCE_SECONDS):
        frame: Frame = msgspec.json.decode(await client.link.read())
        return frame


def described(frame: Frame) -> str:
    """Write an answer as a cell."""
    if frame["op"] == "ok":
        return "ok"
    status, code = frame["problem"]["status"], frame["problem"]["code"]
    return str(status) if CODES.get(status) == code else f"{status} {code}"


async def say_hello(scene: Scene, row: Row, caller: str) -> str:
    """Try one of the rows of ``hello``."""
    case = Case(message="another's") if row.on == "another's message, missed" else Case(Place.NONE)
    given = await scene.arrange(case, caller)
    fields: dict[str, str] = {}
    if row.on.endswith("session"):
        whose = caller if row.on == "one's own session" else {"owner": "other owner"}.get(caller, "owner")
        fields["resumeToken"] = await leave_session(scene, whose)
    elif row.on == "another's message, missed":
        fields["cursor"] = given.before
    async with open_socket(scene.api.service.asgi, scene.headers_of(caller)) as client:
        found = await answer_to_hello(client, fields)
        if found != "ok" or row.on == "nothing else":
            return found
        if "resumeToken" in fields:
            return f"ok {'with' if client.welcome['resumed'] else 'without'}"
        await client.assert_pushed("live")
        return f"ok {'with' if shows(client, given) else 'without'}"


async def answer_to_hello(client: Client, fields: dict[str, str]) -> str:
    frame_id = await client.push("hello", **fields)
    try:
        client.welcome = await read(client)
    except ClosedError as closed:
        return f"closed {closed.code}"
    await client.assert_replied(frame_id)
    return "ok"


async def leave_session(scene: Scene, caller: str) -> str:
    """Open a session and lose the connection; return the resume token."""
    if caller == "anonymous":
        return "a.1.b"
    async with open_socket(scene.api.service.asgi, scene.headers_of(caller)) as client:
        return str((await client.hello())["resumeToken"])


def shows(client: Client, given: Given) -> bool:
    return given.message in [event["data"].get("message") for event in client.events]


async def acknowledge(scene: Scene, row: Row, caller: str) -> str:
    """Try one of the rows of ``ack``."""
    async with open_socket(scene.api.service.asgi, scene.headers_of(caller)) as client:
        if caller == "anonymous":
            return await answer_to(client, "ack", {"cursor": "0-00000000"})
        cursor = (await client.hello())["cursor"]
        if row.on == "more than was sent to him":
            beyond = Cursor.parse(cursor)
            cursor = f"{beyond.position + 1_000}-{beyond.tag}"
        return await answer_to(client, "ack", {"cursor": cursor})


async def refresh(scene: Scene, row: Row, caller: str) -> str:
    """Try one of the rows of ``auth``."""
    whose = caller if row.on == "one's own fresh token" else {"member": "other member"}.get(caller, "member")
    token = "none" if whose == "anonymous" else scene.headers_of(whose)["Authorization"].removeprefix("Bearer ")
    async with open_socket(scene.api.service.asgi, scene.headers_of(caller)) as client:
        if caller != "anonymous":
            await client.hello()
        return await answer_to(client, "auth", {"token": token})


async def listen(scene: Scene, row: Row, case: Case) -> dict[str, str]:
    """Have all callers listen while something happens; write down who hears of it."""
    quiet = Case(message=case.message)
    given = await scene.arrange(quiet, "anonymous")
    found = {}
    async with AsyncExitStack() as sockets:
        clients = {}
        for caller in row.cells:
            client = await sockets.enter_async_context(open_socket(scene.api.service.asgi, scene.headers_of(caller)))
            found[caller] = await answer_to_hello(client, {})
            if found[caller] == "ok":
                await client.assert_pushed("live")
                clients[caller] = client
        assert case.then is not None
        await case.then(scene, given)
        for caller, client in clients.items():
            await client.settle(scene.api.service.hub.tail)
            found[caller] = "with" if hears(client, row.call, given) else "without"
    return found


def hears(client: Client, op: str, given: Given) -> bool:
    frames = client.events if op == "event" else client.unasked("signal")
    return any(frame["conversationId"] == given.conversation_id for frame in frames)


SPECIAL: dict[str, Callable[[Scene, Row, str], Awaitable[str]]] = {
    "hello": say_hello,
    "ack": acknowledge,
    "auth": refresh,
}
"""Frames about the connection itself, where what is said depends on what was heard before."""
