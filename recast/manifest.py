"""What split writes and the others read: source facts, tracks, encoder settings, segments, the frame list."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, PlainSerializer

from recast.fields import Model
from recast.layout import JsonValue, part_digest
from recast.spec import Container, TrackKind

Rational = Annotated[Fraction, BeforeValidator(Fraction), PlainSerializer(str)]
"""A fraction, "1/90000" on the wire."""

FieldOrder = Literal["progressive", "tff", "bff"]


class SourceObject(Model):
    """The source, pinned: every later read asks for this very ETag."""

    uri: str
    etag: str
    size: int


class SourceSums(Model):
    """What the bytes of a source in S3 are, as split read them.

    Attributes:
        block_bytes: of each block but the last.
        crc32: of each block.
    """

    block_bytes: int
    crc32: tuple[int, ...]


class Hdr(Model):
    """HDR10 static metadata as x265 and SVT-AV1 take it: chromaticities in 1/50000, luminance in 1/10000 cd/m2.

    Attributes:
        mastering: `G(x,y)B(x,y)R(x,y)WP(x,y)L(max,min)` (SMPTE ST 2086), where known.
        light_level: `MaxCLL,MaxFALL` in cd/m2 (CTA-861.3), where known.
    """

    mastering: str | None = None
    light_level: str | None = None


class Crop(Model):
    """Pixels at a picture's edges that are not to be shown."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0


class VideoFacts(Model):
    """What the video track is.

    Attributes:
        stream_index: its index in the source.
        time_base: of the source's timestamps.
        rate: nominal frames a second, for rate control only; times come from the frame list.
        matrix: how the container has players turn the picture: the nine numbers of a track's header in MP4 (ISO/IEC
            14496-12, 8.3.2); None where as it is coded.
        rotation, hflip: the same to the nearest right angle, in degrees counter-clockwise after a horizontal flip.
        crop: what the container has players cut off; decoders do not.
        carried: boxes of a MP4's sample entry that say what the container alone says, in hexadecimal digits, by their
            types: `sv3d` (the picture is a sphere's), `st3d` (it holds two, one for each eye), `mdcv` and `clli` (that
            of HDR10).
        color_*: the numbers of ITU-T H.273, as FFmpeg has them (2 is unspecified).
    """

    stream_index: int
    codec: str
    width: int
    height: int
    pix_fmt: str
    time_base: Rational
    rate: Rational
    sar: Rational
    matrix: tuple[int, ...] | None = None
    rotation: int = 0
    hflip: bool = False
    crop: Crop | None = None
    carried: dict[str, str] = {}
    color_range: int = 0
    color_primaries: int = 2
    color_trc: int = 2
    color_space: int = 2
    field_order: FieldOrder = "progressive"
    hdr: Hdr | None = None
    title: str | None = None

    @property
    def frame_ticks(self) -> int:
        """A frame's nominal duration in ticks of the time base."""
        return max(1, round(1 / (self.rate * self.time_base)))


class Track(Model):
    """Another track of the source, and what becomes of it.

    Attributes:
        action: Copy bit for bit; Convert text subtitles to the container's own form; Encode audio where
            asked; Container: timecode or chapters, which the container writes in its own way; Drop, with the
            reason.
        bitstream_filter: FFmpeg's, where a track's packets must be framed differently in the output.
        start_codes: the packets of a second video track are units behind start codes (Annex B), as in transport
            streams; in the output each unit has its length before it.
    """

    stream_index: int
    kind: TrackKind
    codec: str
    language: str | None = None
    title: str | None = None
    action: Literal["Copy", "Convert", "Encode", "Container", "Drop"] = "Copy"
    reason: str | None = None
    bitstream_filter: str | None = None
    start_codes: bool = False


class Chapter(Model):
    """A chapter; its times in seconds."""

    start: Rational
    end: Rational
    title: str


class EncodeSettings(Model):
    """All that decides the encoder's bytes, but for the encoder itself (encoder.json).

    Attributes:
        codec: h264, hevc, av1 or prores.
        gop: keyframe distance in frames.
    """

    codec: Literal["h264", "hevc", "av1", "prores"]
    encoder: Literal["Auto", "Software", "Nvenc"] = "Auto"
    pix_fmt: str
    quality: int | Literal["Lossless"]
    preset: str
    threads: int
    gop: int


class Segment(Model):
    """One unit of work: the packets to decode, and which of their frames to keep.

    Attributes:
        index: its number, from 0.
        object: the number of the packets' object (`segments/<object>.mkv`); virtual segments share one.
        sha256, size: of that object.
        first: the first frame's place in the whole video's frame list.
        pts: the kept frames' timestamps in display order, in the source's time base.
        packets: for each, the packet that it decodes from: that packet's place in the object, which is its
            timestamp there in milliseconds.
    """

    index: int
    object: int
    sha256: str
    size: int
    first: int
    pts: tuple[int, ...]
    packets: tuple[int, ...]

    @property
    def frames(self) -> int:
        """How many frames it keeps."""
        return len(self.pts)


class Marks(Model):
    """What is to be known of an object's packets, by their places in it.

    Attributes:
        object: its number.
        preroll: so many packets at its head are decoded only for what they leave behind.
        damaged: packets that the source's container calls damaged.
    """

    object: int
    preroll: int = 0
    damaged: tuple[int, ...] = ()


class Chunk(Model):
    """A run of segments of the plan.

    Attributes:
        normalise: objects whose segments get packets of their own from the normalise stage.
        marks: of the objects that need some.
    """

    segments: tuple[Segment, ...]
    normalise: tuple[int, ...] = ()
    marks: tuple[Marks, ...] = ()

    def marks_of(self, number: int) -> Marks:
        """The marks of an object."""
        return next((marks for marks in self.marks if marks.object == number), Marks(object=number))


class BadRun(Model):
    """Frames that did not decode whole, one after another, and what is shown in their place.

    Attributes:
        first: the first one's number in the whole video.
        frames: how many they are.
        pts: the first one's time, in the source's time base.
        seconds: the same, from the video's first frame.
        shows: the number of the frame that is repeated; None where they are as the decoder mended them, unswapped.
    """

    first: int
    frames: int
    pts: int
    seconds: float
    shows: int | None = None

    @property
    def text(self) -> str:
        """It in words."""
        last = self.first + self.frames - 1
        which = f"frame {self.first}" if self.frames == 1 else f"frames {self.first} to {last}"
        shown = "as the decoder mended them" if self.shows is None else f"frame {self.shows} repeated"
        return f"{which}, from {self.seconds:.3f} s on: {shown}"


def joined(runs: Iterable[BadRun]) -> tuple[BadRun, ...]:
    """Runs that follow each other and show the same, as one."""
    found: list[BadRun] = []
    for run in runs:
        last = found[-1] if found else None
        if last is not None and last.first + last.frames == run.first and last.shows == run.shows:
            found[-1] = last.model_copy(update={"frames": last.frames + run.frames})
        else:
            found.append(run)
    return tuple(found)


class NormalisedSegment(Model):
    """A segment's frames, and nothing else, coded anew without loss; frame k is packet k.

    Attributes:
        bad_frames: of the source: their pictures are replaced already, those that are not repeated stay unswapped.
    """

    index: int
    sha256: str
    size: int
    bad_frames: tuple[BadRun, ...] = ()


class NormalisedObject(Model):
    """What became of an object's segments."""

    segments: tuple[NormalisedSegment, ...]


class ContentOutcome(Model):
    """What the content check saw.

    Attributes:
        frames: how many pictures it looked at.
        highest: the highest score among them.
    """

    frames: int
    highest: float


class EncoderChoice(Model):
    """encoder.json: the encoder, and what a probe encode with it looks like."""

    name: str
    options: dict[str, str]
    extradata_sha256: str


class Plan(Model):
    """What split found and decided.

    Attributes:
        inputs: what is pinned besides the segments: engine, pixel version, sha256 of each face.
        images: face images by their sha256, so that no pod asks for them apart; large ones are not among them.
        chunks: the first segment of each chunk.
        first_chunk: the number in the first chunk's key; the others follow.
        chunk: the only chunk of a short plan, which has no key then.
        first_pts: the first frame's time.
        last_ticks: how long the last frame is shown, where that is longer than a frame's nominal duration.
        start_seconds: the source's own start, subtracted from every track on the way out.
        chapters: what is written in the place of the source's, where the output's container needs others.
        content_check: what the content check saw, where the job asks for one.
        deep: FFmpeg must look deep into the source for what its tracks are.
        lost: when packets of the source are missing, in seconds from the first frame, where the job does not fail for
            it: they are not among the frames.
    """

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    run: str
    source: SourceObject
    container: Container
    video: VideoFacts
    tracks: tuple[Track, ...]
    encode: EncodeSettings
    inputs: dict[str, JsonValue]
    images: dict[str, bytes] = {}
    segments: int
    frames: int
    chunks: tuple[int, ...]
    first_chunk: int = 0
    chunk: Chunk | None = None
    first_pts: int
    last_ticks: int | None = None
    start_seconds: Rational
    chapters: tuple[Chapter, ...] = ()
    content_check: ContentOutcome | None = None
    deep: bool = False
    lost: tuple[float, ...] = ()

    def chunk_of(self, segment: int) -> int:
        """The chunk that holds a segment."""
        return max(number for number, first in enumerate(self.chunks) if first <= segment)

    def digest_of(self, segment: Segment, encoder: EncoderChoice) -> str:
        """The name of a segment's part, where it is made by this encoder."""
        return part_digest(
            segment=segment.model_dump(mode="json"), inputs=self.inputs, encoder=encoder.model_dump(mode="json")
        )


class BadFrames(Model):
    """The bad frames of the source in a part."""

    runs: tuple[BadRun, ...]


class PartReport(Model):
    """A committed part. It travels as metadata: no field is longer for a longer segment.

    Attributes:
        packets_sha256: over the payloads of the part's packets, in decode order.
        reorder: by how many places a packet comes later in decode order than its frame in display order.
        gpu_busy: share of the time in which the GPU was at work, 0..1 (NVML); None where it cannot be known.
        bad_runs: how many runs of bad frames of the source are in it, where the job does not fail for them.
        seconds: wall time by stage of the pipeline, of which `pipeline` is all of it.
        queue_fill: how full each queue of the pipeline was when something was taken, 0..1: a full one waits for what
            comes after it, an empty one for what comes before.
    """

    segment: int
    digest: str
    frames: int
    packets_sha256: str
    extradata_sha256: str
    reorder: int
    encoder: str
    decoder: str = "Software"
    gpu_busy: float | None = None
    faces_found: int = 0
    faces_swapped: int = 0
    bad_runs: int = 0
    seconds: dict[str, float] = {}
    queue_fill: dict[str, float] = {}
    cpu_seconds: float = 0.0


class OutputRecord(Model):
    """What mux is about to publish, and what it found when it verified it.

    Attributes:
        inputs: the plan's.
        gpu_busy: of the parts, by their time; None where one does not know.
        content_check: the plan's.
        bad_frames: of the source, and what is shown in their place.
        lost: the plan's.
    """

    uri: str
    inputs: dict[str, JsonValue]
    sha256: str
    size: int
    digest: str
    frames: int
    encoder: str
    faces_found: int
    faces_swapped: int
    worker_seconds: dict[str, float]
    worker_cpu_seconds: float
    gpu_busy: float | None = None
    dropped_tracks: tuple[str, ...] = ()
    bad_frames: tuple[BadRun, ...] = ()
    lost: tuple[float, ...] = ()
    content_check: ContentOutcome | None = None

    @property
    def lost_text(self) -> str | None:
        """Where packets are missing, in words."""
        if not self.lost:
            return None
        more = f" and at {len(self.lost) - 1} other times" if len(self.lost) > 1 else ""
        return f"packets are missing in the source at {self.lost[0]:.3f} s{more}"
