"""The example that mounts the service into another application runs as its docstring says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx2
import msgspec
from websockets.asyncio.client import connect

from sanctum_messaging.adapters.jwt.development import DEVELOPMENT, DevelopmentIssuer
from sanctum_messaging.adapters.system import SystemClock

EXAMPLE = Path(__file__).parents[2] / "examples" / "mounted.py"
PROGRAM = "import runpy, uvicorn; example = runpy.run_path({path!r}); "
SERVE = "uvicorn.run(example['create_app'](), port=0, ws='websockets-sansio')"


async def test_its_own_page_and_the_whole_service_answer(tmp_path: Path) -> None:
    issuer = DevelopmentIssuer.at(tmp_path, SystemClock().now)
    keys = tmp_path / "keys.json"
    keys.write_bytes(msgspec.json.encode(issuer.jwks()))
    environ = {
        "DATA_DIR": str(tmp_path),
        "JWKS_FILE": str(keys),
        "JWT_ISSUER": DEVELOPMENT.name,
        "JWT_AUDIENCE": DEVELOPMENT.audience,
    }
    program = PROGRAM.format(path=str(EXAMPLE)) + SERVE
    with subprocess.Popen(  # noqa: ASYNC220 - it starts at once
        [sys.executable, "-c", program], env={**os.environ, **environ}, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            port = next(match for line in process.stderr if (match := re.search(r"http://127.0.0.1:(\d+)", line)))[1]
            await talk(int(port), issuer.issue("ann"))
        finally:
            process.terminate()


async def talk(port: int, token: str) -> None:
    bearer = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=bearer) as http,
        connect(f"ws://127.0.0.1:{port}/v1/ws", additional_headers=bearer) as socket,
    ):
        assert (await http.get("/")).text == "An application of your own.\n"
        await socket.send('{"op":"hello"}')
        assert [json.loads(await socket.recv())["op"] for _ in range(2)] == ["welcome", "live"]
        created = await http.post("/v1/conversations", json={"kind": "group", "participants": []})
        assert created.status_code == httpx2.codes.CREATED, created.text
        event = json.loads(await socket.recv())
        assert event["data"]["conversation"]["id"] == created.json()["conversation"]["id"]
