"""`recast inspect`: what a video is, where it would be cut, what would be kept and what cannot be."""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from io import RawIOBase
from pathlib import Path
from typing import get_args

from av.container import InputContainer

from recast import exitcodes
from recast.commands.arguments import Commands, add_limit_argument, limits_of, new_parser, to_uri
from recast.commands.inspected import Cut, Found, Outcome, json_of, text_of
from recast.commands.refusals import refused_as_typed
from recast.commands.videoarguments import add_video_arguments, audio_of, check_preset, kinds_of, video_of
from recast.errors import BadInput, RecastError
from recast.manifest import EncodeSettings, Track, VideoFacts
from recast.media import codecs, source, tracks
from recast.media.cut import MAX_NORMALISED, MAX_VIRTUAL, virtual_slices
from recast.media.edits import without_cut_sound
from recast.media.encrypted import scrambling_told
from recast.media.formats import opened_as
from recast.media.limits import Allowance
from recast.media.losses import Losses
from recast.media.lossless import lossless_codec
from recast.media.split import SegmentFile, TimesCollide, split_packets
from recast.media.times import Timing
from recast.media.timing import decode_timing, read_timing
from recast.media.truncated import is_truncated
from recast.media.watch import Watch
from recast.process.memory import bounded_memory
from recast.spec import Audio, Container, Limits, Output, TrackKind, Video
from recast.storage.storage import Storage, StorageSettings

CONTAINERS: tuple[Container, ...] = get_args(Container)
EPILOG = """examples:
  recast inspect interview.mp4
  recast inspect interview.mp4 --segment-seconds 60
  recast inspect interview.mov --codec prores
  recast inspect interview.mp4 --json
  recast inspect upload.mkv --limit seconds=3600 --limit pixels=8294400
  recast inspect s3://studio/in/a.mp4 --endpoint-url http://127.0.0.1:8333

Pictures are not decoded: damage inside them is seen by `recast run` only.
"""


def add_parser(commands: Commands, text: str) -> None:
    """Add the command to the parser."""
    description = "Say what a video is, where it would be cut, what would be kept and what cannot be."
    parser = new_parser(commands, "inspect", text, description, EPILOG)
    parser.add_argument("source", metavar="SOURCE", help="the video: a path or s3:// URI")
    parser.add_argument("--segment-seconds", type=float, default=10.0, metavar="S", help="default: %(default)g")
    parser.add_argument("--endpoint-url", metavar="URL", help="the S3 endpoint of an s3:// URI")
    add_limit_argument(parser)
    add_video_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object; docs/using.md describes its fields")
    parser.set_defaults(body=inspect)


@dataclass(frozen=True)
class _Asked:
    """The source, how much of it may be read, how long its segments shall be, and what shall be kept."""

    uri: str
    limits: Limits
    segment_seconds: float
    video: Video
    audio: Audio
    drop_tracks: tuple[TrackKind, ...]


def _asked(options: argparse.Namespace) -> _Asked:
    check_preset(options)
    with refused_as_typed():
        video = video_of(options)
    return _Asked(
        uri=to_uri(options.source),
        limits=limits_of(options),
        segment_seconds=options.segment_seconds,
        video=video,
        audio=audio_of(options),
        drop_tracks=kinds_of(options),
    )


def inspect(options: argparse.Namespace) -> int:
    """Carry the command out."""
    with bounded_memory():
        return _inspect(options)


def _inspect(options: argparse.Namespace) -> int:
    asked = _asked(options)
    uri, limits = asked.uri, asked.limits
    storage = Storage(StorageSettings(endpoint=options.endpoint_url))
    size = storage.head(uri).size
    Allowance(limits, uri).opened(size)

    @contextmanager
    def opened(losses: Losses | None = None) -> Iterator[InputContainer]:
        with storage.open(uri) as file, source.open_source(file, uri, limits, losses) as container:
            yield container

    def read_head(size: int) -> bytes:
        with storage.open(uri) as file:
            return file.read(size) or b""

    with scrambling_told(read_head, uri):
        facts, timings = read_timing(opened, uri)
    with opened() as container, storage.open(uri) as file:
        outputs = {kind: _outcome(container, facts, kind, asked) for kind in CONTAINERS}
        duration = float((container.duration or 0) / 1_000_000)
        if is_truncated(container, file, size):
            raise BadInput(f"{uri}: the file is cut off: copy it again")
        if "mov" in opened_as(container):
            outputs = {kind: _heard(outcome, file, kind, asked) for kind, outcome in outputs.items()}
    watch = _watch(outputs)
    try:
        cuts, normalised = _cut(opened, facts, timings, asked, watch)
    except TimesCollide:
        watch = _watch(outputs)
        cuts, normalised = _cut(opened, facts, decode_timing(opened, facts, uri), asked, watch)
    if not cuts:
        raise source.no_frame(uri)
    outputs = {kind: _settled(outcome, kind, asked, watch) for kind, outcome in outputs.items()}
    found = Found(uri, size, facts, duration, cuts, normalised, outputs)
    print(json.dumps(json_of(found)) if options.json else "\n".join(text_of(found)))
    return exitcodes.OK


def _cut(
    opened: Callable[[Losses], AbstractContextManager[InputContainer]],
    facts: VideoFacts,
    timings: Timing,
    asked: _Asked,
    watch: Watch,
) -> tuple[list[Cut], int]:
    """The segments, and how many there would be with --normalise."""
    losses, allowance = Losses(), Allowance(asked.limits, asked.uri)
    cuts: list[Cut] = []
    normalised = 0
    with opened(losses) as container, tempfile.TemporaryDirectory(prefix="recast-inspect-") as folder:
        for file in split_packets(
            container,
            facts,
            timings,
            target_seconds=asked.segment_seconds,
            folder=Path(folder),
            most_slices=MAX_VIRTUAL,
            before_next=lambda: None,
            moved=allowance.packet,
            name=asked.uri,
            losses=losses,
            watch=watch,
        ):
            file.path.unlink()
            normalised += _normalised(file, facts, asked.segment_seconds)
            for frames in filter(None, file.slices):
                first = cuts[-1].first + cuts[-1].frames if cuts else 0
                cuts.append(Cut(first, len(frames), frames[0][0] * facts.time_base))
                allowance.shown(float(frames[-1][0] * facts.time_base - cuts[0].start))
    return cuts, normalised


def _output(kind: Container, asked: _Asked) -> Output:
    return Output(uri=f"file:///output.{kind}", drop_tracks=asked.drop_tracks)


def _watch(outputs: dict[Container, Outcome]) -> Watch:
    """Over the tracks of a container that can have them all; of those that can, .mkv wants to know least."""
    able = ((kind, each.tracks) for kind, each in outputs.items() if not isinstance(each.tracks, RecastError))
    kind, found = next(able, ("mkv", ()))
    return Watch(found, kind)


def _heard(outcome: Outcome, file: RawIOBase, kind: Container, asked: _Asked) -> Outcome:
    return _changed(outcome, lambda found: without_cut_sound(found, file, _output(kind, asked), "source"))


def _settled(outcome: Outcome, kind: Container, asked: _Asked, watch: Watch) -> Outcome:
    return _changed(outcome, lambda found: watch.settle(found, _output(kind, asked), "source"))


def _changed(outcome: Outcome, change: Callable[[tuple[Track, ...]], tuple[Track, ...]]) -> Outcome:
    if isinstance(outcome.tracks, RecastError):
        return outcome
    try:
        return replace(outcome, tracks=change(outcome.tracks))
    except BadInput as error:
        return replace(outcome, tracks=error)


def _normalised(file: SegmentFile, facts: VideoFacts, target_seconds: float) -> int:
    """How many segments of a file there would be with --normalise."""
    if len(file.slices) == 1 or lossless_codec(facts) is None:
        return len(file.slices)
    frames = [frame for slice_ in file.slices for frame in slice_]
    return len(virtual_slices(frames, max(1, round(target_seconds / facts.time_base)), MAX_NORMALISED))


def _outcome(container: InputContainer, facts: VideoFacts, kind: Container, asked: _Asked) -> Outcome:
    """What an output of a kind would hold, or why there can be none."""
    video: EncodeSettings | RecastError
    kept: tuple[Track, ...] | RecastError
    try:
        video = codecs.encode_settings(facts, asked.video, kind, "source")
    except RecastError as error:
        video = error
    try:
        kept = tracks.plan_tracks(container, facts.stream_index, _output(kind, asked), asked.audio, "source")
    except BadInput as error:
        kept = error
    return Outcome(video, kept)
