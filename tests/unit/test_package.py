"""The package and the installed distribution agree with one another."""

from importlib.metadata import distribution
from importlib.resources import files

import sanctum_messaging


def test_version_is_that_of_the_installed_distribution() -> None:
    assert sanctum_messaging.__version__ == distribution("sanctum-messaging").version


def test_types_are_offered_to_users() -> None:
    assert files(sanctum_messaging).joinpath("py.typed").is_file()


def test_distribution_installs_the_sanctum_command() -> None:
    (script,) = distribution("sanctum-messaging").entry_points.select(group="console_scripts")

    assert (script.name, script.value) == ("sanctum", "sanctum_messaging.cli:main")
