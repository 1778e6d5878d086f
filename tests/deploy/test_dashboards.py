"""The dashboard and the alerts name no metric, no label and no section that is not there."""

from __future__ import annotations

import inspect
import json
import re
import shutil
import subprocess
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from docs.metrics_page import all_readings
from sanctum_messaging.adapters.postgres import durability
from sanctum_messaging.api import readiness
from sanctum_messaging.bootstrap import service, sharing
from sanctum_messaging.bootstrap.instance import faults_of
from sanctum_messaging.bootstrap.service import open_service
from sanctum_messaging.config import load_config
from sanctum_messaging.observability.histogram import SECONDS
from sanctum_messaging.observability.metrics import render_readings
from sanctum_messaging.supervisor.readings import supervisor_readings
from tests.deploy.dockerfile import ROOT
from tests.deploy.promql import Named, names_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ADDED_BY_PROMETHEUS = {"instance", "job", "le", "worker"}
"""By the scrape, by histograms, and by the supervisor that merges its workers' texts."""
OF_PROMETHEUS = {"up"}


@lru_cache
def alerts() -> list[dict[str, Any]]:
    document = YAML(typ="safe").load((ROOT / "deploy" / "alerts.yaml").read_text("utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


@lru_cache
def panels() -> list[dict[str, Any]]:
    document = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text("utf-8"))
    return [panel for panel in document["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[str]:
    for alert in alerts():
        yield alert["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield target["expr"]


def metric_of(sample: str) -> str:
    """Name the metric that a name in an expression belongs to."""
    return re.sub(r"_(bucket|sum|count|total|info)$", "", sample)


async def shown_by(data_dir: Path, **environ: str) -> set[str]:
    """Run an instance and list the names of all that it shows, with those of its samples."""
    config = load_config({"DATA_DIR": str(data_dir), **environ}, dev=True)
    async with open_service(config) as opened:
        transport = httpx2.ASGITransport(opened.asgi)
        async with httpx2.AsyncClient(transport=transport, base_url="http://sanctum.test") as client:
            text = (await client.get("/metrics")).text
    return {family.name for family in text_string_to_metric_families(text)}


async def test_every_metric_that_they_name_is_shown(tmp_path: Path, postgres_url: str, valkey_url: str) -> None:
    embedded = await shown_by(tmp_path)
    shared = await shown_by(tmp_path, DATABASE_URL=postgres_url, REDIS_URL=valkey_url)
    supervising = render_readings(supervisor_readings(lambda: 1, lambda: 0, lambda: {"0": 1})).decode()
    shown = embedded | shared | {family.name for family in text_string_to_metric_families(supervising)}
    named = {metric for each in expressions() for metric in names_of(each).metrics}

    assert len(named) > 40
    assert {metric_of(each) for each in named - OF_PROMETHEUS} - {metric_of(each) for each in shown} == set()
    # The page lists what any of them shows, and nothing else.
    listed = {metric_of(f"sanctum_{each.name}") for each in all_readings()}
    assert listed == {metric_of(each) for each in shown if each.startswith("sanctum_")}


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_every_label_that_they_name_is_one_of_the_metrics(expression: str) -> None:
    labels: dict[str, set[str]] = {}
    for each in all_readings():
        given = () if each.label is None else (each.label,) if isinstance(each.label, str) else each.label
        labels[metric_of(f"sanctum_{each.name}")] = {*given, *ADDED_BY_PROMETHEUS}

    named = names_of(expression)

    known = {name: labels.get(metric_of(name), ADDED_BY_PROMETHEUS) for name in named.metrics}
    assert {name: used - known[name] for name, used in named.metrics.items() if used - known[name]} == {}
    assert named.by <= set().union(*known.values())


def test_the_samples_of_counters_and_histograms_are_named_as_such() -> None:
    kinds = {f"sanctum_{each.name}": each.kind for each in all_readings()}
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    samples = {name + suffix for name, kind in kinds.items() for suffix in suffixes[kind]}
    named = {metric for each in expressions() for metric in names_of(each).metrics if metric.startswith("sanctum_")}

    assert named - samples == set()


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_no_alert_mixes_installations(alert: dict[str, Any]) -> None:
    # Whatever is added up or compared over several series is so within a job; a scalar has lost its own.
    aggregations = re.findall(r"\b(?:count|max|min|sum|topk)\b( by \([^)]*\))?", alert["expr"])
    jobs = re.findall(r'job(=~?)"([^"]*)"', alert["expr"])

    assert all("job" in re.findall(r"\w+", each) for each in aggregations)
    assert "scalar" not in alert["expr"]
    assert set(jobs) <= {("=~", "sanctum.*")}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool comes with Prometheus")
def test_they_fire_when_they_should_by_the_judgement_of_prometheus() -> None:
    command = ["promtool", "test", "rules", str(ROOT / "tests" / "deploy" / "alerts_test.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_quantiles_are_compared_with_bounds_of_buckets(alert: dict[str, Any]) -> None:
    # Between two of them a quantile is a guess: it may be above what hardly anything is above.
    limits = re.findall(r"histogram_quantile\([^>]*> (\S+)", alert["expr"])

    assert [limit for limit in limits if float(limit) not in SECONDS] == []


def test_instances_are_not_compared_by_what_they_told_at_different_moments() -> None:
    # Scrapes are seconds apart, in which a busy log grows by thousands.
    compared = [alert["expr"] for alert in alerts() if re.search(r"\) - on \(", alert["expr"])]

    assert compared
    assert [each for each in compared if not re.search(r"offset \d+m\) - on", each)] == []


def test_sends_over_sockets_count_for_slow_sends() -> None:
    (slow,) = (alert for alert in alerts() if alert["alert"] == "SanctumSendsSlow")

    assert 'sanctum_queue_wait_seconds_bucket{queue="append"}' in slow["expr"]
    assert "over HTTP or a socket" in slow["annotations"]["summary"]


@pytest.mark.parametrize(
    ("metric", "word"),
    [
        ("sanctum_tail_lag_seconds_bucket", "applied"),
        ("sanctum_request_duration_seconds_bucket", "over HTTP"),
        ("sanctum_queue_wait_seconds_bucket", "and sockets"),
    ],
)
def test_panels_are_named_after_all_that_they_show_and_no_more(metric: str, word: str) -> None:
    titles = [panel["title"] for panel in panels() if any(metric in target["expr"] for target in panel["targets"])]

    assert titles
    assert [title for title in titles if word not in title] == []


def test_the_dashboard_shows_the_instances_of_one_installation() -> None:
    document = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text("utf-8"))
    job, instance = (each for each in document["templating"]["list"] if each["type"] == "query")

    assert (job["name"], job.get("includeAll", False), job.get("multi", False)) == ("job", False, False)
    assert instance["query"]["query"] == 'label_values(sanctum_build_info{job="$job"}, instance)'
    for panel in panels():
        for target in panel["targets"]:
            assert target["expr"].count('{job="$job",instance=~"$instance"}') == len(re.findall("{", target["expr"]))


def test_every_alert_leads_to_its_section() -> None:
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    sections = re.findall(r"^### (Sanctum\w+)$", page, flags=re.MULTILINE)

    assert [alert["alert"] for alert in alerts()] == sections
    for alert in alerts():
        assert alert["annotations"]["runbook_url"] == f"docs/operations.md#{alert['alert'].lower()}"
        assert alert["labels"]["severity"] in {"page", "ticket"}


def test_every_reason_for_being_degraded_is_described() -> None:
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    described = set(
        re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", page.partition("| reason |")[2], re.MULTILINE)))
    )
    told = {
        *re.findall(r'reasons=\("(\w+)",\)', inspect.getsource(readiness)),
        *re.findall(r'else \("(\w+)",\)', inspect.getsource(sharing)),
        *re.findall(r'"(\w+)":', inspect.getsource(faults_of)),
        *re.findall(r'\["(\w+)"\] if', inspect.getsource(service)),
        *re.findall(r"``(\w+_off)``", inspect.getsource(durability)),
    }

    assert len(told) >= 8
    assert told <= described


def test_panels_have_places_of_their_own() -> None:
    places = [tuple(panel["gridPos"].values()) for panel in panels()]

    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in panels()}) == len(panels())


@pytest.mark.parametrize("wrong", ["sum(rate(a[5m])", "rate(a)[5m])", "guess(a)", "a ? b", 'a{b="c"', "a{b=~c)"])
def test_what_is_no_expression_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"balanced|PromQL|unknown"):
        names_of(wrong)


def test_what_an_expression_names_is_found() -> None:
    expression = (
        'histogram_quantile(0.9, sum by (le, x) (rate(a_bucket{b="c(",d!~"e"}[5m]))) > 1e3 or scalar(max(f)) - g'
    )

    assert names_of(expression) == Named({"a_bucket": {"b", "d"}, "f": set(), "g": set()}, {"le", "x"})
