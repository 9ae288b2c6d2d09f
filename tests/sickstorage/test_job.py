"""A whole job through the proxy: how much it asks for, and what a sick store makes of it."""

import itertools
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from controller.stages.mux import mux
from controller.stages.split import split
from recast import storageconfig
from recast.errors import Corrupt, RecastError, StorageUnavailable
from recast.exitcodes import RETRIED
from recast.parts import REPORT
from recast.spec import FacePair, Video
from recast.stage import StageInput, StageResult
from recast.storage.embedded import EmbeddedStore
from recast.storage.storage import Storage
from tests import clips, faces
from tests.jobs import job, swap
from tests.s3proxy import Answer, Forward, Hook, Request, S3Proxy, refusal
from tests.sickstorage.conftest import TIMEOUT_SECONDS
from tests.sickstorage.faults import OF_ANY_REQUEST, OF_BODIES, always, bit_flip, first, internal_error

LOSSY = Video(preset="ultrafast")
TRIES = 3
OF_SPLIT, OF_WORKERS, OF_MUX, OF_TIDYING = 6, 2, 9, 3
"""Requests of a job however many segments it has."""


@pytest.fixture(scope="module")
def source(s3: EmbeddedStore, storage: Storage, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Twelve seconds with a keyframe each, and sound, as another tool would have put it: in one request."""
    path = tmp_path_factory.mktemp("source") / "in.mp4"
    clips.ffmpeg(*clips.picture(12), *clips.sound(12), *clips.x264(), *clips.AAC, path)
    uri = f"s3://{s3.bucket}/tests/{uuid.uuid4().hex}/in.mp4"
    storage.upload(uri, path)
    return uri


def through(
    proxy: S3Proxy, s3: EmbeddedStore, source: str, output: str, seconds: float = 4, **options: Any
) -> StageInput:
    """A job whose stages ask through the proxy."""
    asked = job(s3, source, output, seconds=seconds, video=LOSSY, **options)
    place = asked.spec.storage.model_copy(update={"endpoint": proxy.endpoint})
    return asked.model_copy(update={"spec": asked.spec.model_copy(update={"storage": place})})


def transfers(requests: list[Request]) -> int:
    """How many requests there are, where all that read or write ranges of one object are one."""
    ranges = {(request.method, request.key) for request in requests if request.range or "uploadId" in request.query}
    return len(ranges) + sum(not request.range and "uploadId" not in request.query for request in requests)


@pytest.mark.parametrize(
    ("per_pod", "engine", "retain"),
    [
        *[(per_pod, "Passthrough", retain) for per_pod in (1, 3, 12) for retain in ("Always", "OnFailure")],
        (1, "Mesh", "OnFailure"),
    ],
)
def test_a_job_asks_for_little(
    proxy: S3Proxy,
    s3: EmbeddedStore,
    storage: Storage,
    source: str,
    prefix: str,
    per_pod: int,
    engine: str,
    retain: Any,
) -> None:
    photos = [f"{prefix}face.png"] if engine == "Mesh" else []
    for photo in photos:
        storage.upload(photo, faces.photo())
    pairs = [FacePair(source=tuple(photos))] if photos else []
    asked = through(proxy, s3, source, f"{prefix}out.mp4", seconds=1, engine=engine, pairs=pairs, retain=retain)
    done = split(asked)
    ready, key, size = asked.model_copy(update={"run": done.run}), source.split("/", 3)[3], storage.head(source).size
    by_split, read_by_split = transfers(proxy.requests), proxy.bytes_read(key)
    proxy.forget()
    pods = 12 // per_pod
    for index in range(pods):
        swap(ready, index, per_pod=per_pod)
    by_workers = transfers(proxy.requests)
    assert proxy.bytes_read(key) == 0
    proxy.forget()
    mux(ready)
    by_mux, read_by_mux = transfers(proxy.requests), proxy.bytes_read(key)
    print(f"{done.segments} segments: split {by_split}, workers {by_workers}, mux {by_mux} requests")
    print(f"source: {size} bytes, split {read_by_split / size:.2f}, mux {read_by_mux / size:.2f}")
    assert done.segments == 12
    assert by_split <= done.segments + OF_SPLIT + len(photos)
    # Plan and encoder once a pod; of a segment a look at its part, its packets, and its part.
    assert by_workers <= 2 * pods + 3 * done.segments + OF_WORKERS
    assert by_mux <= done.segments + OF_MUX + (OF_TIDYING if retain == "OnFailure" else 0)
    assert by_split + by_workers + by_mux <= 9 * done.segments
    assert read_by_split <= 1.1 * size
    assert read_by_mux <= 1.1 * size


def test_mux_leaves_out_pictures_that_are_larger_than_a_look(
    proxy: S3Proxy, s3: EmbeddedStore, storage: Storage, prefix: str, tmp_path: Path
) -> None:
    # Two seconds of pictures, 25 MB, between two stretches of sound.
    coded = ["-c:v", "v210", "-c:a", "pcm_s16le", "-chunk_duration", "2000000"]
    clips.ffmpeg(*clips.picture(6, size="1280x720", rate="5"), *clips.sound(6), *coded, tmp_path / "in.mov")
    source = f"{prefix}in.mov"
    storage.upload(source, tmp_path / "in.mov")
    asked = through(proxy, s3, source, f"{prefix}out.mov")
    ready = asked.model_copy(update={"run": split(asked).run})
    swap(ready, 0, per_pod=10)
    proxy.forget()
    mux(ready)
    share = proxy.bytes_read(source.split("/", 3)[3]) / storage.head(source).size
    print(f"mux reads {share:.2f} of the source")
    assert share < 0.5


@contextmanager
def impatient() -> Iterator[None]:
    """Storages that stages make wait no longer than a test may."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storageconfig, "Storage", partial(Storage, attempts=4, timeout=TIMEOUT_SECONDS))
        storageconfig._storage.cache_clear()
        yield
    storageconfig._storage.cache_clear()


def run(asked: StageInput) -> None:
    """All stages, each tried again as a Job would after an error that may pass."""
    done = tried(lambda: split(asked))
    ready = asked.model_copy(update={"run": done.run, "segments_per_pod": done.segments})
    tried(lambda: swap(ready, 0, per_pod=done.segments or 1))
    tried(lambda: mux(ready))


def tried(stage: Callable[[], StageResult]) -> StageResult:
    for _ in range(TRIES - 1):
        try:
            return stage()
        except RecastError as error:
            assert error.exit_code in RETRIED, error
    return stage()


@pytest.fixture(scope="module")
def right(s3: EmbeddedStore, storage: Storage, source: str) -> bytes:
    """The output of an undisturbed run."""
    # More than once in a session, where its tests are spread over processes.
    output = f"s3://{s3.bucket}/tests/{uuid.uuid4().hex}/right.mp4"
    run(job(s3, source, output, seconds=4, video=LOSSY))
    return storage.get(output)


def every(count: int, fault: Hook) -> Hook:
    """The fault befalls every so many requests, of those that answer with a body where that is what it needs."""
    seen = itertools.count(1)

    def hook(request: Request, forward: Forward) -> Answer:
        fits = fault in OF_ANY_REQUEST or request.operation == "GetObject"
        return fault(request, forward) if fits and next(seen) % count == 0 else forward()

    return hook


@pytest.mark.parametrize("fault", [*OF_ANY_REQUEST, *OF_BODIES])
def test_a_job_over_a_sick_store_gives_the_same_bytes(
    proxy: S3Proxy, s3: EmbeddedStore, storage: Storage, source: str, right: bytes, prefix: str, fault: Hook
) -> None:
    with impatient():
        proxy.hook = every(5, fault)
        run(through(proxy, s3, source, f"{prefix}out.mp4"))
    assert storage.get(f"{prefix}out.mp4") == right


def reads(kind: str, source: str) -> Callable[[Request], bool]:
    """Whether a request reads an object of a kind."""
    own = source.split("/", 3)[3]
    return lambda request: request.method == "GET" and (request.key == own if kind == "source" else kind in request.key)


@pytest.mark.parametrize("kind", ["source", "plan.json", "/segments/", "/parts/", "encoder.json", "source.json"])
def test_a_bit_that_is_always_flipped_is_an_error_and_no_output(
    proxy: S3Proxy, s3: EmbeddedStore, storage: Storage, source: str, prefix: str, kind: str
) -> None:
    with impatient():
        proxy.hook = always(bit_flip, reads(kind, source))
        with pytest.raises(RecastError) as found:
            run(through(proxy, s3, source, f"{prefix}out.mp4"))
    assert found.value.exit_code == 75
    assert not storage.exists(f"{prefix}out.mp4")


def of_the_report(request: Request, forward: Forward) -> Answer:
    """A digit of a report is another one: a store checks no metadata."""
    answer = forward()
    name = f"x-amz-meta-{REPORT}"
    if name not in answer.headers:
        return answer
    assert '"frames":1' in answer.headers[name]
    return replace(answer, headers={**answer.headers, name: answer.headers[name].replace('"frames":1', '"frames":3')})


def test_a_report_that_is_always_damaged_is_an_error_and_no_output(
    proxy: S3Proxy, s3: EmbeddedStore, storage: Storage, source: str, prefix: str
) -> None:
    proxy.hook = of_the_report
    with pytest.raises(RecastError, match=r"parts/000000-.*no report") as found:
        run(through(proxy, s3, source, f"{prefix}out.mp4"))
    assert found.value.exit_code == 75
    assert not storage.exists(f"{prefix}out.mp4")


@pytest.mark.parametrize("stage", ["split", "mux"])
def test_a_bit_of_the_source_that_is_flipped_once_is_noticed(
    proxy: S3Proxy, s3: EmbeddedStore, storage: Storage, source: str, right: bytes, prefix: str, stage: str
) -> None:
    asked = through(proxy, s3, source, f"{prefix}out.mp4")
    flip = first(1, bit_flip, reads("source", source))
    if stage == "split":
        proxy.hook = flip
        with pytest.raises(Corrupt, match=r"in\.mp4"):
            split(asked)
    done = split(asked)
    ready = asked.model_copy(update={"run": done.run, "segments_per_pod": done.segments})
    swap(ready, 0, per_pod=done.segments or 1)
    if stage == "mux":
        proxy.hook = always(bit_flip, reads("source", source))
        with pytest.raises(Corrupt, match=r"in\.mp4"):
            mux(ready)
        proxy.hook = flip
    mux(ready)
    assert storage.get(f"{prefix}out.mp4") == right


def test_sound_that_the_store_stops_giving_is_an_error_and_no_output(
    proxy: S3Proxy, s3: EmbeddedStore, storage: Storage, prefix: str, tmp_path: Path
) -> None:
    """FFmpeg takes an error of reading for the file's end."""
    coded = ["-vf", "noise=alls=40:allf=t", "-c:v", "ffv1", "-c:a", "pcm_s16le"]
    clips.ffmpeg(*clips.picture(6, size="1280x720", rate="5"), *clips.sound(6), *coded, tmp_path / "in.mkv")
    source, output = f"{prefix}in.mkv", f"{prefix}out.mkv"
    storage.upload(source, tmp_path / "in.mkv")
    late = storage.head(source).size // 2
    asked = through(proxy, s3, source, output)
    ready = asked.model_copy(update={"run": split(asked).run})
    swap(ready, 0, per_pod=10)
    from_source = reads("source", source)
    proxy.hook = always(internal_error, lambda ask: from_source(ask) and (ask.range or (0, 0))[0] > late)
    with impatient(), pytest.raises(StorageUnavailable, match=r"in\.mkv"):
        mux(ready)
    assert not storage.exists(output)
    proxy.hook = always(lambda _, forward: forward())
    mux(ready)
    assert storage.exists(output)


def forgetful() -> Hook:
    """A store that does not show an object at the first request for it, though it is there."""
    asked: set[str] = set()

    def hook(request: Request, forward: Forward) -> Answer:
        if request.operation != "GetObject" or request.key in asked:
            return forward()
        asked.add(request.key)
        return refusal(404, "NoSuchKey")

    return hook


@pytest.mark.parametrize("stage", ["swap", "mux"])
def test_what_was_promised_is_looked_for_twice(
    proxy: S3Proxy,
    s3: EmbeddedStore,
    storage: Storage,
    source: str,
    right: bytes,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
) -> None:
    monkeypatch.setattr("recast.storage.storage.SECOND_LOOK_SECONDS", 0.01)
    asked = through(proxy, s3, source, f"{prefix}out.mp4")
    done = split(asked)
    ready = asked.model_copy(update={"run": done.run, "segments_per_pod": done.segments})
    if stage == "swap":
        proxy.hook = forgetful()
    swap(ready, 0, per_pod=done.segments or 1)
    if stage == "mux":
        proxy.hook = forgetful()
    mux(ready)
    assert storage.get(f"{prefix}out.mp4") == right
