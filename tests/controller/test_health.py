import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from controller.health import HealthServer
from controller.metrics import JobCounts, Metrics
from controller.planning.conditions import with_condition
from controller.settings import read_settings
from recast.kube.names import STALLED
from recast.status import FrameCounts, GpuSeconds, SegmentCounts
from tests.controller.builders import NOW, was_split


class State:
    healthy: str | None = None
    ready: str | None = "the caches are not filled yet"


@pytest.fixture
def server() -> Iterator[tuple[HealthServer, State, Metrics]]:
    state, metrics = State(), Metrics(CollectorRegistry())
    running = HealthServer(("127.0.0.1", 0), lambda: state.healthy, lambda: state.ready, metrics.registry)
    running.start()
    yield running, state, metrics
    running.stop()


def test_without_a_host_it_answers_at_the_addresses_of_both_kinds() -> None:
    running = HealthServer(("", 0), lambda: None, lambda: None, CollectorRegistry())
    running.start()
    for host in ("127.0.0.1", *(["[::1]"] if socket.has_dualstack_ipv6() else [])):
        with urllib.request.urlopen(f"http://{host}:{running.port}/healthz", timeout=5) as answer:
            assert answer.status == 200
    running.stop()


@pytest.mark.parametrize(
    ("given", "address"),
    [(":8080", ("", 8080)), ("[::]:81", ("::", 81)), ("0.0.0.0:8080", ("0.0.0.0", 8080))],  # noqa: S104
)
def test_an_address_may_be_of_either_kind(given: str, address: tuple[str, int]) -> None:
    images = ["--stage-image", "a", "--worker-image", "b"]
    assert read_settings([*images, "--health", given]).health == address


def get(server: HealthServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_health_and_readiness_say_what_is_wrong(server: tuple[HealthServer, State, Metrics]) -> None:
    running, state, _ = server
    assert get(running, "/healthz") == (200, "ok\n")
    assert get(running, "/readyz?verbose") == (503, "the caches are not filled yet\n")
    state.ready, state.healthy = None, "a look hangs"
    assert get(running, "/readyz") == (200, "ok\n")
    assert get(running, "/healthz") == (503, "a look hangs\n")
    assert get(running, "/else")[0] == 404


def test_metrics_count_what_a_status_says_is_new(server: tuple[HealthServer, State, Metrics]) -> None:
    running, _, metrics = server
    after = was_split(
        segments=SegmentCounts(total=6, succeeded=4),
        frames=FrameCounts(total=150, done=100),
        gpu_seconds=GpuSeconds(spent=30, lost=2),
    )
    metrics.follow(was_split(), after)
    metrics.follow(after, was_split())
    text = get(running, "/metrics")[1]
    for line in (
        "recast_segments_done_total 4.0",
        "recast_frames_done_total 100.0",
        'recast_gpu_seconds_total{result="spent"} 30.0',
        'recast_gpu_seconds_total{result="lost"} 2.0',
    ):
        assert line in text, line


def test_jobs_that_ended_are_counted_once_and_from_0(server: tuple[HealthServer, State, Metrics]) -> None:
    running, _, metrics = server
    failed = was_split(phase="Failed", completion_time=NOW)
    assert 'recast_jobs_ended_total{phase="Failed"} 0.0' in get(running, "/metrics")[1]
    metrics.follow(was_split(), failed)
    metrics.follow(failed, failed)
    text = get(running, "/metrics")[1]
    assert 'recast_jobs_ended_total{phase="Failed"} 1.0' in text
    assert 'recast_jobs_ended_total{phase="Succeeded"} 0.0' in text


def test_jobs_are_counted_by_phase_and_those_that_do_not_move_by_reason(
    server: tuple[HealthServer, State, Metrics],
) -> None:
    running, _, metrics = server
    there = [was_split(phase="Swapping"), was_split(phase="Swapping"), was_split(phase="Failed")]
    metrics.registry.register(JobCounts(lambda: there))
    text = get(running, "/metrics")[1]
    assert 'recast_jobs{phase="Swapping"} 2.0' in text and 'recast_jobs{phase="Muxing"} 0.0' in text
    assert "recast_jobs_stalled{" not in text
    there[0] = with_condition(there[0], STALLED, "True", "NodeLost", "", generation=1, now=NOW)
    assert 'recast_jobs_stalled{reason="NodeLost"} 1.0' in get(running, "/metrics")[1]
    there[0] = there[0].model_copy(update={"completion_time": NOW})
    assert "recast_jobs_stalled{" not in get(running, "/metrics")[1], "one that failed needs no second alert"
