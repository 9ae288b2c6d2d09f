"""What `recast inspect` found, as text for people and as JSON for scripts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from recast.errors import RecastError
from recast.manifest import EncodeSettings, Track, VideoFacts
from recast.media.turning import turn_of
from recast.spec import Container
from recast.wording import as_typed, counted

BECOMES = {
    "Drop": "left out",
    "Copy": "copied",
    "Convert": "converted",
    "Encode": "encoded anew",
    "Container": "the container's own",
}


@dataclass(frozen=True)
class Cut:
    """A segment as it would be: its first frame, its frames, its time from the first frame in seconds."""

    first: int
    frames: int
    start: Fraction


@dataclass(frozen=True)
class Outcome:
    """What a container would hold of the source; in the place of either the error that would refuse it."""

    video: EncodeSettings | RecastError
    tracks: tuple[Track, ...] | RecastError


@dataclass(frozen=True)
class Found:
    """What there is to say.

    Attributes:
        uri: of the source.
        size: its bytes.
        facts: of its video.
        duration: in seconds, as its container says it.
        cuts: its segments.
        normalised: how many there would be with --normalise.
        outputs: by container.
    """

    uri: str
    size: int
    facts: VideoFacts
    duration: float
    cuts: list[Cut]
    normalised: int
    outputs: Mapping[Container, Outcome]

    @property
    def frames(self) -> int:
        """Of the whole video."""
        return sum(cut.frames for cut in self.cuts)

    def at(self, cut: Cut) -> float:
        """When a segment begins, in seconds from the first frame."""
        return float(cut.start - self.cuts[0].start)


def text_of(found: Found) -> Iterator[str]:
    """The lines that people read."""
    facts, frames = found.facts, counted(found.frames, "frame")
    yield (
        f"video: {facts.codec} {facts.width}x{facts.height} {facts.pix_fmt}, {frames}, "
        f"{float(facts.rate):.6g} a second nominally, {found.duration:.3f} s"
    )
    yield "       " + ", ".join(_details(facts))
    more = f" ({found.normalised} with --normalise)" if found.normalised != len(found.cuts) else ""
    yield f"cuts: {counted(len(found.cuts), 'segment')}{more}"
    for number, cut in enumerate(found.cuts):
        count = f"{cut.frames:6d} frame{'' if cut.frames == 1 else 's'}"
        yield f"  {number:4d}  from {found.at(cut):10.3f} s  frame {cut.first:7d}  {count}"
    for kind, outcome in found.outputs.items():
        yield f"to .{kind}:"
        yield from _outcome(outcome)


def _details(facts: VideoFacts) -> Iterator[str]:
    yield from (f"time base {facts.time_base}", f"SAR {facts.sar}", facts.field_order)
    turn = turn_of(facts.matrix)
    if turn.degrees or turn.hflip:
        yield f"rotated {turn.degrees:g} degrees{', mirrored' if turn.hflip else ''}"
    if crop := facts.crop:
        shown = f"{facts.width - crop.left - crop.right}x{facts.height - crop.top - crop.bottom}"
        yield f"cropped by its container to {shown}"
    if "sv3d" in facts.carried:
        yield "a sphere (360 degrees)"
    if "st3d" in facts.carried:
        yield "3D, a picture for each eye in one"
    if facts.hdr:
        yield f"HDR10 {facts.hdr.mastering or ''} {facts.hdr.light_level or ''}".strip()


def _outcome(outcome: Outcome) -> Iterator[str]:
    if isinstance(outcome.video, RecastError):
        yield f"  video: refused: {as_typed(str(outcome.video))}"
    else:
        yield f"  video: {outcome.video.codec} {outcome.video.pix_fmt}"
    if isinstance(outcome.tracks, RecastError):
        yield f"  tracks: refused: {as_typed(str(outcome.tracks))}"
        return
    for track in outcome.tracks:
        words = [f"{track.kind} track {track.stream_index} ({track.codec})", track.language, track.title]
        reason = f": {track.reason}" if track.reason else ""
        yield f"  {' '.join(word for word in words if word)}: {BECOMES[track.action]}{reason}"


def json_of(found: Found) -> dict[str, object]:
    """The same for scripts; docs/using.md describes the fields."""
    facts = found.facts
    return {
        "source": as_typed(found.uri),
        "bytes": found.size,
        "video": {
            "codec": facts.codec,
            "width": facts.width,
            "height": facts.height,
            "pixelFormat": facts.pix_fmt,
            "frames": found.frames,
            "seconds": found.duration,
            "rate": str(facts.rate),
            "timeBase": str(facts.time_base),
            "sampleAspectRatio": str(facts.sar),
            "fieldOrder": facts.field_order,
            "rotation": turn_of(facts.matrix).degrees,
            "mirrored": facts.hflip,
            "crop": facts.crop.model_dump() if facts.crop else None,
            "sphere": "sv3d" in facts.carried,
            "hdr10": facts.hdr.model_dump(by_alias=True) if facts.hdr else None,
        },
        "segments": [
            {"start": round(found.at(cut), 6), "firstFrame": cut.first, "frames": cut.frames} for cut in found.cuts
        ],
        "normalisedSegments": found.normalised,
        "outputs": {kind: _outcome_json(outcome) for kind, outcome in found.outputs.items()},
    }


def _outcome_json(outcome: Outcome) -> dict[str, object]:
    video, tracks = outcome.video, outcome.tracks
    return {
        "refused": [as_typed(str(each)) for each in (video, tracks) if isinstance(each, RecastError)],
        "video": None if isinstance(video, RecastError) else {"codec": video.codec, "pixelFormat": video.pix_fmt},
        "tracks": None if isinstance(tracks, RecastError) else [_track_json(track) for track in tracks],
    }


def _track_json(track: Track) -> dict[str, object]:
    return {
        "index": track.stream_index,
        "kind": track.kind,
        "codec": track.codec,
        "language": track.language,
        "title": track.title,
        "action": track.action,
        "reason": track.reason,
    }
