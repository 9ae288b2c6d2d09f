"""What a worker tells of a job while its source is cut."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from demo.material import package_file
from recast.errors import BadConfig, BadInput
from recast.process import memory
from recast.spec import Consent, FacePair, JobSpec, Output, Source, Storage, Video
from recast.stage import StageInput
from segment_worker import precheck as module
from segment_worker.engines.passthrough import PassthroughEngine
from segment_worker.precheck import precheck
from tests import faces

pytestmark = pytest.mark.media


def job(*photos: Path, video: Video | None = None) -> StageInput:
    spec = JobSpec(
        source=Source(uri="s3://nobody/reads/it.mp4"),
        output=Output(uri="s3://nobody/writes/it.mp4"),
        faces=(FacePair(source=tuple(f"file://{photo}" for photo in photos)),),
        consent=Consent(reference="REL-1"),
        video=video or Video(),
        storage=Storage(scratch="s3://nobody/is/here"),
    )
    return StageInput(namespace="n", name="j", uid="u", spec=spec)


def test_photos_without_a_face_are_refused_and_doubtful_ones_are_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BadInput, match=r"brick\.png: no face found"):
        precheck(job(faces.faceless()))
    cat = package_file("skimage", "data/chelsea.png")
    assert "takes the job's photos" in precheck(job(cat)).message
    assert "chelsea.png: 1 face found: 250 pixels high, score 0.93: this may be no face" in capsys.readouterr().err
    precheck(job(faces.photo(), cat, cat))
    assert capsys.readouterr().err.count("chelsea.png: left out: ") == 1
    precheck(job(faces.photo()))
    assert "astronaut.png" not in capsys.readouterr().err


def test_a_photo_may_take_no_more_memory_than_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[int] = []

    def make_engine(*_: object) -> PassthroughEngine:
        limits.append(resource.getrlimit(resource.RLIMIT_DATA)[0])
        return PassthroughEngine()

    monkeypatch.setattr(module, "make_engine", make_engine)
    precheck(job(faces.photo()))
    assert limits == [int(memory.SHARE * memory.memory_bytes())]


def test_what_a_driver_may_hang_in_is_tried_and_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    class Warmed(PassthroughEngine):
        def warm_up(self) -> None:
            done.append("warm")

    @contextmanager
    def watched(_: float, describe: Callable[[], str]) -> Iterator[None]:
        done.append(describe())
        yield
        done.append("over")

    monkeypatch.setattr(module, "Watchdog", watched)
    monkeypatch.setattr(module, "check_nvenc", lambda _: done.append("tried"))
    monkeypatch.setattr(module, "make_engine", lambda *_: Warmed())
    precheck(job(faces.photo(), video=Video(encoder="Nvenc")))
    assert done == ["probe of the encoder", "tried", "over", "start of engine Mesh", "warm", "over"]


def test_an_encoder_that_no_machine_has_is_refused() -> None:
    with pytest.raises(BadConfig, match="it does not write prores"):
        precheck(job(faces.photo(), video=Video(encoder="Nvenc", codec="ProRes")))
