"""Several identity providers: the tables ``[[issuers]]`` of the file of settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanctum_messaging.config.parsers import (
    JWT_ALGORITHMS,
    parse_algorithms,
    parse_file,
    parse_jwks_url,
    parse_text,
    parse_texts,
)
from sanctum_messaging.config.toml_file import ISSUERS, find_unknown_keys, in_file, write_text
from sanctum_messaging.config.variable import Variable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sanctum_messaging.config.faults import Fault


@dataclass(frozen=True, slots=True)
class IssuerSettings:
    """One issuer; each field is the setting of the same name."""

    issuer: str
    audience: str
    jwks_url: str | None = field(repr=False)
    jwks_file: Path | None
    algorithms: tuple[str, ...]
    tenant: str
    tenant_claim: str | None
    tenants: tuple[str, ...]
    device_claim: str
    session_claim: str


ISSUER_SETTINGS: tuple[Variable[object], ...] = (
    Variable("issuer", "text", None, "The `iss` of its tokens, exactly. Needed, and different in each.", parse_text),
    Variable("audience", "text", None, "The `aud` that its tokens for this service have. Needed.", parse_text),
    Variable(
        "jwks_url",
        "address",
        None,
        "Where it publishes its keys (JWK Set).",
        parse_jwks_url,
        range="https; http on this machine",
    ),
    Variable("jwks_file", "path", None, "A file with its keys, instead of `jwks_url`.", parse_file),
    Variable(
        "algorithms",
        "list",
        (),
        "The signatures that are accepted of it. `EdDSA` and `Ed25519` are two names of one.",
        parse_algorithms,
        range=", ".join(JWT_ALGORITHMS),
        default_text="all",
    ),
    Variable("tenant", "text", "default", "The tenant of all its tokens.", parse_text),
    Variable("tenant_claim", "claim", None, "The claim that tells a token's tenant, instead of `tenant`.", parse_text),
    Variable(
        "tenants",
        "list",
        (),
        "The tenants that the claim may tell.",
        parse_texts,
        default_text="all but those that another issuer names in `tenant` or `tenants`",
    ),
    Variable("device_claim", "claim", "device_id", "The claim that tells a token's device, if it has one.", parse_text),
    Variable("session_claim", "claim", "sid", "The claim that tells a token's session, if it has one.", parse_text),
)

_BY_NAME = {setting.name: setting for setting in ISSUER_SETTINGS}


def read_issuers(entries: object) -> tuple[tuple[IssuerSettings, ...], list[Fault]]:
    """Read the tables; those with a fault are left out."""
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        return (), [in_file(ISSUERS, "must be tables, each under a line [[issuers]]")]
    read = [_Entry(f"{ISSUERS}[{number}].", entry) for number, entry in enumerate(entries)]
    faults = [fault for entry in read for fault in entry.faults]
    faults += _repetitions(read)
    return tuple(IssuerSettings(**entry.values) for entry in read if not entry.faults), faults


class _Entry:
    """One table, as far as it can be read."""

    def __init__(self, place: str, table: Mapping[str, object]) -> None:
        self.place = place
        self.faults = list(find_unknown_keys(table, _BY_NAME, place))
        self.values: dict[str, Any] = {}
        self._given: set[str] = set()
        for setting in ISSUER_SETTINGS:
            self.values[setting.name] = self._read(setting, table.get(setting.name))
        self.faults += [in_file(place + name, meaning) for name, meaning in self._contradictions()]

    def _read(self, setting: Variable[object], value: object) -> object:
        if value is None or value == "":
            return setting.default
        self._given.add(setting.name)
        try:
            return setting.parse(write_text(setting, value).strip())
        except ValueError as error:
            self.faults.append(in_file(self.place + setting.name, str(error)))
            return setting.default

    def _contradictions(self) -> Iterator[tuple[str, str]]:
        for name in ("issuer", "audience"):
            if name not in self._given:
                yield name, "must be set"
        if self._given.isdisjoint({"jwks_url", "jwks_file"}):
            yield "jwks_url", "must be set, or jwks_file"
        for name, other in (("jwks_file", "jwks_url"), ("tenant_claim", "tenant")):
            if {name, other} <= self._given:
                yield name, f"can't be set together with {other}"
        if "tenants" in self._given and "tenant_claim" not in self._given:
            yield "tenants", "is of no use without tenant_claim"


def _repetitions(entries: list[_Entry]) -> Iterator[Fault]:
    """Two tables of one issuer would leave open which of them its tokens go by."""
    places: dict[str, str] = {}
    for entry in entries:
        name = entry.values["issuer"]
        if name is not None and name in places:
            yield in_file(f"{entry.place}issuer", f"is the same as {places[name]}issuer")
        places.setdefault(name, entry.place)
