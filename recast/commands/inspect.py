"""`recast inspect`: what a video is, where it would be cut, what would be kept and what cannot be."""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.container import InputContainer

from recast import exitcodes
from recast.commands.arguments import Commands, add_limit_argument, limits_of, to_uri
from recast.errors import BadInput, RecastError
from recast.manifest import Track, VideoFacts
from recast.media import codecs, source, tracks
from recast.media.cut import MAX_NORMALISED, MAX_VIRTUAL, virtual_slices
from recast.media.limits import Allowance
from recast.media.losses import Losses
from recast.media.lossless import lossless_codec
from recast.media.split import SegmentFile, TimesCollide, no_frame, split_packets
from recast.media.times import Timing
from recast.media.timing import decode_timing, read_timing
from recast.media.truncated import is_truncated
from recast.process.memory import bounded_memory
from recast.spec import Audio, Limits, Output, Video
from recast.storage.storage import Storage, StorageSettings
from recast.wording import counted

EPILOG = """examples:
  recast inspect interview.mp4
  recast inspect interview.mp4 --segment-seconds 60
  recast inspect upload.mkv --limit seconds=3600 --limit pixels=8294400
  recast inspect s3://studio/in/a.mp4 --endpoint-url http://127.0.0.1:8333

Pictures are not decoded: damage inside them is seen by `recast run` only.
"""


def add_parser(commands: Commands, text: str) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "inspect",
        help=text,
        description="Say what a video is, where it would be cut, what would be kept and what cannot be.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="SOURCE", help="the video: a path or s3:// URI")
    parser.add_argument("--segment-seconds", type=float, default=10.0, metavar="S", help="default: %(default)g")
    parser.add_argument("--endpoint-url", metavar="URL", help="the S3 endpoint of an s3:// URI")
    add_limit_argument(parser)
    parser.set_defaults(body=inspect)


@dataclass(frozen=True)
class Cut:
    """A segment as it would be: its first frame, its frames, its time from the first frame in seconds."""

    first: int
    frames: int
    start: Fraction


@dataclass(frozen=True)
class _Asked:
    """The source, how much of it may be read, and how long its segments shall be."""

    uri: str
    limits: Limits
    segment_seconds: float


def inspect(options: argparse.Namespace) -> int:
    """Carry the command out."""
    with bounded_memory():
        return _inspect(options)


def _inspect(options: argparse.Namespace) -> int:
    uri = to_uri(options.source)
    storage = Storage(StorageSettings(endpoint=options.endpoint_url))
    size = storage.head(uri).size
    limits = limits_of(options)
    Allowance(limits, uri).opened(size)

    @contextmanager
    def opened(losses: Losses | None = None) -> Iterator[InputContainer]:
        with storage.open(uri) as file, source.open_source(file, uri, limits, losses) as container:
            yield container

    facts, timings = read_timing(opened, uri)
    with opened() as container, storage.open(uri) as file:
        kept = {kind: _tracks(container, facts, kind) for kind in ("mp4", "mov", "mkv")}
        duration = float((container.duration or 0) / 1_000_000)
        if is_truncated(container, file, size):
            raise BadInput(f"{uri}: the file is cut off: copy it again")
    asked = _Asked(uri, limits, options.segment_seconds)
    try:
        cuts, normalised = _cut(opened, facts, timings, asked)
    except TimesCollide:
        cuts, normalised = _cut(opened, facts, decode_timing(opened, facts, uri), asked)
    if not cuts:
        raise no_frame(uri)
    _print_video(facts, cuts, duration)
    _print_cuts(cuts, normalised)
    _print_outputs(facts, kept, uri)
    return exitcodes.OK


def _cut(
    opened: Callable[[Losses], AbstractContextManager[InputContainer]],
    facts: VideoFacts,
    timings: Timing,
    asked: _Asked,
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
        ):
            file.path.unlink()
            normalised += _normalised(file, facts, asked.segment_seconds)
            for frames in filter(None, file.slices):
                first = cuts[-1].first + cuts[-1].frames if cuts else 0
                cuts.append(Cut(first, len(frames), frames[0][0] * facts.time_base))
                allowance.shown(float(frames[-1][0] * facts.time_base - cuts[0].start))
    return cuts, normalised


def _tracks(container: InputContainer, facts: VideoFacts, kind: str) -> tuple[Track, ...] | RecastError:
    try:
        output = Output(uri=f"file:///output.{kind}")
        return tracks.plan_tracks(container, facts.stream_index, output, Audio(), "source")
    except BadInput as error:
        return error


def _print_video(facts: VideoFacts, cuts: list[Cut], duration: float) -> None:
    frames = sum(cut.frames for cut in cuts)
    print(
        f"video: {facts.codec} {facts.width}x{facts.height} {facts.pix_fmt}, {counted(frames, 'frame')}, "
        f"{float(facts.rate):.6g} a second nominally, {duration:.3f} s"
    )
    details = [f"time base {facts.time_base}", f"SAR {facts.sar}", facts.field_order]
    if facts.rotation or facts.hflip:
        details.append(f"rotated {facts.rotation} degrees{', mirrored' if facts.hflip else ''}")
    if crop := facts.crop:
        shown = f"{facts.width - crop.left - crop.right}x{facts.height - crop.top - crop.bottom}"
        details.append(f"cropped by its container to {shown}")
    if facts.hdr:
        details.append(f"HDR10 {facts.hdr.mastering or ''} {facts.hdr.light_level or ''}".strip())
    print("       " + ", ".join(details))


def _normalised(file: SegmentFile, facts: VideoFacts, target_seconds: float) -> int:
    """How many segments of a file there would be with --normalise."""
    if len(file.slices) == 1 or lossless_codec(facts) is None:
        return len(file.slices)
    frames = [frame for slice_ in file.slices for frame in slice_]
    return len(virtual_slices(frames, max(1, round(target_seconds / facts.time_base)), MAX_NORMALISED))


def _print_cuts(cuts: list[Cut], normalised: int) -> None:
    more = f" ({normalised} with --normalise)" if normalised != len(cuts) else ""
    print(f"cuts: {counted(len(cuts), 'segment')}{more}")
    for number, cut in enumerate(cuts):
        at = float(cut.start - cuts[0].start)
        print(f"  {number:4d}  from {at:10.3f} s  frame {cut.first:7d}  {cut.frames:6d} frames")


def _print_outputs(facts: VideoFacts, kept: dict[str, tuple[Track, ...] | RecastError], uri: str) -> None:
    for kind, found in kept.items():
        print(f"to .{kind}:")
        try:
            settings = codecs.encode_settings(facts, Video(), kind, "source")  # type: ignore[arg-type]
            print(f"  video: {settings.codec} {settings.pix_fmt}")
        except RecastError as error:
            print(f"  video: refused: {error}")
        if isinstance(found, RecastError):
            print(f"  tracks: refused: {found}")
            continue
        for track in found:
            words = [f"{track.kind} track {track.stream_index} ({track.codec})", track.language, track.title]
            what = {"Drop": "left out", "Copy": "copied", "Convert": "converted", "Container": "the container's own"}
            reason = f": {track.reason}" if track.reason else ""
            print(f"  {' '.join(word for word in words if word)}: {what.get(track.action, track.action)}{reason}")
