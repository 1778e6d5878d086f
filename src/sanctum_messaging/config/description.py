"""The configuration as an operator reads it, without its secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sanctum_messaging.config import variables
from sanctum_messaging.config.issuers import ISSUER_SETTINGS
from sanctum_messaging.config.toml_file import ISSUERS
from sanctum_messaging.config.variables import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sanctum_messaging.config import Config

_HIDDEN = "***"


def describe_config(config: Config) -> Iterator[tuple[str, str]]:
    """Write each variable as it would stand in the environment, and each issuer of the file, with secrets hidden."""
    for variable in VARIABLES:
        value = getattr(config, variable.name.lower())
        hidden = variable.name == variables.BUS_SECRET.name and value
        emptied = value == () != variable.default
        yield variable.name, _HIDDEN if hidden else "none" if emptied else _written(value)
    for number, issuer in enumerate(config.issuers):
        for setting in ISSUER_SETTINGS:
            yield f"{ISSUERS}[{number}].{setting.name}", _written(getattr(issuer, setting.name))


def _written(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "on" if value else "off"
        case tuple():
            return ",".join(map(str, value))
        case str() if "://" in value:
            return _without_secrets(value)
        case _:
            return str(value)


def _without_secrets(address: str) -> str:
    """Hide what may be a secret in an address: the password, and the query."""
    parts = urlsplit(address)
    user, at, host = parts.netloc.rpartition("@")
    if not user and not parts.query:
        return address
    if ":" in user:
        user = f"{user.partition(':')[0]}:{_HIDDEN}"
    return parts._replace(netloc=f"{user}{at}{host}", query=_HIDDEN if parts.query else "").geturl()
