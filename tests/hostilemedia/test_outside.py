"""What a source names is never opened: no other file, no address, by whichever way the source comes in."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import av
import pytest

from controller.stages.split import split
from recast import exitcodes
from recast.cli import main
from recast.errors import BadInput
from recast.media.ffmpeg import FFmpegFailed, run_ffmpeg
from recast.media.formats import ffmpeg_input
from recast.storage.embedded import EmbeddedStore
from segment_worker import preview
from tests import clips
from tests.hostilemedia.canary import Canary
from tests.hostilemedia.pointers import POINTERS, write_pointer
from tests.jobs import job

WHOLE = "mov_pointing"
"""Its samples are in it all the same, and FFmpeg knows no such reference."""

FEW = ("hls_file", "concat_url", "mov_reference", "avi_subtitles")


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Canary]:
    path = tmp_path / "canary.ts"
    path.write_bytes(clips.build("ts").read_bytes())
    with Canary(path) as watched:
        yield watched


@pytest.fixture
def pointers(canary: Canary, tmp_path: Path) -> dict[str, Path]:
    return {name: write_pointer(name, tmp_path, canary.path, canary.url) for name in POINTERS}


def test_split_refuses_each_in_one_line(
    s3: EmbeddedStore, canary: Canary, pointers: dict[str, Path], tmp_path: Path
) -> None:
    split(job(s3, pointers.pop(WHOLE), tmp_path / "out.mkv"))
    for path in pointers.values():
        with pytest.raises(BadInput, match=path.name) as caught:
            split(job(s3, path, tmp_path / "out.mkv"))
        assert "\n" not in str(caught.value)
    assert canary.touched() == []


@pytest.mark.parametrize("command", ["inspect", "verify", "preview"])
def test_commands_refuse_each_in_one_line(
    canary: Canary,
    pointers: dict[str, Path],
    command: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if command != "preview":
        del pointers[WHOLE]
    # Each is a process of FFmpeg's more.
    chosen = {name: pointers[name] for name in FEW} if command == "verify" else pointers
    for name, path in chosen.items():
        if command == "preview":
            monkeypatch.setenv("RECAST_PREVIEW", preview_of(path))
        arguments = [command, str(path)] + [str(clips.build("no_audio"))] * (command == "verify")
        code = preview.main() if command == "preview" else main(arguments)
        said = capsys.readouterr().err.splitlines()
        if name != WHOLE:
            assert (code, len(said)) == (exitcodes.BAD_INPUT, 1), (name, said)
    assert canary.touched() == []


def preview_of(path: Path) -> str:
    request = preview.Request(
        source=f"file://{path}",
        output=f"{path}.png",
        engine={"name": "Passthrough"},  # type: ignore[arg-type]
        faces=(),
        at=(0.5,),
        endpoint=None,
    )
    return request.model_dump_json(by_alias=True)


def test_ffmpeg_itself_opens_none_of_them_for_the_last_mux(canary: Canary, pointers: dict[str, Path]) -> None:
    for path in pointers.values():
        with suppress(FFmpegFailed):
            run_ffmpeg([*ffmpeg_input(path), "-map", "0:v", "-c", "copy", "-f", "null", "-"])
    assert canary.touched() == []


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("hls_file", {"allowed_extensions": "ALL"}),
        ("hls_url", {"protocol_whitelist": "file,http,tcp"}),
        ("concat_file", {"safe": "0"}),
        ("mov_reference", {"enable_drefs": "1"}),
    ],
)
def test_a_reader_without_the_whitelists_would_be_seen(
    canary: Canary, pointers: dict[str, Path], name: str, options: dict[str, str]
) -> None:
    with suppress(av.error.FFmpegError), av.open(str(pointers[name]), container_options=options) as container:
        next(container.demux(video=0), None)
    assert len(canary.touched()) == 1
