"""The Compose file: against the official schema, and for what no schema knows."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import pytest
from ruamel.yaml import YAML

from sanctum_messaging.config import VARIABLES, load_config
from tests.deploy.dockerfile import ROOT, read_stages

INSTANCES = ("sanctum-1", "sanctum-2", "sanctum-3")
STOP_SECONDS = 30
"""What the service promises for SIGTERM at most."""

REFERENCE = re.compile(r"\$\{(\w+)(?:(:\?|:-)([^}]*))?\}")
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
GIVEN = {
    "POSTGRES_PASSWORD": "one",
    "VALKEY_PASSWORD": "two",
    "JWKS_URL": "https://id.example.com/keys",
    "JWT_ISSUER": "https://id.example.com/",
    "JWT_AUDIENCE": "messaging",
}
"""What has to stand in `.env`."""


@lru_cache
def text() -> str:
    return (ROOT / "compose.yaml").read_text("utf-8")


@lru_cache
def services() -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe", pure=True).load(text())["services"]
    return found


def environ_of(name: str, given: dict[str, str]) -> dict[str, str]:
    """Set in what is given, as Compose does."""
    return {
        variable: REFERENCE.sub(lambda found: given.get(found[1]) or (found[3] if found[2] == ":-" else ""), str(value))
        for variable, value in services()[name]["environment"].items()
    }


def seconds(duration: str) -> int:
    assert duration.endswith("s")
    return int(duration.removesuffix("s"))


def test_it_fits_the_official_schema() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", ROOT / "compose.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", services())
def test_what_a_service_waits_for_is_there_and_can_happen(name: str) -> None:
    for other, how in services()[name].get("depends_on", {}).items():
        assert how["condition"] in CONDITIONS
        # Ours has a check of its own in the image.
        checked = "healthcheck" in services()[other] or other in INSTANCES
        assert checked or how["condition"] != "service_healthy", other
        assert services()[other]["restart"] == "no" or how["condition"] != "service_completed_successfully", other


def test_instances_wait_for_the_migration_and_the_migration_for_the_database() -> None:
    assert services()["migrate"]["command"] == ["migrate"]
    assert services()["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in INSTANCES:
        assert services()[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
        assert services()[name]["depends_on"]["valkey"]["condition"] == "service_started"


def test_the_image_is_built_once_for_all_who_run_it_and_never_pulled() -> None:
    ours = {name: service for name, service in services().items() if service["image"] == "sanctum-messaging"}

    assert set(ours) == {*INSTANCES, "migrate"}
    assert [name for name, service in services().items() if "build" in service] == ["migrate"]
    assert {service["pull_policy"] for service in ours.values()} == {"never"}


@pytest.mark.parametrize("name", [name for name in services() if name != "migrate"])
def test_what_runs_on_is_started_again_after_a_failure(name: str) -> None:
    assert services()[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", services())
def test_no_log_fills_the_disk(name: str) -> None:
    # The default, json-file, keeps everything.
    assert services()[name]["logging"] == {"driver": "local"}


@pytest.mark.parametrize("name", ["nginx", "postgres", "valkey"])
def test_a_health_check_asks_in_a_known_form_and_not_too_seldom(name: str) -> None:
    check = services()[name]["healthcheck"]

    assert check["test"][0] in {"CMD", "CMD-SHELL"}
    assert 1 <= seconds(check["timeout"]) <= seconds(check["interval"]) <= 30


@pytest.mark.parametrize("name", INSTANCES)
def test_an_instance_has_time_to_stop(name: str) -> None:
    assert seconds(services()[name]["stop_grace_period"]) > STOP_SECONDS


@pytest.mark.parametrize("name", [*INSTANCES, "migrate"])
def test_an_instance_starts_with_what_it_is_given(name: str) -> None:
    given = environ_of(name, GIVEN)
    assert set(given) <= {variable.name for variable in VARIABLES}

    config = load_config({**read_stages()[-1].environ(), **given})

    assert urlsplit(config.database_url).password == GIVEN["POSTGRES_PASSWORD"]
    assert urlsplit(config.redis_url or "").password == GIVEN["VALKEY_PASSWORD"]


def test_addresses_lead_to_services_on_the_same_network() -> None:
    given = environ_of(INSTANCES[0], GIVEN)
    for variable in ("DATABASE_URL", "REDIS_URL"):
        host = urlsplit(given[variable]).hostname or ""
        assert set(services()[host]["networks"]) & set(services()[INSTANCES[0]]["networks"]), variable
    assert not set(services()["nginx"]["networks"]) & set(services()["postgres"]["networks"])


def test_nobody_starts_without_secrets_and_an_identity_provider() -> None:
    required = {name for name, how, _ in REFERENCE.findall(text()) if how == ":?"}

    assert required == set(GIVEN)


def test_no_secret_has_a_value() -> None:
    for name, service in services().items():
        for variable, value in service.get("environment", {}).items():
            assert "PASSWORD" not in variable or REFERENCE.fullmatch(str(value)), (name, variable)


def test_only_the_load_balancer_is_reached_from_outside() -> None:
    assert [name for name, service in services().items() if "ports" in service] == ["nginx"]


@pytest.mark.parametrize("name", [*INSTANCES, "migrate", "nginx"])
def test_ours_have_no_rights_that_they_do_not_need(name: str) -> None:
    service = services()[name]

    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert "privileged" not in service


def test_the_data_of_the_database_outlives_its_container() -> None:
    names = [volume.partition(":")[0] for volume in services()["postgres"]["volumes"]]

    assert names
    assert set(names) <= set(YAML(typ="safe", pure=True).load(text())["volumes"])


@pytest.mark.parametrize("name", services())
def test_files_that_are_handed_in_are_there(name: str) -> None:
    for volume in services()[name].get("volumes", ()):
        source = volume.partition(":")[0]
        assert not source.startswith(".") or (ROOT / source).is_file(), source


def test_an_instance_may_write_where_it_is_told_to_keep_its_data() -> None:
    stage = read_stages()[-1]
    uid, _, gid = stage.last("USER").text.partition(":")

    assert f"{stage.environ()['DATA_DIR']}:uid={uid},gid={gid},mode=0700" in services()[INSTANCES[0]]["tmpfs"]
