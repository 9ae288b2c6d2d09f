"""One encoder for a whole job: the first worker's, whoever comes first."""

import json
import multiprocessing
import os
from pathlib import Path

import pytest

from controller.stages.split import split
from recast import names
from recast.errors import BadConfig
from recast.manifest import EncoderChoice
from recast.stage import StageInput
from recast.storage.embedded import EmbeddedStore
from recast.storage.storage import Storage
from segment_worker import agreement, worker
from tests import clips
from tests.jobs import job, swap

WORKERS = 4


def choose(asked: StageInput, number: int, start: object, answers: object) -> None:
    """One of the workers: its own idea of an encoder, and what it then uses."""

    def own(*_: object, agreed: str | None = None) -> EncoderChoice:
        return EncoderChoice(name=agreed or f"encoder-{number}", options={}, extradata_sha256="same")

    agreement.choose_encoder = own  # type: ignore[assignment]
    os.environ["JOB_COMPLETION_INDEX"] = "0"
    pod = worker._Pod(asked, Path())
    start.wait()  # type: ignore[attr-defined]
    answers.put(pod._encoder.name)  # type: ignore[attr-defined]


def test_four_workers_at_once_agree_on_one(s3: EmbeddedStore, storage: Storage, tmp_path: Path) -> None:
    asked = job(s3, clips.build("cfr"), tmp_path / "out.mp4")
    ready = asked.model_copy(update={"run": split(asked).run})
    context = multiprocessing.get_context("spawn")
    start, answers = context.Barrier(WORKERS), context.Queue()
    workers = [context.Process(target=choose, args=(ready, number, start, answers)) for number in range(WORKERS)]
    for each in workers:
        each.start()
    chosen = {answers.get(timeout=60) for _ in workers}
    for each in workers:
        each.join(30)
    assert len(chosen) == 1
    committed = json.loads(storage.get(ready.layout(ready.run or "").encoder))
    assert committed["name"] in chosen


def test_a_worker_whose_encoder_writes_otherwise_stops_before_its_first_frame(
    s3: EmbeddedStore, storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = job(s3, clips.build("cfr"), tmp_path / "out.mp4")
    ready = asked.model_copy(update={"run": split(asked).run})
    swap(ready, 0)
    uri = ready.layout(ready.run or "").encoder
    first = EncoderChoice.model_validate_json(storage.get(uri))
    monkeypatch.setenv("NODE_NAME", "node-7")
    for changed, says in (
        ({"extradata_sha256": "another"}, r"node node-7: its libx264 does not encode like .* one GPU model"),
        ({"name": "h264_nvenc"}, r"node node-7: the job's first worker encodes by h264_nvenc, which does not run here"),
    ):
        storage.put(uri, first.model_copy(update=changed).model_dump_json(by_alias=True).encode())
        with pytest.raises(BadConfig, match=says) as refused:
            swap(ready, 1)
        assert refused.value.reason == names.ENCODER_MISMATCH
