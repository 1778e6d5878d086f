"""The example runs as its docstring says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from websockets.asyncio.client import connect

EXAMPLE = Path(__file__).parents[2] / "examples" / "hub_alone.py"
PROGRAM = "import runpy, uvicorn; example = runpy.run_path({path!r}); "
SERVE = "uvicorn.run(example['create_app'](), port=0, ws='websockets-sansio')"


async def test_two_clients_talk_and_one_comes_back() -> None:
    program = PROGRAM.format(path=str(EXAMPLE)) + SERVE
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True) as process:  # noqa: ASYNC220 - it starts at once
        try:
            assert process.stderr is not None
            found = next(match for line in process.stderr if (match := re.search(r"http://127.0.0.1:(\d+)", line)))
            address = f"ws://127.0.0.1:{found[1]}"
            async with connect(address) as ann, connect(address) as bob:
                for name, socket in (("ann", ann), ("bob", bob)):
                    await socket.send(json.dumps({"op": "hello", "token": name}))
                    assert [json.loads(await socket.recv())["op"] for _ in range(2)] == ["welcome", "live"]
                send = {"op": "send", "id": "1", "conversationId": "room", "clientMessageId": "m1", "body": "Hello"}
                await ann.send(json.dumps(send))
                heard = json.loads(await bob.recv())
                assert (heard["actorId"], heard["data"]["message"]["body"]) == ("ann", "Hello")
            async with connect(address) as back:
                await back.send(json.dumps({"op": "hello", "token": "bob", "cursor": "0-00000000"}))
                frames = [json.loads(await back.recv()) for _ in range(3)]
                assert [frame["op"] for frame in frames] == ["welcome", "event", "live"]
                assert frames[1] == heard
        finally:
            process.terminate()
