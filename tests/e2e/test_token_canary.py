"""Row S-T7 of the hardening table: a token is found nowhere, however it came and whatever went wrong."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import httpx2
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from sanctum_messaging.adapters.jwt.development import DevelopmentIssuer
from tests.e2e.server import COMMAND, clean_environ
from tests.identity_provider import AUDIENCE, ED, ISSUER, claims, published, sign
from tests.program import Program

if TYPE_CHECKING:
    from pathlib import Path

CANARY = "canary4711"


class Spoken:
    """All that the service says to those who call."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.client = httpx2.AsyncClient(base_url=address, timeout=30)
        self.answers: list[str] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def get(self, path: str, authorization: str | None = None) -> int:
        """Call."""
        headers = {} if authorization is None else {"Authorization": authorization}
        answer = await self.client.get(path, headers=headers)
        self.answers.append(f"{answer.headers} {answer.text}")
        return answer.status_code

    async def raw(self, text: str) -> None:
        """Send bytes that no client would, and read to the end."""
        reader, writer = await asyncio.open_connection(urlsplit(self.address).hostname, urlsplit(self.address).port)
        writer.write(text.encode())
        async with asyncio.timeout(30):
            self.answers.append((await reader.read()).decode("latin-1"))
        writer.close()

    async def open(self, *protocols: str, query: str = "", authorization: str = "", hello: str = "") -> int:
        """Open a socket and say hello; the status or the code it ends with, 101 if it was served."""
        headers = {"Authorization": authorization} if authorization else {}
        subprotocols = [Subprotocol(each) for each in protocols] or None
        address = self.address.replace("http", "ws") + "/v1/ws" + query
        try:
            async with connect(address, additional_headers=headers, subprotocols=subprotocols) as socket:
                await socket.send(json.dumps({"op": "hello", "token": hello} if hello else {"op": "hello"}))
                self.answers.append(str(await socket.recv()))
                return 101
        except InvalidStatus as refused:
            self.answers.append(f"{refused.response.headers} {refused.response.body!r}")
            return refused.response.status_code
        except ConnectionClosed as closed:
            self.answers.append(str(closed))
            return closed.rcvd.code if closed.rcvd else 1006


async def wrong_everywhere(spoken: Spoken) -> None:
    """Bring a token that proves nothing in every way and place that there is."""
    canary = CANARY
    for authorization in (f"Bearer {canary}", canary, f"Basic {canary}", f"Bearer x {canary}", f"bearer\t{canary}"):
        assert await spoken.get("/v1/conversations", authorization) == 401
    assert await spoken.get(f"/v1/conversations?access_token={canary}&token={canary}") == 401
    assert await spoken.get(f"/v1/{canary}") == 404
    assert await spoken.open(authorization=f"Bearer {canary}") == 401
    assert await spoken.open(authorization=canary) == 401
    assert await spoken.open("sanctum.v1", f"bearer.{canary}") == 4501
    assert await spoken.open(f"bearer.{canary}", canary) in {4501, 4506}
    assert await spoken.open(query=f"?access_token={canary}", hello=canary) == 4501
    for head in (f"Authorization {canary}", f"Authorization: Bearer {canary}\r\n  {canary}", f"Bad {canary}: x"):
        line = f"GET /v1/conversations?token={canary} HTTP/1.1"
        await spoken.raw(f"{line}\r\nHost: x\r\n{head}\r\nConnection: close\r\n\r\n")


async def right_and_still_hidden(spoken: Spoken, token: str, data_dir: Path) -> None:
    """Use a token that is good, last of all for a request that fails within."""
    assert await spoken.get("/v1/conversations", f"Bearer {token}") == 200
    assert await spoken.get(f"/v1/conversations?access_token={token}", f"Bearer {token}") == 422
    assert await spoken.open(authorization=f"Bearer {token}") == 101
    assert await spoken.open("sanctum.v1", f"bearer.{token}", query=f"?access_token={token}") == 101
    assert await spoken.open(hello=token) == 101
    await spoken.get("/metrics")
    database = sqlite3.connect(data_dir / "messaging.db")
    database.execute("PRAGMA foreign_keys = OFF")
    database.execute("DROP TABLE participant")
    database.close()
    assert await spoken.get("/v1/conversations", f"Bearer {token}") >= 500


def traces_of(token: str) -> list[str]:
    """What would give a token away: the beginnings of what it says and of its signature."""
    _, body, signature = token.split(".")
    return [body[:24], signature[:24]]


def environ_of(data_dir: Path, **more: str) -> dict[str, str]:
    return clean_environ(
        {"DATA_DIR": str(data_dir), "PORT": "0", "LOG_LEVEL": "debug", "RATE_LIMIT_AUTH_FAILURES": "0", **more}
    )


def files_in(data_dir: Path) -> dict[str, str]:
    """All that was written, the audit log and the write-ahead log included."""
    return {str(path): path.read_bytes().decode("latin-1") for path in data_dir.rglob("*") if path.is_file()}


async def assert_unseen(program: Program, data_dir: Path, token: str) -> None:
    """Bring the canary and the token everywhere, and look for them in all that came out of the service."""
    async with Spoken(program.wait_for(r"http://[0-9.:]+")[0]) as spoken:
        await wrong_everywhere(spoken)
        await right_and_still_hidden(spoken, token, data_dir)
    program.stop()

    said = {"log": "".join(program.lines), "answers": "\n".join(spoken.answers)}
    kept = files_in(data_dir)
    assert "not a signed token in compact form" in said["log"]
    assert kept
    for place, text in {**said, **kept}.items():
        assert not [trace for trace in (CANARY, *traces_of(token)) if trace in text], place


async def test_s_t7_a_token_is_in_no_log_of_lines_of_json_no_metric_no_answer_and_no_file(tmp_path: Path) -> None:
    data_dir, keys = tmp_path / "data", tmp_path / "jwks.json"
    keys.write_bytes(published(ed=ED))
    token = sign(claims(exp=int(time.time()) + 3600, scope="messaging:admin"))
    environ = environ_of(data_dir, JWKS_FILE=str(keys), JWT_ISSUER=ISSUER, JWT_AUDIENCE=AUDIENCE)

    with Program([COMMAND, "serve"], folder=tmp_path, environ=environ) as program:
        await assert_unseen(program, data_dir, token)


async def test_s_t7_a_token_is_in_no_log_for_humans_no_metric_no_answer_and_no_file(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    issuer = DevelopmentIssuer.at(data_dir, lambda: time.time_ns() // 1_000_000)

    with Program([COMMAND, "serve", "--dev"], folder=tmp_path, environ=environ_of(data_dir)) as program:
        await assert_unseen(program, data_dir, issuer.issue("ann", scope="messaging:admin"))
