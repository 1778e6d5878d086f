"""The service that is soaked: one process or several, and how callers reach it."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import httpx2

from tests.e2e.client import NO_TLS
from tests.e2e.server import run_sanctum
from tests.fault import answers

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tests.e2e.server import Service
    from tests.fault.recorder import Call, Recorder
    from tests.soak.ledger import Ledger

PATIENCE_SECONDS = 60
LIMITS = {
    "TRUSTED_PROXIES": "127.0.0.1/32",
    "RATE_LIMIT_INTERVAL_MS": "10000",
    "RATE_LIMIT_MAX": "300",
    "RATE_LIMIT_PER_DEVICE": "100",
    "RATE_LIMIT_PER_SESSION": "100",
    "RATE_LIMIT_PER_USER": "100",
    "RATE_LIMIT_READ_PER_USER": "2000",
    "RATE_LIMIT_CREATE_PER_USER": "600",
    "RATE_LIMIT_CONNECT_PER_USER": "60",
    "RATE_LIMIT_CONNECT_PER_ADDRESS": "600",
    "RATE_LIMIT_AUTH_FAILURES": "3",
    "RATE_LIMIT_FRAMES": "100",
}
"""What honest callers here stay below, and others do not. The interval is short, so that callers are forgotten soon."""
SERVICE_SCOPE = "messaging:admin"


class Target:
    """Instances that share one log."""

    def __init__(self, services: Sequence[Service], ledger: Ledger, recorder: Recorder, *, seed: int) -> None:
        self.services = services
        self.ledger = ledger
        self.recorder = recorder
        self._draw = random.Random(seed)
        self._http = httpx2.AsyncClient(
            timeout=PATIENCE_SECONDS,
            limits=httpx2.Limits(max_connections=50, max_keepalive_connections=20),
            trust_env=False,
            verify=NO_TLS,
        )

    def place(self) -> str:
        """Pick an instance."""
        return self._draw.choice(self.services).base_url

    def fork(self) -> random.Random:
        """Make a source of chance for one of the callers."""
        return random.Random(self._draw.random())

    def token(self, user: str, *, scope: str | None = None, ttl: int = 7_200) -> str:
        """Sign a token."""
        return self.services[0].token(user, scope=scope, ttl=ttl)

    async def send(
        self,
        kind: str,
        message: Call,
        *,
        user: str,
        token: str,
        expected: Collection[int] = (201,),
        **headers: str,
    ) -> Any:  # noqa: ANN401 - as below
        """Send a message over HTTP, and record it for the checker."""
        body = {
            "conversationId": message.conversation_id,
            "clientMessageId": message.client_message_id,
            "body": message.body,
        }
        with self.recorder.call(user, user, message) as pending:
            answer = await self.call(kind, "POST", "/v1/messages", token=token, body=body, expected=expected, **headers)
            if "message" in answer:
                pending.done(answers.message({**answer, "replayed": False}))
            else:
                pending.refused(answer["code"])
        return answer

    async def call(
        self,
        kind: str,
        method: str,
        path: str,
        *,
        token: str,
        body: object = None,
        expected: Collection[int] = (200,),
        at: str | None = None,
        **headers: str,
    ) -> Any:  # noqa: ANN401 - answers have as many shapes as there are calls
        """Make a call, and take down how it was answered."""
        sent = {"Authorization": f"Bearer {token}", **{name.replace("_", "-"): each for name, each in headers.items()}}
        answer = await self._http.request(method, (at or self.place()) + path, json=body, headers=sent)
        self.ledger.note_answer(kind, answer.status_code, expected)
        return answer.json() if answer.content else {}

    async def read_metrics(self, service: Service) -> dict[str, float]:
        """Read what an instance tells of itself, as far as it has no labels."""
        text = (await self._http.get(f"{service.base_url}/metrics")).text
        lines = [line.split(" ") for line in text.splitlines() if not line.startswith("#") and "{" not in line]
        return {name: float(value) for name, value in lines}

    async def revoke(self, user: str) -> None:
        """Revoke a user's tokens as an operator does."""
        first = self.services[0]
        arguments = ("revoke", "--user", user, "--data-dir", str(first.data_dir))
        done = await asyncio.to_thread(run_sanctum, *arguments, environ=first.environ)
        if done.returncode:
            self.ledger.note_wrong(f"sanctum revoke failed: {done.stderr}")

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()
