"""Each limit of the spec and of the command line: what is over it is refused in one line, what is at it is not."""

import resource
from pathlib import Path

import pytest

from controller.stages.split import split
from recast import exitcodes, names
from recast.cli import main
from recast.errors import BadInput
from recast.process import memory
from recast.spec import Limits
from recast.storage.embedded import EmbeddedStore
from tests import clips, faces
from tests.jobs import job

CFR = {"bytes": None, "pixels": 192 * 144, "streams": 2, "packets": 75, "seconds": 2.96}
"""What the clip has."""


@pytest.fixture
def clip() -> Path:
    return clips.build("cfr")


@pytest.mark.parametrize("name", CFR)
def test_what_is_over_a_limit_is_refused_and_names_it(
    s3: EmbeddedStore, clip: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    has = CFR[name] or clip.stat().st_size
    enough = job(s3, clip, tmp_path / "out.mp4")
    less = has - (0.01 if name == "seconds" else 1)

    def with_limit(value: float) -> Limits:
        return Limits.model_validate({name: value})

    split(enough.model_copy(update={"spec": enough.spec.model_copy(update={"limits": with_limit(has)})}))
    asked = enough.model_copy(update={"name": "less"})
    with pytest.raises(BadInput, match=rf"cfr.*limits\.{name} \(--limit {name}=N\) allows") as caught:
        split(asked.model_copy(update={"spec": asked.spec.model_copy(update={"limits": with_limit(less)})}))
    assert caught.value.reason == names.OVER_LIMIT

    assert main(["inspect", str(clip), "--limit", f"{name}={has}"]) == exitcodes.OK
    capsys.readouterr()
    assert main(["inspect", str(clip), "--limit", f"{name}={less}"]) == exitcodes.BAD_INPUT
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_face_image_of_too_many_bytes_is_refused_by_split(s3: EmbeddedStore, clip: Path, tmp_path: Path) -> None:
    photo = faces.photo()
    asked = job(s3, clip, tmp_path / "out.mp4", engine="Mesh", faces=[photo])
    limits = Limits(image_bytes=photo.stat().st_size - 1)
    with pytest.raises(BadInput, match=r"limits\.imageBytes"):
        split(asked.model_copy(update={"spec": asked.spec.model_copy(update={"limits": limits})}))


@pytest.mark.parametrize("text", ["pixels", "pixels=many", "pixels=0", "pixels=999999999", "dreams=1", "=1"])
def test_what_is_no_limit_is_a_usage_error(clip: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(clip), "--limit", text]) == exitcodes.USAGE
    assert "--limit" in capsys.readouterr().err


def test_memory_is_bounded_while_a_file_is_looked_at_and_not_after(monkeypatch: pytest.MonkeyPatch) -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    monkeypatch.setattr(memory, "memory_bytes", lambda: int(own_data_bytes() / memory.SHARE) + (64 << 20))
    with memory.bounded_memory(), pytest.raises(MemoryError):
        bytearray(256 << 20)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    bytearray(256 << 20)


def own_data_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmData:")[1].split()[0]) * 1024
