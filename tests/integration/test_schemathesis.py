"""The service keeps to its own OpenAPI document, under generated calls: good ones, bad ones, and chains of them.

Three call: Ann, who makes what she calls about; a stranger, a user like her who is in none of the conversations; and
nobody, without a token. To the last two the examples of the document speak of a conversation of Olga's and Pia's, so
that they try what is there.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.e2e.server import Service, clean_environ
from tests.schemathesis_hooks import REAL_IDS, SECRET
from tests.unlimited import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).parents[2]
SEED = 7
"""The same calls each time: a failure here comes from a change."""
SHORT_SECONDS = 280
LONG_SECONDS = 3_500
"""How long a run may take on a busy machine."""
WHAT_OLGA_SAID = "what-only-olga-and-pia-know"

pytestmark = pytest.mark.timeout(300)


class Scene:
    """A service, on which Olga and Pia have a conversation, and call no more."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._olga = {"Authorization": f"Bearer {service.token('olga')}"}
        created = self._post(
            "/v1/conversations", {"kind": "group", "title": WHAT_OLGA_SAID, "participants": [{"userId": "pia"}]}
        )
        self.conversation_id = created["conversation"]["id"]
        said = {"conversationId": self.conversation_id, "clientMessageId": "c1", "body": WHAT_OLGA_SAID}
        self.message_id = self._post("/v1/messages", said)["message"]["id"]

    def stored(self) -> list[object]:
        """Read all that Olga sees of the conversation."""
        paths = ("", "/participants", "/messages")
        return [self._get(f"/v1/conversations/{self.conversation_id}{path}") for path in paths]

    def strange_environ(self) -> dict[str, str]:
        """Let who calls know what is there, and get none of it."""
        return {REAL_IDS: f"{self.conversation_id} {self.message_id}", SECRET: WHAT_OLGA_SAID}

    def _post(self, path: str, body: object) -> dict[str, dict[str, str]]:
        response = httpx2.post(self.service.base_url + path, json=body, headers=self._olga)
        assert response.status_code == 201, response.text
        answer: dict[str, dict[str, str]] = response.json()
        return answer

    def _get(self, path: str) -> object:
        return httpx2.get(self.service.base_url + path, headers=self._olga).json()


@dataclass(frozen=True, slots=True)
class Run:
    """How one of the three calls, and how often."""

    user: str | None
    phases: str
    examples: int
    strange: bool = True

    def start(self, scene: Scene, folder: Path, seed: int) -> subprocess.Popen[str]:
        """Start to call."""
        headers = [f"--header=Authorization: Bearer {scene.service.token(self.user)}"] if self.user else []
        environ = {"PYTHONPATH": os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))}
        return subprocess.Popen(
            [
                str(Path(sys.executable).with_name("schemathesis")),
                f"--config-file={ROOT / 'schemathesis.toml'}",
                "run",
                f"{scene.service.base_url}/openapi.json",
                *headers,
                "--checks=all",
                f"--phases={self.phases}",
                f"--max-examples={self.examples}",
                f"--seed={seed}",
                "--no-color",
            ],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=clean_environ({**environ, **(scene.strange_environ() if self.strange else {})}),
        )


SHORT = {
    "ann": Run("ann", "coverage,stateful", 4, strange=False),
    "stranger": Run("mallory", "examples", 1),
    "nobody": Run(None, "examples", 1),
}
LONG = {
    "ann": Run("ann", "examples,coverage,fuzzing,stateful", 100, strange=False),
    "stranger": Run("mallory", "examples,coverage,fuzzing,stateful", 50),
    "nobody": Run(None, "examples,coverage,fuzzing,stateful", 50),
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Generator[Scene]:
    with Service(tmp_path_factory.mktemp("service") / "data", environ=UNLIMITED) as service:
        yield Scene(service)


def test_no_call_breaks_the_contract(scene: Scene, tmp_path: Path) -> None:
    """All three at once: they share no conversation, so none changes what another meets."""
    call_all(SHORT, scene, tmp_path, seed=SEED, patience=SHORT_SECONDS)


@pytest.mark.chaos
@pytest.mark.timeout(3_600)
def test_no_call_breaks_the_contract_under_new_seeds(scene: Scene, tmp_path: Path) -> None:
    call_all(LONG, scene, tmp_path, seed=random.randrange(1_000_000), patience=LONG_SECONDS)


def call_all(runs: dict[str, Run], scene: Scene, folder: Path, *, seed: int, patience: float) -> None:
    """Let all call at once, and see that nobody found a fault, and that Olga's conversation is as it was."""
    before = scene.stored()
    started: dict[str, subprocess.Popen[str]] = {}
    try:
        started = {name: run.start(scene, folder, seed) for name, run in runs.items()}
        told = {name: process.communicate(timeout=patience)[0] for name, process in started.items()}
    finally:
        for process in started.values():
            process.kill()
            process.wait()
    for name, process in started.items():
        assert process.returncode == 0, f"{name}:\n{told[name][-8_000:]}"
    assert scene.stored() == before
