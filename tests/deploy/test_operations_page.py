"""The page for operators names no metric and no variable that is not there."""

from __future__ import annotations

import re
import urllib.request
from functools import lru_cache
from typing import TYPE_CHECKING

from sanctum_messaging.config import VARIABLES
from tests.deploy.dockerfile import ROOT
from tests.deploy.test_compose import GIVEN, REFERENCE
from tests.deploy.test_compose import text as compose
from tests.e2e.server import Service

if TYPE_CHECKING:
    from pathlib import Path


@lru_cache
def page() -> str:
    return (ROOT / "docs" / "operations.md").read_text("utf-8")


def test_every_metric_that_it_names_is_shown(tmp_path: Path, postgres_url: str, valkey_url: str) -> None:
    # All that an instance can be made of.
    environ = {"DATABASE_URL": postgres_url, "REDIS_URL": valkey_url, "WORKERS": "2"}
    with Service(tmp_path, environ=environ) as service, urllib.request.urlopen(service.base_url + "/metrics") as answer:  # noqa: S310 - our own address
        shown = set(re.findall(r"^# TYPE (\w+) ", answer.read().decode(), flags=re.MULTILINE))
    named = set(re.findall(r"\b(?:sanctum|process)_\w+", page()))

    assert len(named) > 10
    assert named - shown == set()


def test_every_variable_that_it_names_is_known() -> None:
    known = {variable.name for variable in VARIABLES} | {f"{each.name}_FILE" for each in VARIABLES if each.secret}
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)\b", page()))

    assert named - known == {"POSTGRES_PASSWORD", "VALKEY_PASSWORD", "PUBLIC_PORT"}


def test_every_variable_of_the_compose_file_is_described() -> None:
    used = {name for name, _, _ in REFERENCE.findall(compose())}

    assert set(GIVEN) < used
    assert {name for name in used if f"`{name}`" not in page()} == set()
