"""The wheel of the image, and an environment with it, each made once by the commands of the Dockerfile."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.deploy.dockerfile import Stage, copy_context, read_stages

SECONDS = 100


@pytest.fixture(scope="session")
def stages() -> dict[str | None, Stage]:
    return {stage.name: stage for stage in read_stages()}


@pytest.fixture(scope="session")
def wheel(stages: dict[str | None, Stage], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from what the image's first stage is given, and with its command."""
    context = tmp_path_factory.mktemp("context")
    for source in stages["wheel"].sources():
        copy_context(source, context)
    command = stages["wheel"].last("RUN").text.replace("/wheels", str(context / "wheels"))
    run(sys.executable, "-m", *shlex.split(command), cwd=context)
    (built,) = (context / "wheels").iterdir()
    return built


@pytest.fixture(scope="session")
def environment(wheel: Path, stages: dict[str | None, Stage], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel as the image does; return the folder that holds its commands."""
    folder = tmp_path_factory.mktemp("environment") / "sanctum"
    run(sys.executable, "-m", "venv", "--without-pip", str(folder))
    install = stages["environment"].last("RUN").text.replace("/opt/sanctum", str(folder))
    run(sys.executable, "-m", *shlex.split(install.replace("/wheels/*.whl", str(wheel))), cwd=folder)
    return folder / "bin"


def environ_of(environment: Path, **more: str) -> dict[str, str]:
    """Make the environment in which its commands run, with the locked packages of ours in place of its own."""
    return {"PATH": str(environment), "PYTHONPATH": sysconfig.get_path("purelib"), **more}


def run(*command: str, cwd: Path | None = None) -> None:
    """Run a command that must succeed, without asking any registry."""
    quiet = {**os.environ, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(command, cwd=cwd, env=quiet, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
