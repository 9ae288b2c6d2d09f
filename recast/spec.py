"""FaceSwapJob as pydantic models: the one source of the CRD, the command line's checks and the stages' input.

Field names are snake_case here and camelCase on the wire. A stage gets the spec as JSON and reads it back
through these models, so a value that passes here is a value every stage can rely on.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

Uri = Annotated[
    str, StringConstraints(pattern=r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^\x00-\x1f\x7f]+|file:///[^\x00]+)$")
]
"""`s3://bucket/key`; the local runner also passes `file:///absolute/path`."""


class Model(BaseModel):
    """Base of all spec models: camelCase on the wire, unknown fields refused, immutable."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, str_max_length=4096
    )


class Source(Model):
    """The video to work on."""

    uri: Uri = Field(description="Where the source video is.")


Container = Literal["mp4", "mov", "mkv"]
TrackKind = Literal["audio", "subtitle", "video", "data", "attachment", "cover"]


class Output(Model):
    """Where the result goes; the suffix chooses the container."""

    uri: Uri = Field(description="Where the result is published; ends in .mp4, .mov or .mkv.")
    overwrite: bool = Field(False, description="Replace an object that is already there.")
    drop_tracks: tuple[TrackKind, ...] = Field(
        (), description="Kinds of tracks to leave out where the container cannot hold them."
    )

    @property
    def container(self) -> Container:
        """The container that the suffix names."""
        suffix = self.uri.rsplit(".", 1)[-1].lower()
        if suffix not in ("mp4", "mov", "mkv"):
            raise ValueError(f"{self.uri}: the output must end in .mp4, .mov or .mkv")
        return suffix  # type: ignore[return-value]  # narrowed by the line above

    @model_validator(mode="after")
    def _suffix_is_known(self) -> Self:
        _ = self.container
        return self


Select = Literal["Largest", "All", "Leftmost", "Rightmost"]


class Target(Model):
    """Which of the faces in the video are changed."""

    select: Select = Field("Largest", description="Largest, All, Leftmost or Rightmost face of each frame.")


class FacePair(Model):
    """One person's face, and whose place it takes."""

    source: tuple[Uri, ...] = Field(min_length=1, max_length=16, description="Photos of the face to put in.")
    target: Target = Field(default_factory=Target)


class Consent(Model):
    """On whose permission the job runs; written into the report and the output's metadata."""

    reference: str = Field(min_length=1, max_length=512, description="A release number or a sentence.")
    subject: str | None = Field(None, max_length=512, description="Who gave it.")


class Engine(Model):
    """What changes the pixels."""

    name: Literal["Mesh", "Passthrough"] = Field(
        "Mesh", description="Mesh: built-in face mesh. Passthrough changes nothing: it proves a pipeline."
    )


class Video(Model):
    """How the output's video is encoded."""

    codec: Literal["Auto", "H264", "Hevc", "Av1", "ProRes"] = Field(
        "Auto", description="Auto keeps the source's codec where it can be written, depth and chroma always."
    )
    encoder: Literal["Auto", "Software"] = Field("Auto", description="Auto takes the best that the node has.")
    quality: Annotated[int, Field(ge=0, le=63)] | Literal["Lossless"] = Field(
        18, description="The encoder's constant quality (CRF or CQ), or Lossless."
    )
    preset: str = Field("Auto", pattern=r"^[A-Za-z0-9]{1,16}$", description="The encoder's own preset name.")
    pixel_format: Literal["Source", "Yuv420p"] = Field(
        "Source", description="Source keeps depth and chroma; Yuv420p asks for 8-bit 4:2:0."
    )
    threads: int = Field(
        2, ge=1, le=64, description="Encoder threads: part of the result, since encoders' output depends on it."
    )


class Audio(Model):
    """Copied bit for bit, unless asked otherwise."""

    codec: Literal["Copy", "Aac"] = "Copy"
    bitrate: str = Field("192k", pattern=r"^[1-9][0-9]{0,3}k$", description="Bit rate where codec is Aac.")


class Segments(Model):
    """How the work is cut and fanned out."""

    target_seconds: float = Field(60, gt=0, le=3600, description="Cut at the first keyframe after this long.")
    max_parallelism: int = Field(16, ge=1, le=100_000, description="Workers at once.")
    retries: int = Field(3, ge=0, le=20, description="Tries again for a segment whose worker failed.")
    per_pod: Annotated[int, Field(ge=1, le=1000)] | Literal["Auto"] = Field(
        "Auto", description="Segments that one worker does, one after another."
    )


class Storage(Model):
    """The S3 that holds the job."""

    endpoint: str | None = Field(None, pattern=r"^https?://[^\s]+$", description="S3 endpoint URL.")
    region: str = Field("us-east-1", max_length=64)
    force_path_style: bool = True
    scratch: Uri = Field(description="Prefix under which the job keeps its segments and parts.")


class Worker(Model):
    """The segment workers."""

    stall_seconds: float = Field(
        300, gt=0, description="A stage in which no frame has moved for so long ends and is tried again."
    )


class JobSpec(Model):
    """What a FaceSwapJob asks for."""

    source: Source
    output: Output
    faces: tuple[FacePair, ...] = Field((), max_length=1)
    consent: Consent | None = None
    engine: Engine = Field(default_factory=Engine)
    video: Video = Field(default_factory=Video)
    audio: Audio = Field(default_factory=Audio)
    segments: Segments = Field(default_factory=Segments)
    storage: Storage
    worker: Worker = Field(default_factory=Worker)

    @model_validator(mode="after")
    def _faces_have_consent(self) -> Self:
        if self.engine.name == "Passthrough":
            return self
        if not self.faces:
            raise ValueError("faces: at least one is needed, unless engine.name is Passthrough")
        if self.consent is None:
            raise ValueError("consent: required wherever a face is changed")
        return self
