"""Callers without a socket: strangers, the greedy, services, those who are new each time, and who reads old pages."""

from __future__ import annotations

import asyncio
import base64
import itertools
import random
import secrets
import time
from typing import TYPE_CHECKING

from sanctum_messaging.protocol.codes import CloseCode
from tests.e2e.client import Client
from tests.soak.target import SERVICE_SCOPE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.soak.crowd import Member
    from tests.soak.target import Target

LOUD_BODY = "\N{CYCLONE}" * 8_000
"""32 KB."""
LOUD_EVERY = 20
"""Of so many messages one is loud, however fast the machine is: what the ring holds then has the same mix throughout.
Of many short ones the interpreter keeps the small blocks, of few long ones the C library the large, and neither gives
back what the other needs."""
LOOK_SECONDS = 0.1
REVOKED_SECONDS = 1.0
"""So long after a revocation no instance takes the token any more, as long as they hear of each other."""


async def guess(target: Target) -> None:
    """Show tokens that are none, from an address that is another each time."""
    token = target.token("nobody")
    head, payload, signature = token.split(".")
    for number in itertools.count():
        await asyncio.sleep(0.04)
        unknown = _encode(f'{{"alg":"EdDSA","typ":"JWT","kid":"{secrets.token_hex(8)}"}}')
        shown = (
            f"{unknown}.{payload}.{signature}",
            f"{head}.{payload}.{signature[:-8]}AAAAAAAA",
            secrets.token_hex(40),
        )
        # Some try again, until they are told to wait.
        await show(target, shown[number % 3], random_address() if number % 10 else "198.51.100.7")


async def show(target: Target, token: str, address: str, at: str | None = None) -> None:
    """Show a token that is none."""
    path, expected = "/v1/conversations", (401, 429)
    await target.call("refused token", "GET", path, token=token, expected=expected, at=at, X_Forwarded_For=address)


async def visit(target: Target) -> None:
    """Be somebody new each time, with a token of his own, at an address of his own."""
    for number in itertools.count():
        await asyncio.sleep(0.25)
        await call_as_visitor(target, f"visitor-{number}-{secrets.token_hex(4)}")


async def call_as_visitor(target: Target, name: str, at: str | None = None) -> None:
    """Look once at what there is."""
    token, address = target.token(name), random_address()
    await target.call("visit", "GET", "/v1/sync", token=token, at=at, X_Forwarded_For=address)


async def want_too_much(target: Target, member: Member) -> None:
    """Send as much as possible until it is refused, wait, and begin again."""
    while True:
        await asyncio.gather(*(_send_more(target, member) for _ in range(150)))
        await asyncio.sleep(20)


async def _send_more(target: Target, member: Member) -> None:
    call, token = member.new_message("More"), member.client.token
    await target.send("greedy send", call, user=member.name, token=token, expected=(201, 429))


async def flood(target: Target, member: Member) -> None:
    """Ask for more than one address may."""
    while True:
        await asyncio.gather(*(_ask_again(target, member) for _ in range(400)))
        await asyncio.sleep(20)


async def _ask_again(target: Target, member: Member) -> None:
    path, token = "/v1/rate-limits", member.client.token
    await target.call("flood", "GET", path, token=token, expected=(200, 429), X_Forwarded_For="2001:db8::7")


async def serve_others(target: Target, members: Sequence[Member]) -> None:
    """A service sends for others."""
    token = target.token("robot", scope=SERVICE_SCOPE)
    draw = target.fork()
    while True:
        await asyncio.sleep(0.5)
        member = draw.choice(members)
        call = member.new_message("From a service")
        await target.send("service send", call, user=member.name, token=token, Act_As=member.name)


async def browse(target: Target, members: Sequence[Member]) -> None:
    """Read old pages, and lists."""
    draw = target.fork()
    while True:
        await asyncio.sleep(0.3)
        member = draw.choice(members)
        before = draw.randint(2, max(2, member.last_seq))
        path = f"/v1/conversations/{member.room}/messages?limit=20&beforeSeq={before}"
        await target.call("page", "GET", path, token=member.client.token)
        await target.call("list", "GET", "/v1/conversations", token=member.client.token)
        path = f"/v1/conversations/{member.room}/participants?limit=200"
        answer = await target.call("participants", "GET", path, token=member.client.token)
        if member.name not in {each["userId"] for each in answer.get("participants", ())}:
            target.ledger.note_wrong(f"{member.name} was not among the participants of his room")


async def poll(target: Target, member: Member) -> None:
    """Wait for what happens, poll after poll."""
    token = member.client.token
    path = "/v1/sync"
    while True:
        answer = await target.call("poll", "GET", path, token=token)
        if "cursor" not in answer:
            await asyncio.sleep(1)
            continue
        path = f"/v1/sync?cursor={answer['cursor']}&waitMs=20000"


async def speak_loudly(target: Target, member: Member) -> None:
    """Send a long message for so many that others send."""
    sent = target.ledger.sent
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        for _ in range((target.ledger.sent - sent) // LOUD_EVERY):
            sent += LOUD_EVERY
            await target.send("loud send", member.new_message(LOUD_BODY), user=member.name, token=member.client.token)


async def lose_access(target: Target) -> None:
    """Be connected, and have one's tokens revoked."""
    for number in itertools.count():
        await asyncio.sleep(15)
        name = f"leaver-{number}"
        client = Client(target.place, target.token(name))
        async with client, client.connect() as socket:
            # Tokens tell the second in which they were issued, and those of the same second are not revoked.
            await asyncio.sleep(2)
            await target.revoke(name)
            revoked_at = time.monotonic()
            target.ledger.note_close("the revoked", await socket.find_close(), (CloseCode.FORBIDDEN,))
            await _be_refused(target, client.token, by=revoked_at + REVOKED_SECONDS)


async def _be_refused(target: Target, token: str, *, by: float) -> None:
    """Ask every instance, once all have had the time that it may take them to learn of a revocation."""
    await asyncio.sleep(max(0.0, by - time.monotonic()))
    for service in target.services:
        path = "/v1/conversations"
        await target.call("revoked", "GET", path, token=token, expected=(401,), at=service.base_url)


def random_address() -> str:
    """Make up an address."""
    if random.random() < 0.5:
        return ".".join(str(random.randrange(1, 223)) for _ in range(4))
    return "2001:" + ":".join(f"{random.randrange(1, 65_536):x}" for _ in range(7))


def _encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
