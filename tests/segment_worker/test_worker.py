"""Which segments a pod does, and what it refuses before it touches one."""

import json
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recast import log, names
from recast.errors import BadConfig, NotFound
from recast.fanout import segments_per_worker
from recast.layout import RunLayout
from recast.manifest import BadRun, Chunk, EncodeSettings, Plan, Segment, SourceObject, VideoFacts
from recast.packets import PlannedSegment
from recast.spec import Engine, Select, Target
from recast.stage import StageInput
from recast.versions import PIXEL_VERSION
from segment_worker import worker
from segment_worker.engines.factory import selection_of
from segment_worker.pipeline import SegmentStats
from segment_worker.worker import completion_index, segments_of_pod, work


@settings(deadline=None)
@given(st.integers(0, 3000), st.integers(1, 1000))
def test_pods_do_every_segment_once_and_in_order(total: int, per_pod: int) -> None:
    pods = -(-total // per_pod)
    done = [segment for pod in range(pods) for segment in segments_of_pod(pod, per_pod, total)]
    assert done == list(range(total))
    assert all(1 <= len(segments_of_pod(pod, per_pod, total)) <= per_pod for pod in range(pods))
    assert not segments_of_pod(pods, per_pod, total), "a pod too many does nothing"


@settings(deadline=None)
@given(st.integers(1, 3000), st.integers(1, 64))
def test_the_local_runners_workers_do_every_segment(segments: int, workers: int) -> None:
    each = segments_per_worker(segments, workers)
    pods = -(-segments // each)
    assert sum(len(segments_of_pod(pod, each, segments)) for pod in range(pods)) == segments


@pytest.mark.parametrize(("text", "index"), [("0", 0), ("12", 12)])
def test_a_pods_number_is_the_jobs_completion_index(text: str, index: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_COMPLETION_INDEX", text)
    assert completion_index() == index


@pytest.mark.parametrize("text", [None, "", "-1", "1.5", "a", " 1"])
def test_a_pod_without_a_number_is_configured_wrongly(text: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOB_COMPLETION_INDEX", raising=False)
    if text is not None:
        monkeypatch.setenv("JOB_COMPLETION_INDEX", text)
    with pytest.raises(BadConfig, match="JOB_COMPLETION_INDEX"):
        completion_index()


def test_every_way_to_select_faces_and_every_engine_is_known_here() -> None:
    for select in Select.__args__:  # type: ignore[attr-defined]
        target = Target.model_construct(select=select, index=2, max_distance=None)
        assert type(selection_of(target, "Mesh")).__name__ == select
    assert set(PIXEL_VERSION) == set(Engine.model_fields["name"].annotation.__args__)  # type: ignore[union-attr]


SEGMENTS = 7
CHUNKS = (0, 3, 5)
MakeJob = Callable[..., StageInput]


@pytest.fixture
def make_job(tmp_path: Path) -> MakeJob:
    """A job whose plan is on this machine's disk."""

    def make(engine: str = "Passthrough", inputs: dict[str, Any] | None = None) -> StageInput:
        scratch = tmp_path.as_uri() + "/scratch"
        layout = RunLayout.of(scratch=scratch, namespace="n", name="j", run="r")
        pinned = {"engine": "Passthrough", "pixelVersion": PIXEL_VERSION["Passthrough"], "faces": []} | (inputs or {})
        plan = Plan(
            run="r", source=SourceObject(uri="file:///a.mov", etag="e", size=1), container="mp4",
            video=VideoFacts(
                stream_index=0, codec="h264", width=64, height=48, pix_fmt="yuv420p", time_base=Fraction(1, 25),
                rate=Fraction(25), sar=Fraction(1),
            ),
            tracks=(), inputs=pinned, segments=SEGMENTS, frames=SEGMENTS, chunks=CHUNKS, first_pts=0, start_seconds=0,
            encode=EncodeSettings(codec="h264", pix_fmt="yuv420p", quality=1, preset="Auto", threads=1, gop=1),
        )  # fmt: skip
        write(layout.plan, plan.model_dump_json(by_alias=True))
        for number, (first, end) in enumerate(zip(CHUNKS, (*CHUNKS[1:], SEGMENTS), strict=True)):
            chunk = Chunk(
                segments=tuple(
                    Segment(index=k, object=k, sha256="", size=1, first=k, pts=(k,), packets=(0,))
                    for k in range(first, end)
                )
            )
            write(layout.chunk(number), chunk.model_dump_json(by_alias=True))
        spec = {
            "source": {"uri": "file:///a.mov"}, "output": {"uri": "file:///b.mp4"}, "engine": {"name": engine},
            "storage": {"scratch": scratch},
        }  # fmt: skip
        if engine != "Passthrough":
            spec |= {"faces": [{"source": ["file:///f.png"]}], "consent": {"reference": "x"}}  # type: ignore[dict-item]
        stage = {"namespace": "n", "name": "j", "uid": "u", "run": "r", "spec": spec, "segmentsPerPod": 2}
        return StageInput.model_validate_json(json.dumps(stage))

    return make


def write(uri: str, text: str) -> None:
    path = Path(uri.removeprefix("file://"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_every_segment_is_found_in_its_chunk(make_job: MakeJob) -> None:
    pod = worker._Pod(make_job(), Path())
    assert [pod.segment(k).segment.index for k in (*range(SEGMENTS), 0, 6)] == [*range(SEGMENTS), 0, 6]


@pytest.mark.parametrize("index", [0, 1, 3, 4])
def test_a_pod_does_its_own_segments_and_reports_them(
    make_job: MakeJob, index: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []

    following: list[int | None] = []

    def do(self: worker._Pod, segment: int, then: int | None) -> int:
        done.append(segment)
        following.append(then)
        return self.segment(segment).segment.frames

    monkeypatch.setattr(worker._Pod, "do", do)
    monkeypatch.setattr(log, "_bound", {})
    monkeypatch.setenv("JOB_COMPLETION_INDEX", str(index))
    result = work(make_job())
    assert done == list(range(SEGMENTS))[2 * index : 2 * index + 2]
    assert following == [*done[1:], *([None] if done else [])]
    assert (result.frames, result.segments) == (len(done), len(done))
    assert result.segment == (done[0] if done else None)


def test_an_error_says_which_segment_it_is_about(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(self: worker._Pod, planned: PlannedSegment) -> bool:
        if planned.segment.index == 3:
            raise NotFound("gone")
        return True

    monkeypatch.setattr(worker._Pod, "_is_committed", gone)
    monkeypatch.setattr(log, "_bound", {})
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    with pytest.raises(NotFound) as failed:
        work(make_job())
    assert failed.value.segment == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize("broken", ["_fetch", "_finish"])
def test_what_fails_aside_is_about_its_own_segment(
    make_job: MakeJob, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next segment is fetched, and the last one committed, while another is made."""

    def fails(self: worker._Pod, what: Any, *_: object) -> None:
        index = what.segment.index if broken == "_fetch" else what.index
        with worker.about(index):
            if index == (3 if broken == "_fetch" else 2):
                raise NotFound("gone")

    monkeypatch.setattr(worker._Pod, "_is_committed", lambda *_: False)
    monkeypatch.setattr(worker._Pod, "_make", lambda *_: (SegmentStats(frames=1), ()))
    monkeypatch.setattr(worker._Pod, "_fetch", lambda *_: None)
    monkeypatch.setattr(worker._Pod, "_finish", lambda *_: None)
    monkeypatch.setattr(worker._Pod, broken, fails)
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    with pytest.raises(NotFound) as failed:
        work(make_job())
    assert failed.value.segment == (3 if broken == "_fetch" else 2)


def test_the_next_segment_is_fetched_and_the_last_committed_while_one_is_made(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched, committed = threading.Event(), threading.Event()

    def make(self: worker._Pod, planned: PlannedSegment) -> tuple[SegmentStats, tuple[BadRun, ...]]:
        if planned.segment.index == 2:
            assert fetched.wait(5), "segment 3 comes while segment 2 is made"
        else:
            assert committed.wait(5), "segment 2 is committed while segment 3 is made"
        return SegmentStats(frames=1), ()

    def fetch(self: worker._Pod, planned: PlannedSegment) -> None:
        if planned.segment.index == 3:
            fetched.set()

    monkeypatch.setattr(worker._Pod, "_is_committed", lambda *_: False)
    monkeypatch.setattr(worker._Pod, "_make", make)
    monkeypatch.setattr(worker._Pod, "_fetch", fetch)
    monkeypatch.setattr(worker._Pod, "_finish", lambda self, segment, stats, bad: committed.set())
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    assert work(make_job()).segments == 2


def test_a_pod_without_a_run_is_configured_wrongly(make_job: MakeJob) -> None:
    with pytest.raises(BadConfig, match="run is missing"):
        work(make_job().model_copy(update={"run": None}))


@pytest.mark.parametrize(
    ("engine", "inputs"),
    [
        ("Passthrough", {"pixelVersion": PIXEL_VERSION["Passthrough"] + 1}),
        ("Passthrough", {"engine": "Mesh"}),
        ("Mesh", None),
    ],
    ids=["another pixel version", "another engine in the plan", "another engine in the job"],
)
def test_a_worker_that_would_make_other_pixels_than_the_jobs_refuses(
    make_job: MakeJob, engine: str, inputs: dict[str, Any] | None
) -> None:
    with pytest.raises(BadConfig, match="pixel version") as refused:
        worker._Pod(make_job(engine, inputs), Path())
    assert refused.value.reason == names.INPUTS_CHANGED


def test_frames_before_a_slice_are_told_of_and_the_decoder_is_let_go() -> None:
    closed: list[bool] = []

    def decode(_: Path) -> Any:
        try:
            yield from range(5)
        finally:
            closed.append(True)

    moves: list[None] = []
    told = worker.telling(decode, lambda: moves.append(None))(Path())
    assert [next(told), next(told)] == [0, 1] and len(moves) == 2
    told.close()
    assert closed == [True]


def test_a_parts_upload_is_not_under_the_watchdog(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    dogs: list[Any] = []

    class Dog:
        stopped = False

        def __init__(self, *_: object) -> None:
            dogs.append(self)

        def moved(self) -> None: ...

        def __enter__(self) -> "Dog":
            return self

        def __exit__(self, *_: object) -> None:
            self.stopped = True

    pod = worker._Pod(make_job(), Path())
    monkeypatch.setattr(worker, "Watchdog", Dog)
    monkeypatch.setattr(worker, "check_part", lambda *_, **more: None)
    seen: list[bool] = []
    monkeypatch.setattr(pod, "_commit", lambda *_: seen.append(dogs[-1].stopped))
    pod._finish(pod.segment(0).segment, SegmentStats(), ())
    assert seen == [True], "the store has time limits of its own"
