"""What the controller tells Prometheus."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from recast.kube.names import STALLED
from recast.status import JobStatus

ENDS = ("Succeeded", "Failed")
PHASES = ("Pending", "Queued", "Splitting", "Swapping", "Muxing", *ENDS, "Suspended")
RESULTS = ("spent", "lost")


class Metrics:
    """All of the controller's metrics.

    Args:
        registry: where they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.reconciles = Counter("recast_reconciles_total", "Looks at a FaceSwapJob.", ["result"], registry=registry)
        self.reconcile_seconds = Histogram(
            "recast_reconcile_seconds", "Time of one look at a FaceSwapJob.", registry=registry
        )
        self.queue_depth = Gauge("recast_queue_depth", "FaceSwapJobs that wait for a look.", registry=registry)
        self.queue_seconds = Histogram(
            "recast_queue_seconds", "Time from a change being heard to the look at it.", registry=registry
        )
        self.api_requests = Counter(
            "recast_api_requests_total", "Requests to the API server.", ["verb", "resource", "code"], registry=registry
        )
        self.leader = Gauge("recast_leader", "1 where this controller is the one that works.", registry=registry)
        self.refused = Gauge(
            "recast_namespace_refused",
            "1 where a watched namespace may not be read, or is gone; * is the whole cluster.",
            ["watched"],
            registry=registry,
        )
        self.segments_done = Counter("recast_segments_done_total", "Segments that were finished.", registry=registry)
        self.frames_done = Counter("recast_frames_done_total", "Frames in finished segments.", registry=registry)
        self.gpu_seconds = Counter(
            "recast_gpu_seconds_total", "GPU time of finished pods.", ["result"], registry=registry
        )
        self.jobs_ended = Counter("recast_jobs_ended_total", "FaceSwapJobs that ended.", ["phase"], registry=registry)
        # Without a sample before the first one, Prometheus would not see that one as an increase.
        for phase in ENDS:
            self.jobs_ended.labels(phase)
        for result in RESULTS:
            self.gpu_seconds.labels(result)

    def follow(self, before: JobStatus, after: JobStatus) -> None:
        """Count what a status write says is new."""
        if before.completion_time is None and after.completion_time is not None:
            self.jobs_ended.labels(after.phase).inc()
        self.segments_done.inc(max(0, after.segments.succeeded - before.segments.succeeded))
        self.frames_done.inc(max(0, after.frames.done - before.frames.done))
        self.gpu_seconds.labels("spent").inc(max(0, after.gpu_seconds.spent - before.gpu_seconds.spent))
        self.gpu_seconds.labels("lost").inc(max(0, after.gpu_seconds.lost - before.gpu_seconds.lost))


class JobCounts(Collector):
    """Counts the FaceSwapJobs in the cache when Prometheus asks.

    Args:
        statuses: gives the status of each.
    """

    def __init__(self, statuses: Callable[[], Iterable[JobStatus]]) -> None:
        self._statuses = statuses

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Called by prometheus_client at each scrape."""
        phases = dict.fromkeys(PHASES, 0)
        reasons: dict[str, int] = {}
        for status in self._statuses():
            phases[status.phase] += 1
            stalled = status.condition(STALLED)
            if stalled is not None and stalled.status == "True" and status.completion_time is None:
                reasons[stalled.reason] = reasons.get(stalled.reason, 0) + 1
        yield _family("recast_jobs", "FaceSwapJobs by phase.", "phase", phases)
        yield _family("recast_jobs_stalled", "FaceSwapJobs that do not move, by reason.", "reason", reasons)


def _family(name: str, text: str, label: str, counts: dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family
