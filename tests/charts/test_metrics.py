"""Alerts and dashboard ask for metrics that the controller has, with labels that these have."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry

from controller.metrics import PHASES, JobCounts, Metrics
from recast.kube.names import STALLED
from recast.status import Condition, JobStatus
from tests.charts.helm import Helm, Objects

SELECTOR = re.compile(r"\b(recast_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)(=~|!~|=|!=)"([^"]*)"')
ADDED_BY_THE_SCRAPE = {"namespace", "job"}


@pytest.fixture(scope="module")
def known() -> dict[str, set[str]]:
    """Each series that the controller shows after some work, with its labels."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    stalled = Condition(
        type=STALLED, status="True", reason="NodeLost", message="", last_transition_time=datetime.now(UTC)
    )
    registry.register(JobCounts(lambda: [JobStatus(conditions=(stalled,))]))
    metrics.reconciles.labels("ok").inc()
    metrics.api_requests.labels("GET", "jobs", "200").inc()
    metrics.refused.labels("studio").set(1)
    return {
        sample.name: set(sample.labels)
        for family in registry.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


@pytest.fixture(scope="module")
def asked(helm: Helm) -> list[tuple[str, str]]:
    """What alerts and panels ask for, by their titles."""
    on = {"enabled": True}
    objects = helm.objects({"metrics": {"prometheusRule": on, "dashboard": on}})
    return [*alerts(objects), *panels(objects)]


def alerts(objects: Objects) -> Iterator[tuple[str, str]]:
    rule = objects.one("PrometheusRule")
    for each in rule["spec"]["groups"][0]["rules"]:
        yield each["alert"], each["expr"]


def panels(objects: Objects) -> Iterator[tuple[str, str]]:
    config = objects.one("ConfigMap")
    for panel in json.loads(config["data"]["recast.json"])["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def test_all_that_is_asked_for_is_there(asked: list[tuple[str, str]], known: dict[str, set[str]]) -> None:
    assert len(asked) > 15
    for title, expression in asked:
        found = list(SELECTOR.finditer(expression))
        assert found, title
        for each in found:
            name, matchers = each[1], each[2] or ""
            assert name in known, f"{title}: {name}"
            labels = known[name] | ADDED_BY_THE_SCRAPE
            assert {match[0] for match in MATCHER.findall(matchers)} <= labels, f"{title}: {matchers}"
        grouped = {word.strip() for words in re.findall(r"by \(([^)]*)\)", expression) for word in words.split(",")}
        assert grouped <= set().union(*(known[each[1]] for each in found)), f"{title}: {grouped}"


def test_all_that_the_controller_shows_is_looked_at(asked: list[tuple[str, str]], known: dict[str, set[str]]) -> None:
    text = " ".join(expression for _, expression in asked)
    names = {re.sub(r"_(bucket|sum|count)$", "", name) for name in known}
    assert {name for name in names if name not in text} == set()


def test_phases_are_those_that_there_are(asked: list[tuple[str, str]]) -> None:
    for title, expression in asked:
        for name, _, value in MATCHER.findall(expression):
            if name == "phase":
                assert set(value.split("|")) <= set(PHASES), title


def test_alerts_choose_the_series_of_the_releases_own_scrape(helm: Helm) -> None:
    values = {"metrics": {"prometheusRule": {"enabled": True}, "serviceMonitor": {"enabled": True}}}
    objects = helm.objects(values, namespace="elsewhere")
    service, monitor = objects.one("Service"), objects.one("ServiceMonitor")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    for each in objects.one("PrometheusRule")["spec"]["groups"][0]["rules"]:
        found = [matchers for _, matchers in SELECTOR.findall(each["expr"])]
        assert all(f'namespace="elsewhere", job="{service["metadata"]["name"]}"' in matchers for matchers in found)
