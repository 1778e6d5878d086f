"""The file of settings that ``SANCTUM_CONFIG`` names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.config import VARIABLES, Config, ConfigError, IssuerSettings, describe_config, load_config
from sanctum_messaging.config.issuers import ISSUER_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

ONE = """
jwks_url = "https://id.example/jwks"
jwt_issuer = "https://id.example"
jwt_audience = "chat"
"""
SEVERAL = """
[[issuers]]
issuer = "https://a.example"
audience = "chat"
jwks_url = "https://a.example/jwks"

[[issuers]]
issuer = "https://b.example"
audience = "messages"
jwks_url = "https://b.example/jwks?key=canary"
tenant_claim = "org"
tenants = ["north", "south"]
device_claim = "dev"
session_claim = "session_state"
algorithms = ["EdDSA", "RS256"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sanctum.toml"


def load(file: Path, text: str, *, dev: bool = False, **environ: str) -> Config:
    file.write_text(text)
    return load_config({"SANCTUM_CONFIG": str(file), **environ}, dev=dev)


def faults(file: Path, text: str | bytes, environ: Mapping[str, str] | None = None, *, dev: bool = False) -> list[str]:
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigError) as refused:
        load_config({"SANCTUM_CONFIG": str(file), **(environ or {})}, dev=dev)
    return [str(fault) for fault in refused.value.faults]


def test_a_file_says_what_the_environment_could_say(file: Path) -> None:
    text = f"""{ONE}
    port = 9000
    docs = false
    require_durable = true
    cors_allowed_origins = ["https://a.example", "https://b.example"]
    rate_limit_allowlist = []
    database_url = "postgresql://u:p@h/d"
    """
    environ = {
        "JWKS_URL": "https://id.example/jwks",
        "JWT_ISSUER": "https://id.example",
        "JWT_AUDIENCE": "chat",
        "PORT": "9000",
        "DOCS": "off",
        "REQUIRE_DURABLE": "on",
        "CORS_ALLOWED_ORIGINS": "https://a.example,https://b.example",
        "RATE_LIMIT_ALLOWLIST": "none",
        "DATABASE_URL": "postgresql://u:p@h/d",
    }

    assert without_file(load(file, text)) == without_file(load_config(environ))


def without_file(config: Config) -> Mapping[str, str]:
    return {name: value for name, value in describe_config(config) if name != "SANCTUM_CONFIG"}


def test_the_environment_beats_the_file_and_the_command_line_both(file: Path) -> None:
    file.write_text(f'{ONE}\nport = 1\nhost = "::1"\ndata_dir = "/file"\nlog_level = "debug"')
    environ = {"SANCTUM_CONFIG": str(file), "PORT": "2", "HOST": "127.0.0.2", "LOG_LEVEL": ""}

    config = load_config(environ, {"PORT": "3"})

    assert (config.port, config.host, config.data_dir, config.log_level) == (3, "127.0.0.2", Path("/file"), "debug")


def test_a_secret_in_a_file_of_its_own_beats_the_one_in_the_file(file: Path, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://own@h/d\n")

    config = load(file, f'{ONE}\ndatabase_url = "postgresql://u@h/d"', DATABASE_URL_FILE=str(tmp_path / "url"))

    assert config.database_url == "postgresql://own@h/d"


def test_every_variable_may_stand_in_the_file_but_its_own(file: Path) -> None:
    values = {"switch": "true", "number": "10", "list": "[]"}
    lines = (f"{each.name.lower()} = {values.get(each.type, '''canary''')!s}" for each in VARIABLES)
    text = "\n".join(line.replace("= canary", '= "canary"') for line in lines)

    found = faults(file, text)

    assert "SANCTUM_CONFIG: sanctum_config: is not a setting" in found
    assert sum("is not a setting" in fault for fault in found) == 1


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ('port = "8080"', "port: must be a whole number without quotes"),
        ("port = 8080.0", "port: must be a whole number without quotes"),
        ("port = true", "port: must be a whole number without quotes"),
        ("port = 70000", "port: must be a number from 0 to 65535"),
        ("port = -1", "port: must be a number from 0 to 65535"),
        ('docs = "off"', "docs: must be true or false"),
        ("docs = 0", "docs: must be true or false"),
        ("host = 4711", "host: must be a text in quotes"),
        ('host = ["canary"]', "host: must be a text in quotes"),
        ("data_dir = 1979-05-27", "data_dir: must be a text in quotes"),
        ('cors_allowed_origins = "canary"', "cors_allowed_origins: must be an array of texts, each without a comma"),
        ("cors_allowed_origins = [4711]", "cors_allowed_origins: must be an array of texts, each without a comma"),
        (
            'cors_allowed_origins = ["https://canary.example,https://b.example"]',
            "cors_allowed_origins: must be an array of texts, each without a comma",
        ),
        ('rate_limit_mode = "canary"', "rate_limit_mode: must be one of enforce, shadow"),
        ('log_level = "canary"', "log_level: must be one of debug, info, warning, error, critical"),
        ('ports = "canary"', "ports: is not a setting"),
        ('PORT = "canary"', "PORT: is not a setting"),
        ("dev = true", "dev: is not a setting"),
        ('[issuer]\nissuer = "canary"', "issuer: is not a setting"),
        ('"canary secret" = 1', "a key: is not a setting"),
        ('"canary\\nPORT: x" = 1', "a key: is not a setting"),
    ],
)
def test_what_is_wrong_in_the_file_is_named_by_its_place_and_never_repeated(
    file: Path, line: str, meaning: str
) -> None:
    assert faults(file, f"{ONE}\n{line}") == [f"SANCTUM_CONFIG: {meaning}"]


def test_all_faults_of_file_and_environment_are_told_at_once(file: Path) -> None:
    assert faults(file, "port = 'x'\nworkers = 0\njwks_url = 7", {"DOCS": "x"}) == [
        "SANCTUM_CONFIG: port: must be a whole number without quotes",
        "SANCTUM_CONFIG: jwks_url: must be a text in quotes",
        "SANCTUM_CONFIG: workers: must be a number from 1 to 64",
        "DOCS: must be on or off",
        "JWT_ISSUER: must be set with JWKS_URL",
        "JWT_AUDIENCE: must be set with JWKS_URL",
    ]


@pytest.mark.parametrize("content", [b'port = "canary', b"port =", b"port = 1\nport = 2", b"canary", b"# \xff"])
def test_what_is_no_toml_is_one_fault_that_repeats_nothing(file: Path, content: bytes) -> None:
    (fault,) = faults(file, content)

    assert fault.startswith("SANCTUM_CONFIG: is not TOML")
    assert "canary" not in fault


def test_a_fault_of_toml_is_told_with_its_place(file: Path) -> None:
    (fault,) = faults(file, "port = 1\nhost = canary\n")

    assert fault.startswith("SANCTUM_CONFIG: is not TOML (line 2, column ")


def test_a_file_must_be_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(ConfigError, match="SANCTUM_CONFIG: the file can't be read") as refused:
            load_config({"SANCTUM_CONFIG": str(path)})
        assert len(refused.value.faults) == 1


def test_a_command_that_needs_little_takes_it_from_the_file_and_is_not_stopped_by_the_rest(file: Path) -> None:
    file.write_text('data_dir = "/d"\nport = "x"\nnonsense = 1\nissuers = 7')

    assert load_config({"SANCTUM_CONFIG": str(file)}, only=("DATA_DIR",)).data_dir == Path("/d")
    with pytest.raises(ConfigError):
        load_config({"SANCTUM_CONFIG": str(file)}, only=("PORT",))


# Several issuers.


def test_issuers_are_read_with_what_each_leaves_out(file: Path) -> None:
    assert load(file, SEVERAL).issuers == (
        IssuerSettings(
            issuer="https://a.example",
            audience="chat",
            jwks_url="https://a.example/jwks",
            jwks_file=None,
            algorithms=(),
            tenant="default",
            tenant_claim=None,
            tenants=(),
            device_claim="device_id",
            session_claim="sid",
        ),
        IssuerSettings(
            issuer="https://b.example",
            audience="messages",
            jwks_url="https://b.example/jwks?key=canary",
            jwks_file=None,
            algorithms=("RS256", "EdDSA", "Ed25519"),
            tenant="default",
            tenant_claim="org",
            tenants=("north", "south"),
            device_claim="dev",
            session_claim="session_state",
        ),
    )


def entry(**changes: object) -> str:
    """Write the table of one issuer; ``...`` leaves a line out."""
    usual: dict[str, object] = {
        "issuer": '"https://a.example"',
        "audience": '"chat"',
        "jwks_url": '"https://a.example/jwks"',
    }
    lines = (f"{name} = {value}" for name, value in {**usual, **changes}.items() if value is not ...)
    return "\n".join(["[[issuers]]", *lines, ""])


@pytest.mark.parametrize(
    ("changes", "meaning"),
    [
        ({"issuer": ...}, "issuer: must be set"),
        ({"issuer": '""'}, "issuer: must be set"),
        ({"issuer": 4711}, "issuer: must be a text in quotes"),
        ({"issuer": '"a\\ncanary"'}, "issuer: must be 1 to 255 printable characters"),
        ({"audience": ...}, "audience: must be set"),
        ({"audience": '["canary"]'}, "audience: must be a text in quotes"),
        ({"jwks_url": ...}, "jwks_url: must be set, or jwks_file"),
        (
            {"jwks_url": '"http://canary.example/"'},
            "jwks_url: must be an https address without user and fragment; http is for this machine only",
        ),
        (
            {"jwks_url": '"file:///canary"'},
            "jwks_url: must be an https address without user and fragment; http is for this machine only",
        ),
        ({"jwks_url": ..., "jwks_file": '"/canary"'}, "jwks_file: there is no such file"),
        ({"jwks_file": '"/dev/null"'}, "jwks_file: there is no such file"),
        ({"tenant": '"a"', "tenant_claim": '"org"'}, "tenant_claim: can't be set together with tenant"),
        ({"tenants": '["a"]'}, "tenants: is of no use without tenant_claim"),
        ({"tenants": '"a"', "tenant_claim": '"o"'}, "tenants: must be an array of texts, each without a comma"),
        ({"algorithms": '["HS256"]'}, "algorithms: must be of RS256, PS256, ES256, EdDSA, Ed25519"),
        ({"algorithms": '["none"]'}, "algorithms: must be of RS256, PS256, ES256, EdDSA, Ed25519"),
        ({"algorithms": '"RS256"'}, "algorithms: must be an array of texts, each without a comma"),
        ({"leeway": "canary"}, None),
        ({"leeway": 4711}, "leeway: is not a setting"),
    ],
)
def test_what_is_wrong_with_an_issuer_is_named_by_its_place_and_never_repeated(
    file: Path, changes: dict[str, object], meaning: str | None
) -> None:
    first = entry(issuer='"https://first.example"')

    found = faults(file, first + entry(**changes))

    assert "canary" not in "".join(found)
    assert "4711" not in "".join(found)
    if meaning is not None:
        assert f"SANCTUM_CONFIG: issuers[1].{meaning}" in found
        assert all(fault.startswith("SANCTUM_CONFIG: issuers[1].") for fault in found)


def test_keys_of_an_issuer_come_from_one_place(file: Path, tmp_path: Path) -> None:
    keys = tmp_path / "jwks.json"
    keys.write_text("{}")

    assert faults(file, entry(jwks_file=f"'{keys}'")) == [
        "SANCTUM_CONFIG: issuers[0].jwks_file: can't be set together with jwks_url"
    ]
    assert load(file, entry(jwks_url=..., jwks_file=f"'{keys}'")).issuers[0].jwks_file == keys


def test_an_issuer_stands_there_once(file: Path) -> None:
    assert faults(file, entry() + entry(issuer='"https://b.example"') + entry(audience='"other"')) == [
        "SANCTUM_CONFIG: issuers[2].issuer: is the same as issuers[0].issuer"
    ]


@pytest.mark.parametrize("text", ["issuers = 7", 'issuers = ["canary"]', "[issuers]\na = 1"])
def test_issuers_are_tables(file: Path, text: str) -> None:
    assert faults(file, text) == ["SANCTUM_CONFIG: issuers: must be tables, each under a line [[issuers]]"]


@pytest.mark.parametrize("name", ["JWKS_URL", "JWT_ISSUER", "JWT_AUDIENCE", "JWT_TENANT", "JWT_DEVICE_CLAIM"])
def test_who_is_believed_is_said_in_one_place(file: Path, name: str) -> None:
    meaning = f"{name}: can't be set together with [[issuers]]; make it one of them"

    assert faults(file, entry(), {name: "https://id.example"}) == [meaning]
    assert faults(file, f'{name.lower()} = "https://id.example"\n{entry()}') == [meaning]


def test_no_issuers_at_all_are_as_good_as_none(file: Path) -> None:
    assert [fault.partition(":")[0] for fault in faults(file, "issuers = []")] == ["JWKS_URL"]
    assert load(file, f"{ONE}\nissuers = []").issuers == ()


def test_development_trusts_no_issuer_of_the_file(file: Path) -> None:
    meaning = "SANCTUM_CONFIG: issuers: can't be set with --dev, which trusts tokens of its own only"

    assert faults(file, entry(), dev=True) == [meaning]
    assert load(file, "port = 9000", dev=True).port == 9000


def test_issuers_are_shown_without_secrets(file: Path) -> None:
    config = load(file, SEVERAL)
    shown = dict(describe_config(config))

    assert shown["SANCTUM_CONFIG"] == str(file)
    assert shown["issuers[0].issuer"] == "https://a.example"
    assert shown["issuers[1].jwks_url"] == "https://b.example/jwks?***"
    assert shown["issuers[1].tenants"] == "north,south"
    assert "canary" not in "".join(shown.values()) + repr(config)
    assert sum(name.startswith("issuers[1].") for name in shown) == len(ISSUER_SETTINGS)


def test_secrets_of_the_file_are_hidden_when_shown(file: Path) -> None:
    text = f"""{ONE}
    database_url = "postgresql://u:canary@h/d"
    redis_url = "redis://:canary@h"
    bus_secret = "canary-0123456789"
    """

    config = load(file, text)

    assert "canary" not in "".join(dict(describe_config(config)).values()) + repr(config)


def test_the_example_of_the_documentation_is_good(file: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text("utf-8")

    config = load(file, page.partition("```toml\n")[2].partition("```")[0])

    assert (config.port, config.docs, config.cors_allowed_origins) == (9000, False, ("https://app.example.com",))
    assert [(each.tenant, each.tenant_claim) for each in config.issuers] == [
        ("staff", None),
        ("default", "https://example.org/customer"),
    ]


def test_each_setting_of_an_issuer_is_described() -> None:
    for setting in ISSUER_SETTINGS:
        assert setting.meaning.endswith(".")
        assert setting.type
