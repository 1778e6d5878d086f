"""The image, as far as it can be proved without an engine: what goes in, what is built, and that this runs."""

from __future__ import annotations

import re
import signal
import subprocess
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging import __version__
from sanctum_messaging.config import VARIABLES, load_config
from sanctum_messaging.config.variables import DATA_DIR
from tests.deploy.conftest import environ_of
from tests.deploy.dockerfile import ROOT, is_ignored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.deploy.dockerfile import Stage

Stages = dict[str | None, "Stage"]
PACKAGE = ROOT / "src" / "sanctum_messaging"
STOP_SECONDS = 30
ADDRESS = re.compile(r"http://127\.0\.0\.1:([0-9]+)")


def pins(name: str) -> dict[str, str]:
    """Read the versions that a lock file holds."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / name).read_text("utf-8"), flags=re.MULTILINE))


def test_all_that_is_copied_is_there_and_goes_to_the_engine(stages: Stages) -> None:
    sources = [Path(source) for stage in stages.values() for source in stage.sources()]

    assert Path("src") in sources
    assert [str(source) for source in sources if not (ROOT / source).exists() or is_ignored(source)] == []


def test_what_a_link_in_the_source_names_is_copied_too(stages: Stages) -> None:
    sources = [ROOT / source for stage in stages.values() for source in stage.sources()]
    named = [path.resolve() for path in (ROOT / "src").rglob("*") if path.is_symlink()]

    assert [path for path in named if not any(path.is_relative_to(source) for source in sources)] == []


@pytest.mark.parametrize(
    "name",
    [
        ".env",
        ".git/config",
        ".venv/pyvenv.cfg",
        "sanctum-data/messaging.db",
        "src/sanctum_messaging/__pycache__/cli.cpython-311.pyc",
        "src/sanctum_messaging/cli.pyc",
        "tests/support.py",
    ],
)
def test_nothing_else_goes_to_the_engine(name: str) -> None:
    assert is_ignored(Path(name))


def test_a_file_of_settings_does_not_move_it_away_from_its_health_check(stages: Stages, tmp_path: Path) -> None:
    (tmp_path / "sanctum.toml").write_text('port = 9000\nhost = "127.0.0.2"\n')
    environ = {**list(stages.values())[-1].environ(), "SANCTUM_CONFIG": str(tmp_path / "sanctum.toml")}

    config = load_config(environ, only=("HOST", "PORT"))

    assert (config.host, config.port) == ("0.0.0.0", 8080)  # noqa: S104 # It is what a container listens on.


def test_the_stages_build_on_one_python_and_on_nothing_from_elsewhere(stages: Stages) -> None:
    (base,) = {stage.base for stage in stages.values()}

    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", base)
    assert "://" not in (ROOT / "Dockerfile").read_text("utf-8").replace("'http://127", "")


def test_every_package_that_is_installed_has_a_hash(stages: Stages) -> None:
    installs = [
        command
        for stage in stages.values()
        for each in stage.all("RUN")
        for command in each.text.split("&&")
        if " install " in command and command.strip().startswith("pip")
    ]

    assert len(installs) == 3
    assert all("--require-hashes" in each or "--no-index" in each for each in installs)


@pytest.mark.parametrize("name", ["requirements-build.txt", "requirements-runtime.txt"])
def test_the_image_gets_the_versions_that_are_tested(name: str) -> None:
    tested = pins("requirements.txt")

    assert pins(name)
    assert {package: version for package, version in pins(name).items() if tested[package] != version} == {}


def test_the_service_is_not_root_and_owns_its_data_only(stages: Stages) -> None:
    final = stages[None]
    uid, _, gid = final.last("USER").text.partition(":")

    assert int(uid) > 0
    assert int(gid) > 0
    assert f"--uid {uid}" in final.last("RUN").text
    assert final.last("VOLUME").text == final.environ()[DATA_DIR.name]
    assert final.last("STOPSIGNAL").text == "SIGTERM"


def test_the_image_sets_what_the_service_knows(stages: Stages) -> None:
    known = {variable.name for variable in VARIABLES}

    assert set(stages[None].environ()) - known == {"PATH", "PYTHONDONTWRITEBYTECODE"}


def test_the_wheel_holds_all_that_the_package_does(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".pyc"]

    assert {path.suffix for path in files} >= {".py", ".sql", ".js", ".css", ".html", ".svg"}
    assert [path.name for path in files if str(path.relative_to(PACKAGE.parent)) not in names] == []
    assert "sanctum_messaging/py.typed" in names
    page_client = zipfile.ZipFile(wheel).read("sanctum_messaging/demo/sanctum.js")
    assert page_client == (ROOT / "clients/javascript/sanctum.js").read_bytes()
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests")]


def test_the_installed_command_runs(environment: Path, stages: Stages) -> None:
    (command,) = stages[None].last("ENTRYPOINT").words()
    said = subprocess.run(
        [environment / command, "--version"], env=environ_of(environment), capture_output=True, text=True, check=True
    )
    where = "import sanctum_messaging; print(sanctum_messaging.__file__)"
    found = subprocess.run(
        [environment / "python", "-c", where], env=environ_of(environment), capture_output=True, text=True, check=True
    )

    assert __version__ in said.stdout
    assert Path(found.stdout).is_relative_to(environment.parent)


def test_the_health_check_tells_a_service_from_none(environment: Path, stages: Stages, tmp_path: Path) -> None:
    check = stages[None].last("HEALTHCHECK").words()
    with serving(environment, tmp_path) as port:
        assert healthy(environment, check, port)

    assert not healthy(environment, check, port)


def healthy(environment: Path, check: list[str], port: int) -> bool:
    # A proxy that nobody runs: the check must not ask it.
    environ = environ_of(environment, PORT=str(port), http_proxy="http://127.0.0.1:9")
    done = subprocess.run([environment / check[0], *check[1:]], env=environ, capture_output=True, check=False)
    return done.returncode == 0


@contextmanager
def serving(environment: Path, data_dir: Path) -> Iterator[int]:
    """Serve from what was installed, on the port that is yielded, until SIGTERM ends it."""
    with subprocess.Popen(
        [environment / "sanctum", "serve", "--dev", "--port", "0"],
        env=environ_of(environment, DATA_DIR=str(data_dir), PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield port_in(process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=STOP_SECONDS)
    assert process.returncode == 0


def port_in(process: subprocess.Popen[str]) -> int:
    """Read what the process says up to its address."""
    said = []
    for line in process.stdout or ():
        said.append(line)
        if found := ADDRESS.search(line):
            return int(found[1])
    raise AssertionError("it did not start:\n" + "".join(said))
