"""`recast preview`: what is refused before any work."""

import subprocess
import sys
from pathlib import Path

import pytest

from recast.cli import make_parser
from recast.commands import preview as preview_module
from recast.commands.preview import preview
from recast.errors import BadConfig, RecastError, UsageError


def refusal(*arguments: str | Path) -> RecastError:
    with pytest.raises(RecastError) as refused:
        preview(make_parser("preview").parse_args(["preview", *map(str, arguments)]))
    return refused.value


def test_a_picture_takes_the_place_of_nothing_that_it_is_made_from(tmp_path: Path) -> None:
    video, face, other = tmp_path / "in.png", tmp_path / "face.png", tmp_path / "other.png"
    for path in (video, face, other):
        path.write_bytes(b"mine")
    link = tmp_path / "link.png"
    link.hardlink_to(face)
    for output in (video, face, other, link):
        refused = refusal(video, output, "--face", face, "--select", other)
        assert isinstance(refused, UsageError) and "made from" in str(refused)
    assert face.read_bytes() == b"mine"


def test_a_place_that_cannot_be_written_to_is_refused_before_any_work(tmp_path: Path) -> None:
    for output in (tmp_path / "missing" / "p.png", tmp_path):
        target = output if output.suffix else output / "p.png"
        if target.parent == tmp_path:
            target.mkdir()
        assert isinstance(refusal("a.mp4", target, "--face", "f.png"), BadConfig)


def test_a_librarys_chat_is_not_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    says = "import sys; sys.stderr.write('INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\\nrecast: no\\n')"
    with subprocess.Popen([sys.executable, "-c", says], stderr=subprocess.PIPE) as process:
        preview_module._pass_on(process)
    assert capfd.readouterr().err == "recast: no\n"
