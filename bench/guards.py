"""What the guards add to a send, all together and one by one, and what a refusal costs beside a send.

Guards are what stands between the service and the internet: limits, addresses, revocations, the server's bounds and
deadlines, the headers. The line in the log and the metrics guard nothing, and are told apart.

Services with and without them stand in one process, so that they meet the same moods of the machine: each serves the
bytes of requests that come over connections in memory, and writes to a database and a log of its own process.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import itertools
import random
import sys
import time
from base64 import urlsafe_b64encode
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
from joserfc.jwk import RSAKey

from bench.figures import Figure
from bench.http_client import build_request
from bench.instructions import Instructions
from bench.measuring import Run, median, micros
from bench.protocol import make_state
from bench.sends import build_send
from bench.servers import UNLIMITED
from bench.unguarded import (
    ADDRESS,
    DEADLINE,
    GUARDS,
    HEADERS,
    LIMITS,
    LOG,
    PARTS,
    PROTOCOL,
    REVOCATIONS,
    Unbounded,
    without,
)
from sanctum_messaging.adapters.jwt.development import DEVELOPMENT, DevelopmentIssuer
from sanctum_messaging.adapters.system import SystemClock
from sanctum_messaging.app import GC_THRESHOLDS, SWITCH_INTERVAL_SECONDS
from sanctum_messaging.bootstrap.administration import revoke
from sanctum_messaging.bootstrap.service import open_service
from sanctum_messaging.config import load_config
from sanctum_messaging.observability.line_writer import LineWriter
from sanctum_messaging.observability.logging import configure_logging
from sanctum_messaging.server.server import create_server

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path

    from uvicorn.server import ServerState

    from sanctum_messaging.config import Config

MOST_MICROS = 60
IN_FLIGHT = 32
USERS = 8
_TURNS = 2
"""In each round, of some 100 ms each."""
_BATCHES = 10
_HOP = b"\r\nX-Forwarded-For: 203.0.113.7\r\n"
"""Every request comes through a trusted proxy, so that somebody has to find out from whom."""
_GENEROUS = MappingProxyType(dict.fromkeys(UNLIMITED, "100000"))
"""Limits that count and refuse nothing."""
_OF_ONE_A_DAY = MappingProxyType({"RATE_LIMIT_INTERVAL_MS": "86400000"})
_NOBODY_EXEMPT = MappingProxyType({"RATE_LIMIT_ALLOWLIST": "192.0.2.1"})
"""Where nobody finds the client behind the proxy it is the proxy whose address counts, which else is spared."""
_ALL_OFF = f"the same service and requests without {', '.join(PARTS)} (see bench/unguarded.py)"
_FORGED_RS256 = "401, forged signature (RS256)"
_FORGED = "401, forged signature (Ed25519)"
_FORGED_ON = "429, forged signature, once such tokens have used up the address' limit"
"""A valid token that was not seen before looks like them, so it is this limit alone that spares looking at them."""
_forgeries = itertools.count()
_RSA_KEY = "rsa"
_RS256_HEADER = urlsafe_b64encode(f'{{"alg":"RS256","kid":"{_RSA_KEY}"}}'.encode()).decode().rstrip("=")
_ACCEPTED = "an accepted send, all guards on"
_ACCEPTED_UNSEEN = "an accepted send whose token was not seen before either, and had to be proven"
_NAMES = {
    LIMITS: "rate limits of 4 scopes, and two looks at the address",
    PROTOCOL: "the protocol: deadlines, bounds, form of the head",
    DEADLINE: "the handler's deadline",
    ADDRESS: "the client behind proxies",
    HEADERS: "id, security headers, CORS, size",
    REVOCATIONS: "revocations",
}


class _Line(asyncio.Transport):
    """A connection in memory, which keeps what is answered."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 50_000), "sockname": ("127.0.0.1", 80)})
        self.answer = bytearray()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.answer += data

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass


@dataclass(slots=True)
class _Subject:
    """A service, connections to it, and what a request took of the processor, turn by turn."""

    connections: list[asyncio.Protocol]
    lines: list[_Line]
    state: ServerState
    issuer: DevelopmentIssuer
    senders: list[tuple[str, str]] = field(default_factory=list)
    """Tokens and conversations."""
    expected: bytes = b"201"
    forge: Callable[[str], str] | None = None
    """Makes of a token another one, which nobody has seen before."""
    costs: list[float] = field(default_factory=list)

    async def take_turn(self) -> None:
        """Have every connection answer a few requests, all of them at the same time."""
        batches = [[self._make(number) for number in range(IN_FLIGHT)] for _ in range(_BATCHES)]
        begun = time.process_time()
        for requests in batches:
            await self.serve(requests)
        self.costs.append((time.process_time() - begun) / (_BATCHES * IN_FLIGHT))
        assert {bytes(line.answer[9:12]) for line in self.lines} == {self.expected}, self.lines[0].answer

    async def count_instructions(self) -> float:
        """Return how many instructions of the interpreter a request takes."""
        seen = Instructions()
        with seen.counted():
            await self.take_turn()
        self.costs.pop()
        return seen.count / (_BATCHES * IN_FLIGHT)

    async def serve(self, requests: list[bytes]) -> None:
        """Serve a request on each connection."""
        for line in self.lines:
            line.answer.clear()
        for connection, request in zip(self.connections, requests, strict=False):
            connection.data_received(request)
        while self.state.tasks:
            await asyncio.wait(set(self.state.tasks))

    async def send_some(self) -> None:
        """Have each sender send once, however that is answered."""
        await self.serve([self._make(number) for number in range(USERS)])

    async def found(self, user: str) -> tuple[str, str]:
        """Create a conversation; return its owner's token, and its id."""
        token = self.issuer.issue(user, device="bench")
        body = msgspec.json.encode({"kind": "group", "title": "A group", "participants": []})
        await self.serve([build_request("POST", "/v1/conversations", token, body)])
        head, _, answer = bytes(self.lines[0].answer).partition(b"\r\n\r\n")
        assert head[9:12] == b"201", head
        return token, msgspec.json.decode(answer)["conversation"]["id"]

    def issue_another(self, token: str) -> str:
        """Make another valid token for the same sender."""
        number = [each for each, _ in self.senders].index(token)
        return self.issuer.issue(f"sender-{number}", device="bench")

    def _make(self, number: int) -> bytes:
        token, conversation = self.senders[number % USERS]
        if self.forge is not None:
            token = self.forge(token)
        return build_send(token, conversation).replace(b"\r\n", _HOP, 1)


async def measure(run: Run) -> list[Figure]:
    """Take turns between a service with all guards, one with none, one without each, and some that refuse."""
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    gc.set_threshold(*GC_THRESHOLDS)
    async with AsyncExitStack() as stack:
        stack.enter_context(_log_in(run))
        on = await _open(stack, run, "on")
        off = await _open(stack, run, "off", off=PARTS)
        lacking = {part: await _open(stack, run, f"without-{part}", off=(part,)) for part in PARTS}
        refusing = {
            "429 by the user's limit": await _open(stack, run, "user", {"RATE_LIMIT_PER_USER": "1", **_OF_ONE_A_DAY}),
            "429 by the address' limit": await _open(stack, run, "address", {"RATE_LIMIT_MAX": "1", **_OF_ONE_A_DAY}),
            _FORGED_RS256: await _open(stack, run, "forged-rs256"),
            _FORGED: await _open(stack, run, "forged-ed25519"),
            _FORGED_ON: await _open(stack, run, "forged-on", {"RATE_LIMIT_MAX": "1", **_OF_ONE_A_DAY}),
        }
        refusing[_FORGED_RS256].forge = _forge_rs256
        refusing[_FORGED].forge = refusing[_FORGED_ON].forge = _forge
        fresh = await _open(stack, run, "fresh")
        fresh.forge = fresh.issue_another
        subjects = (on, off, *lacking.values(), fresh, *refusing.values())
        await _prepare(subjects, refusing)
        draw = random.Random(1)
        for _ in range(run.rounds * _TURNS):
            # What one leaves in the processor's caches is of use to the next: no subject always follows the same one.
            for subject in draw.sample(subjects, len(subjects)):
                await subject.take_turn()
        guarded, bare = await lacking[LOG].count_instructions(), await off.count_instructions()
    return [
        *_sums(on, off, unseen=lacking[LOG]),
        _counted(guarded - bare, bare),
        *(_part(on, part, lacking[part]) for part in GUARDS),
        _beside(on, "a send with a token that was not seen before (Ed25519)", fresh),
        *(_refusal(on, name, subject) for name, subject in refusing.items() if name != _FORGED),
        _beside(on, f"a {_FORGED}", refusing[_FORGED]),
        _judged(_beside(fresh, f"a {_FORGED}", refusing[_FORGED], against=_ACCEPTED_UNSEEN)),
    ]


async def _prepare(subjects: Sequence[_Subject], refusing: Mapping[str, _Subject]) -> None:
    """Warm up; those who are to be refused use up their limits."""
    for subject in subjects:
        await subject.send_some()
    for name, subject in refusing.items():
        subject.expected = name[:3].encode()
    for subject in subjects:
        await subject.take_turn()
        subject.costs.clear()


async def _open(
    stack: AsyncExitStack,
    run: Run,
    name: str,
    limits: Mapping[str, str] | None = None,
    *,
    off: tuple[str, ...] = (),
) -> _Subject:
    folder = run.folder / f"guards-{name}"
    issuer = DevelopmentIssuer.at(folder, SystemClock().now)
    generous = UNLIMITED if LIMITS in off else _GENEROUS
    exempt = _NOBODY_EXEMPT if ADDRESS in off else {}
    config = _production(folder, issuer, {**generous, **exempt, **(limits or {})})
    with without(*off):
        service = await stack.enter_async_context(open_service(config))
    await asyncio.to_thread(_revoke_one, config)
    made = create_server(service.asgi, service.intake).config
    made.load()
    protocol: Any = Unbounded if PROTOCOL in off else made.http_protocol_class
    subject = _connect(protocol, made, issuer)
    for number in range(USERS):
        subject.senders.append(await subject.found(f"sender-{number}"))
    return subject


def _connect(protocol: Any, config: Any, issuer: DevelopmentIssuer) -> _Subject:  # noqa: ANN401 - uvicorn's own are as loose
    state, lines = make_state(), [_Line() for _ in range(IN_FLIGHT)]
    connections = [protocol(config=config, server_state=state, app_state={}) for _ in lines]
    for connection, line in zip(connections, lines, strict=True):
        connection.connection_made(line)
    return _Subject(connections, lines, state, issuer)


def _production(folder: Path, issuer: DevelopmentIssuer, limits: Mapping[str, str]) -> Config:
    """Configure a service as in production, with lines of JSON."""
    keys = folder / "keys.json"
    keys.write_bytes(msgspec.json.encode({"keys": [*_keys_of(issuer), _rsa_key()]}))
    environ = {
        "DATA_DIR": str(folder),
        "JWKS_FILE": str(keys),
        "JWT_ISSUER": DEVELOPMENT.name,
        "JWT_AUDIENCE": DEVELOPMENT.audience,
        "JWT_TENANT_CLAIM": "tenant",
        "TRUSTED_PROXIES": "127.0.0.1",
    }
    return load_config({**environ, **limits})


def _revoke_one(config: Config) -> None:
    """Have a revocation known, so that each request is looked at."""
    with contextlib.redirect_stdout(None):
        revoke(config, tenant="default", kind="token", value="of-somebody-else")


@contextlib.contextmanager
def _log_in(run: Run) -> Generator[None]:
    """Log to a file as the service logs to standard error: a thread of its own writes the lines."""
    with (run.folder / "guards.log").open("wb") as file:
        writer = LineWriter(file.fileno())
        configure_logging("info", human=False, stream=writer)
        try:
            yield
        finally:
            writer.close()


def _forge(token: str) -> str:
    """Change the signature to one that was never there, and nothing of its form."""
    signed, _, signature = token.rpartition(".")
    return f"{signed}.{next(_forgeries):08x}{signature[8:]}"


def _forge_rs256(token: str) -> str:
    """Make a token that claims the same, and to be signed with the RSA key."""
    payload = token.split(".")[1]
    return f"{_RS256_HEADER}.{payload}.{next(_forgeries):08x}{'A' * 334}"


@functools.cache
def _rsa_key() -> Mapping[str, str | list[str]]:
    """Make a key that nobody signs with: what it takes to see that is the same."""
    return RSAKey.generate_key(2048).as_dict(private=False, kid=_RSA_KEY, alg="RS256", use="sig")


def _keys_of(issuer: DevelopmentIssuer) -> list[object]:
    return msgspec.convert(issuer.jwks()["keys"], list[object])


def _sums(on: _Subject, off: _Subject, *, unseen: _Subject) -> list[Figure]:
    return [
        Figure(
            name="guards: CPU of a send, all on",
            value=micros(median(on.costs)),
            unit="µs",
            baseline=micros(median(off.costs)),
            against=_ALL_OFF,
        ),
        Figure(name="guards: all of them add to a send", value=_added(unseen, off), unit="µs", at_most=MOST_MICROS),
        Figure(name="guards: with its line in the log, and its metrics", value=_added(on, off), unit="µs"),
    ]


def _counted(added: float, bare: float) -> Figure:
    name = "guards: instructions of the interpreter that they add"
    return Figure(name=name, value=added, unit="1", baseline=bare, against=_ALL_OFF)


def _part(on: _Subject, part: str, lacking: _Subject) -> Figure:
    return Figure(name=f"guards: of that, {_NAMES[part]}", value=_added(on, lacking), unit="µs")


def _refusal(on: _Subject, name: str, subject: _Subject) -> Figure:
    return _judged(_beside(on, f"a {name}", subject))


def _judged(refusal: Figure) -> Figure:
    return replace(refusal, at_most_ratio=1)


def _beside(on: _Subject, name: str, subject: _Subject, *, against: str = _ACCEPTED) -> Figure:
    return Figure(
        name=f"guards: CPU of {name}",
        value=micros(median(subject.costs)),
        unit="µs",
        baseline=micros(median(on.costs)),
        against=against,
    )


def _added(more: _Subject, less: _Subject) -> float:
    """Compare turn by turn: two that follow one another met the same machine."""
    return micros(median([one - other for one, other in zip(more.costs, less.costs, strict=True)]))
