"""A whole job through the proxy: how much it asks for, and what a sick store makes of it."""

from collections import Counter

import pytest

from controller.stages.mux import mux
from controller.stages.split import split
from recast.embedded import EmbeddedStore
from recast.spec import Video
from recast.stage import StageInput
from recast.storage import Storage
from tests import clips
from tests.jobs import job, swap
from tests.s3proxy import Request, S3Proxy

LOSSY = Video(preset="ultrafast")
OF_A_JOB = 20
"""Requests of a job however many segments it has."""


@pytest.fixture(scope="module")
def source(s3: EmbeddedStore, storage: Storage, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Twelve seconds with a keyframe each, and sound, as another tool would have put it: in one request."""
    path = tmp_path_factory.mktemp("source") / "in.mp4"
    clips.ffmpeg(*clips.picture(12), *clips.sound(12), *clips.x264(), *clips.AAC, path)
    uri = f"s3://{s3.bucket}/tests/sick/in.mp4"
    storage.upload(uri, path)
    return uri


def through(proxy: S3Proxy, s3: EmbeddedStore, source: str, output: str) -> StageInput:
    """A job whose stages ask through the proxy."""
    asked = job(s3, source, output, video=LOSSY)
    place = asked.spec.storage.model_copy(update={"endpoint": proxy.endpoint})
    return asked.model_copy(update={"spec": asked.spec.model_copy(update={"storage": place})})


def transfers(requests: list[Request]) -> int:
    """How many requests there are, where all that read or write ranges of one object are one."""
    ranges = {(request.method, request.key) for request in requests if request.range or "uploadId" in request.query}
    return len(ranges) + sum(not request.range and "uploadId" not in request.query for request in requests)


def test_a_job_asks_for_little(proxy: S3Proxy, s3: EmbeddedStore, storage: Storage, source: str, prefix: str) -> None:
    asked = through(proxy, s3, source, f"{prefix}out.mp4")
    done = split(asked)
    ready, key, size = asked.model_copy(update={"run": done.run}), source.split("/", 3)[3], storage.head(source).size
    by_split, read_by_split = transfers(proxy.requests), proxy.bytes_read(key)
    proxy.forget()
    for index in range(done.segments or 0):
        swap(ready, index)
    by_workers = transfers(proxy.requests)
    for what, count in Counter(
        (request.operation, request.key.rsplit("/", 2)[-2]) for request in proxy.requests
    ).items():
        print(what, count)
    assert proxy.bytes_read(key) == 0
    proxy.forget()
    mux(ready)
    by_mux, read_by_mux = transfers(proxy.requests), proxy.bytes_read(key)
    for what, count in Counter(
        (request.operation, request.key.rsplit("/", 2)[-2]) for request in proxy.requests
    ).items():
        print(what, count)
    print(f"{done.segments} segments: split {by_split}, workers {by_workers}, mux {by_mux} requests")
    print(f"source: {size} bytes, split {read_by_split / size:.2f}, mux {read_by_mux / size:.2f}")
    assert done.segments == 12
    assert by_split + by_workers + by_mux <= 9 * done.segments + OF_A_JOB
    assert read_by_split <= 1.1 * size
    assert read_by_mux <= 1.1 * size
