"""The servers that are measured, each a process of its own on a free port of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from bench.http_client import Connection, build_request
from bench.measuring import read_cpu_seconds, read_rss_bytes
from sanctum_messaging.adapters.jwt.development import DevelopmentIssuer
from sanctum_messaging.adapters.system import SystemClock
from sanctum_messaging.config import VARIABLES
from sanctum_messaging.config.rate_limits import RATE_LIMITS
from sanctum_messaging.protocol.scalars import MAX_PARTICIPANTS_PER_CALL

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

UNLIMITED = {variable.name: "0" for variable in RATE_LIMITS if variable.range.startswith("0-")}
"""What is measured is what the service can do, and not what it lets one user do."""
_START_SECONDS = 30
_STOP_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Server:
    """A running server, seen from outside."""

    pid: int
    port: int

    @property
    def cpu_seconds(self) -> float:
        """The processor time that it has used."""
        return read_cpu_seconds(self.pid)

    @property
    def rss_bytes(self) -> int:
        """The memory that it has in RAM."""
        return read_rss_bytes(self.pid)

    async def connect(self, count: int) -> list[Connection]:
        """Open HTTP connections."""
        return [await Connection.open(self.port) for _ in range(count)]


@dataclass(frozen=True, slots=True)
class Service(Server):
    """The service itself, and tokens for its users."""

    issuer: DevelopmentIssuer

    def token(self, user: str) -> str:
        """Sign a token that outlives the benchmark."""
        return self.issuer.issue(user, device="bench")

    async def create_conversation(self, owner: str, others: Sequence[str] = ()) -> str:
        """Create a group of these users."""
        named = [{"userId": name} for name in others]
        first, rest = named[:MAX_PARTICIPANTS_PER_CALL], named[MAX_PARTICIPANTS_PER_CALL:]
        body = {"kind": "group", "title": "A group", "participants": first}
        answer = await self.call("POST", "/v1/conversations", owner, body, expected=201)
        identifier: str = answer["conversation"]["id"]
        path = f"/v1/conversations/{identifier}/participants"
        for begin in range(0, len(rest), MAX_PARTICIPANTS_PER_CALL):
            added = {"participants": rest[begin : begin + MAX_PARTICIPANTS_PER_CALL]}
            await self.call("POST", path, owner, added, expected=201)
        return identifier

    async def call(self, method: str, path: str, user: str, body: object = None, *, expected: int = 200) -> Any:  # noqa: ANN401 - answers have as many shapes as there are calls
        """Make one call on a connection of its own; the hot paths use ``put_load``."""
        connection = await Connection.open(self.port)
        sent = b"" if body is None else msgspec.json.encode(body)
        response = await connection.call(build_request(method, path, self.token(user), sent))
        connection.close()
        assert response.status == expected, response
        return msgspec.json.decode(response.body)

    async def read_metric(self, name: str) -> float:
        """Read a counter that the service shows to everybody."""
        connection = await Connection.open(self.port)
        text = (await connection.call(build_request("GET", "/metrics"))).body.decode()
        connection.close()
        return float(next(line.split()[1] for line in text.splitlines() if line.startswith(f"{name} ")))


@contextlib.asynccontextmanager
async def serve(
    data_dir: Path, command: Sequence[str] = (), *, environ: Mapping[str, str] = MappingProxyType({})
) -> AsyncGenerator[Service]:
    """Start ``sanctum serve --dev`` with the log of production, or a command that is given the same arguments.

    Instances share a directory.
    """
    port = _find_free_port()
    log = _prepare_log(data_dir, f"server-{port}.log")
    sanctum = command or (sys.executable, "-m", "bench.service_process")
    arguments = ("serve", "--dev", "--port", str(port), "--data-dir", str(data_dir))
    async with _running((*sanctum, *arguments), port, log, environ) as pid:
        yield Service(pid, port, DevelopmentIssuer.at(data_dir, SystemClock().now))


@contextlib.asynccontextmanager
async def serve_baseline(folder: Path) -> AsyncGenerator[Server]:
    """Start the bare server."""
    async with serve_module(folder, "bench.baseline_server") as server:
        yield server


@contextlib.asynccontextmanager
async def serve_module(folder: Path, module: str) -> AsyncGenerator[Server]:
    """Start a server of the benchmarks' own, a module that is given the port."""
    port = _find_free_port()
    command = (sys.executable, "-m", module, str(port))
    async with _running(command, port, _prepare_log(folder, f"{module}.log"), {}) as pid:
        yield Server(pid, port)


@contextlib.asynccontextmanager
async def _running(command: Sequence[str], port: int, log: Path, environ: Mapping[str, str]) -> AsyncGenerator[int]:
    taken = {variable.name for variable in VARIABLES}
    inherited = {name: value for name, value in os.environ.items() if name not in taken}
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *command, env={**inherited, **UNLIMITED, **environ}, stdout=out, stderr=out
        )
    try:
        async with asyncio.timeout(_START_SECONDS):
            while not await _is_ready(port):
                if process.returncode is not None:
                    raise RuntimeError(_read_text(log))
                await asyncio.sleep(0.02)
        yield process.pid
    finally:
        await _stop(process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def _prepare_log(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


def _read_text(log: Path) -> str:
    return log.read_text("utf-8")


async def _is_ready(port: int) -> bool:
    try:
        connection = await Connection.open(port)
    except OSError:
        return False
    response = await connection.call(build_request("GET", "/readyz"))
    connection.close()
    return response.status == 200


def _find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
