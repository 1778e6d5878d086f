"""The JavaScript client on Node, over real sockets to a real service, and the Python client beside it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanctum_messaging import client as python
from tests.e2e.client import Client
from tests.e2e.in_process import Here, serve_here
from tests.node import NODE
from tests.servers.proxy import Proxy

if TYPE_CHECKING:
    from asyncio.subprocess import Process

SCRIPT = Path(__file__).with_name("javascript_client.mjs")
ROUNDS = 3
SENDS = 10
PATIENCE_SECONDS = 90


async def test_nothing_is_lost_doubled_or_reordered_while_connections_break(tmp_path: Path) -> None:
    async with (
        serve_here(tmp_path) as here,
        Proxy(int(here.base_url.rpartition(":")[2])) as proxy,
        Client(here.base_url, here.token("ann")) as ann,
        asyncio.TaskGroup() as tasks,
    ):
        conversation_id = await ann.create("bob", "cleo")
        begin = await ann.read_end()
        in_python = tasks.create_task(read_in_python(proxy.url(here.base_url), here.token("cleo"), begin))
        told = await run(here, proxy, conversation_id)
        stored = (await ann.get(f"/v1/conversations/{conversation_id}/messages", limit=200)).json()["messages"]
        read = await in_python

    wanted = [[message["seq"], message["clientMessageId"]] for message in stored]
    assert len(wanted) == ROUNDS * SENDS
    assert read == wanted
    assert told["received"] == wanted
    assert told["sent"] == wanted
    assert (told["readSeq"], told["total"]) == (wanted[-1][0], 0)
    assert told["states"].count("live") > ROUNDS
    assert told["states"][-1] == "stopped"


async def read_in_python(url: str, token: str, begin: str) -> list[list[int | str]]:
    """Read all messages with the Python client, over the same connections that break."""
    read: list[list[int | str]] = []
    async with python.Client(url, token=token, cursor=begin) as chat, asyncio.timeout(PATIENCE_SECONDS):
        async for happening in chat.events():
            assert isinstance(happening, python.MessageEvent)
            read.append([happening.seq, happening.message.client_message_id])
            if len(read) == ROUNDS * SENDS:
                break
    return read


async def run(here: Here, proxy: Proxy, conversation_id: str) -> dict[str, Any]:
    """Run the clients, cut them off whenever they ask for it, and return what they tell at their end."""
    tokens = [here.token(user, device=f"{user}-phone") for user in ("ann", "bob")]
    process = await asyncio.create_subprocess_exec(
        NODE, SCRIPT, proxy.url(here.base_url), conversation_id, *tokens, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            told = await _listen(process, proxy)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return told


async def _listen(process: Process, proxy: Proxy) -> dict[str, Any]:
    assert process.stdout is not None
    while (line := await process.stdout.readline()) == b"cut\n":
        proxy.cut()
    told: dict[str, Any] = json.loads(line)
    return told
