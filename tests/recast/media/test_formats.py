"""Each open of media for reading goes by the whitelist; `tests/hostilemedia` shows what that keeps out."""

import ast
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from recast.media import formats
from recast.verify import process

ROOT = Path(__file__).parents[3]
PACKAGES = ("recast", "controller", "segment_worker")
# `recast.verify` shares no code with what makes outputs.
OPENERS = {"recast/media/formats.py", "recast/verify/process.py"}


def test_every_open_for_reading_is_one_of_formats() -> None:
    assert [place for path in modules() for place in opens(path)] == []


@pytest.mark.parametrize(
    "code",
    ["av.open(path)", "av.open(path, 'r')", "av.open(path, mode)", "av_open(path)", "run(['ffmpeg', '-i', path])"],
)
def test_an_open_beside_them_would_be_seen(tmp_path: Path, code: str) -> None:
    path = tmp_path / "module.py"
    path.write_text(f"from av import open as av_open\n{code}\n")
    assert len(list(opens(path))) == 1


def test_each_demuxer_is_one_that_ffmpeg_has_and_verify_reads_the_same() -> None:
    known = {name for names in av.formats_available for name in names.split(",")}
    assert set(formats.DEMUXERS) <= known
    assert tuple(process.FORMATS.split(",")) == formats.DEMUXERS


def modules() -> Iterator[Path]:
    for package in PACKAGES:
        yield from (ROOT / package).rglob("*.py")


def opens(path: Path) -> Iterator[str]:
    """Places that open media for reading, by PyAV or by FFmpeg's binary."""
    if path.is_relative_to(ROOT) and str(path.relative_to(ROOT)) in OPENERS:
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and node.value == "-i":
            yield f"{path}:{node.lineno}"
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("av.open", "av_open", "av.container.open"):
            modes = [*node.args[1:2], *(word.value for word in node.keywords if word.arg == "mode")]
            if [mode.value for mode in modes if isinstance(mode, ast.Constant)] != ["w"]:
                yield f"{path}:{node.lineno}"
