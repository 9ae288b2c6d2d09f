"""FaceSwapJob as pydantic models: the one source of the CRD, the command line's checks and the stages' input.

A stage gets the spec as JSON and reads it back through these models, so a value that passes here is a value every stage
can rely on. What it says of pods is in recast/podspec.py.
"""

import re
from typing import Annotated, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator

from recast.fields import TEXT_PATTERN, MapKey, Model, ObjectName, Uri
from recast.podspec import Stages, Worker

ENDPOINT_PATTERN = r"^https?://([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[!-~]*)?$"
"""No user, no password, no query: a URL is seen in logs."""
_NUMBER = r"([0-9]+|0x[0-9a-f]*)"
INNER_HOST = (
    rf"(?i)^https?://({_NUMBER}([.]{_NUMBER}){{0,2}}|({_NUMBER}[.])*(0x[0-9a-f]*|0[0-9]+)([.]{_NUMBER})*"
    r"|169[.]254[.].*|0[.].*|\[fe[89ab].*|\[fd00:0*ec2:.*|\[::\]|\[.*[.].*|\[[0:]*:ffff:.*|\[0*64:ff9b:.*"
    r"|(metadata|instance-data|kubernetes)([.](google|ec2)[.]internal|[.]default([.].*)?)?)(:[0-9]+)?(/.*)?$"
)
"""Endpoints that are no S3: a cloud's metadata in all its spellings, the Kubernetes API.

What a name leads to is looked at by `recast.storage.s3`.
"""
INNER_HOST_REFUSED = "is a metadata service, the Kubernetes API or no plain address: give the S3's own"
MOST_SPEC_BYTES = 100_000
"""Of a spec as JSON: its pods get it as one environment variable, of which Linux takes 128 KiB."""

FRACTION = r"^[0-9]{0,12}[.][0-9]{0,12}[1-9]$"
"""A number as a string, not 0: an int-or-string of a CRD takes no other fraction."""


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
        (), max_length=6, description="Kinds of tracks to leave out where the container cannot hold them."
    )

    @property
    def container(self) -> Container:
        """The container that the suffix names."""
        suffix = self.uri.rsplit(".", 1)[-1].lower()
        if suffix not in get_args(Container):
            raise ValueError(f"{self.uri}: the output must end in .mp4, .mov or .mkv")
        return suffix  # type: ignore[return-value]  # narrowed by the line above

    @model_validator(mode="after")
    def _suffix_is_known(self) -> Self:
        _ = self.container
        return self


Select = Literal["Largest", "All", "Leftmost", "Rightmost", "Index", "Reference"]


class Target(Model):
    """Which of the faces in the video are changed."""

    select: Select = Field(
        "Largest",
        description="Largest (where left out), All, Leftmost or Rightmost face of each frame; Index: that many from "
        "the left; Reference: the nearest to the person in `reference`.",
    )
    index: int | None = Field(None, ge=0, le=255, description="Of select Index: 0 is the leftmost face.")
    reference: Uri | None = Field(None, description="Of select Reference: a photo of the person to replace.")
    max_distance: float | None = Field(
        None,
        gt=0,
        le=2,
        description="Of select Reference: how unlike the photo a face may be. InSwapper: (1 - cosine) / 2 of ArcFace "
        "embeddings, 0.3 where left out; Mesh: Euclidean distance of dlib's descriptors, 0.6 where left out.",
    )

    @model_validator(mode="after")
    def _fields_fit_the_selection(self) -> Self:
        if (self.select == "Index") != (self.index is not None):
            raise ValueError("index: goes with select Index, and is needed there")
        if (self.select == "Reference") != (self.reference is not None):
            raise ValueError("reference: goes with select Reference, and is needed there")
        if self.max_distance is not None and self.select != "Reference":
            raise ValueError("maxDistance: goes with select Reference")
        return self


class FacePair(Model):
    """One person's face, and whose place it takes."""

    source: tuple[Uri, ...] = Field(min_length=1, max_length=16, description="Photos of the face to put in.")
    target: Target = Field(default_factory=Target, description="Whose place it takes.")


class Consent(Model):
    """On whose permission the job runs; written into the report and the output's metadata."""

    reference: str = Field(
        min_length=1, max_length=512, pattern=TEXT_PATTERN, description="A release number or a sentence."
    )
    subject: str | None = Field(None, max_length=512, pattern=TEXT_PATTERN, description="Who gave it.")


class Padding(Model):
    """Percent of a square, from each of its sides."""

    top: int = Field(0, ge=0, le=100, description="From the forehead down.")
    right: int = Field(0, ge=0, le=100, description="From the crop's right.")
    bottom: int = Field(0, ge=0, le=100, description="From the chin up.")
    left: int = Field(0, ge=0, le=100, description="From the crop's left.")


class Mask(Model):
    """How much of the swapped face is laid over the target's; InsightFace's own rule where nothing is set."""

    padding: Padding = Field(default_factory=Padding, description="What is left out of the face's square.")
    blur: float | None = Field(
        None, ge=0, le=1, description="How soft the square's edges are, 0 to 1; InsightFace's softness where left out."
    )
    opacity: float = Field(1.0, gt=0, le=1, description="How much of the swapped face is seen.")
    keep_mouth: bool = Field(False, description="Leave the target's own mouth.")
    occluder: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,120}\.onnx$",
        description="Name of a model in engine.models that tells a face from what is before it (DeepFaceLab's XSeg and "
        "its kind): what is not face stays the target's.",
    )


class Engine(Model):
    """What changes the pixels."""

    name: Literal["Mesh", "InSwapper", "Passthrough"] = Field(
        "Mesh",
        description="Mesh: built-in face mesh, on CPUs. InSwapper: InsightFace's inswapper_128, on GPUs, by models of "
        "your own. Passthrough changes nothing: it proves a pipeline.",
    )
    models: Uri | None = Field(
        None, description="Of InSwapper: the folder that `recast models push` filled. Its end may be a slash."
    )
    provider: Literal["Cuda", "TensorRt", "Cpu"] = Field(
        "Cuda",
        description="Of InSwapper: what runs the models. Nothing falls back to the CPU by itself: it would take hours.",
    )
    precision: Literal["Fp32", "Fp16"] = Field(
        "Fp32", description="Of InSwapper: inswapper_128.onnx, or inswapper_128_fp16.onnx."
    )
    pixel_boost: Literal[128, 256, 512] = Field(
        128, description="Of InSwapper: width of the face that is swapped; 256 costs 4 times as much, 512 16 times."
    )
    device_memory_mib: int | None = Field(
        None,
        ge=256,
        le=1_048_576,
        description="Of InSwapper: the most MiB of a GPU's memory that the models take to work in; all where left out.",
    )
    mask: Mask = Field(default_factory=Mask, description="Of InSwapper: how much of the swapped face is laid over.")

    @model_validator(mode="after")
    def _models_are_given(self) -> Self:
        if (self.name == "InSwapper") != (self.models is not None):
            raise ValueError("models: goes with engine InSwapper, and is needed there")
        return self


class ContentCheck(Model):
    """A look at the source before anything is swapped, by a model of your own."""

    model: Uri = Field(
        description="An ONNX file: one input float32 [n, 3, height, width] (RGB, 0..1), one number a picture as its "
        "first output, the score.",
    )
    threshold: float = Field(description="The job fails at the first picture that scores this or more.")
    every_seconds: float = Field(
        5.0, gt=0, le=3600, description="Pictures looked at are at most so far apart; keyframes where these suffice."
    )


OnBadFrames = Literal["Fail", "Repeat", "Original"]


PixelFormat = Literal["Source", "Yuv420p", "Yuv422p", "Yuv444p", "Yuv420p10", "Yuv422p10", "Yuv444p10"]


class Video(Model):
    """How the output's video is encoded."""

    codec: Literal["Auto", "H264", "Hevc", "Av1", "ProRes"] = Field(
        "Auto", description="Auto keeps the source's codec where it can be written, depth and chroma always."
    )
    encoder: Literal["Auto", "Software", "Nvenc"] = Field(
        "Auto",
        description="Auto takes NVENC where the first worker's GPU has it (T4, A10, L4, L40S have; A100, H100, H200, "
        "B200 have none), else the software encoder; all workers use the first one's. Nvenc never falls back.",
    )
    decoder: Literal["Auto", "Software"] = Field(
        "Auto",
        description="Auto takes NVDEC where a worker's GPU gives the very frames of the software decoder.",
    )
    on_bad_frames: OnBadFrames = Field(
        "Fail",
        description="What becomes of frames of the source that do not decode whole, and of those decoded from them, up "
        "to the next keyframe. Fail: the job fails and names the first. Repeat: the last good frame is shown in their "
        "place. Original: they are shown as the decoder mends them, no face changed.",
    )
    quality: Annotated[int, Field(ge=0, le=63)] | Literal["Lossless"] = Field(
        18, description="The encoder's constant quality (CRF or CQ), or Lossless."
    )
    preset: str = Field("Auto", pattern=r"^[A-Za-z0-9]{1,16}$", description="The encoder's own preset name.")
    pixel_format: PixelFormat = Field(
        "Source",
        description="Source keeps depth and chroma. Others have the pictures converted, which a source with more than "
        "10 bits, an alpha plane or RGB needs: chroma 4:2:0, 4:2:2 or 4:4:4, with 8 or 10 bits.",
    )
    threads: int = Field(
        2, ge=1, le=64, description="Encoder threads: part of the result, since encoders' output depends on it."
    )


class Audio(Model):
    """Copied bit for bit, unless asked otherwise."""

    codec: Literal["Copy", "Aac"] = Field("Copy", description="Copy keeps every track bit for bit.")
    bitrate: str = Field("192k", pattern=r"^[1-9][0-9]{0,3}k$", description="Bit rate where codec is Aac.")


MOST_PIXELS = 16384 * 8704
"""Of a picture: what HEVC's highest levels have."""


class Limits(Model):
    """What the job takes of its inputs at most; a file that has more is refused."""

    bytes: int = Field(1 << 40, ge=1, le=1 << 60, description="Of the source.")
    pixels: int = Field(MOST_PIXELS, ge=1, le=MOST_PIXELS, description="Of each of its pictures: width times height.")
    streams: int = Field(256, ge=1, le=1000, description="Tracks of the source, attached files and cover art included.")
    packets: int = Field(50_000_000, ge=1, le=50_000_000, description="Packets of its video track.")
    seconds: float = Field(604_800, gt=0, le=31_536_000, description="From its first frame to its last.")
    image_bytes: int = Field(64 << 20, ge=1, le=1 << 30, description="Of the file of a face image.")
    image_pixels: int = Field(64_000_000, ge=1, le=1 << 28, description="Of a face image: width times height.")


def _fraction(value: object) -> object:
    """A number with a fraction as the CRD takes it, as a string."""
    return float(value) if isinstance(value, str) and re.fullmatch(FRACTION, value) else value


class Segments(Model):
    """How the work is cut and fanned out."""

    target_seconds: Annotated[float, Field(gt=0, le=3600), BeforeValidator(_fraction)] | Literal["Auto"] = Field(
        60.0,
        description="Cut at the first keyframe after this long. Auto: by the source's length, maxParallelism and what "
        'a worker\'s start costs. A fraction of a second is written as a string: "0.5".',
    )
    max_parallelism: int = Field(16, ge=1, le=100_000, description="Workers at once.")
    retries: int = Field(3, ge=0, le=20, description="Tries again for a segment whose worker failed.")
    per_pod: Annotated[int, Field(ge=1, le=1000)] | Literal["Auto"] = Field(
        "Auto", description="Segments that one worker does, one after another."
    )
    normalise: bool = Field(
        False,
        description="Give stretches that cannot be cut (one giant GOP) a lossless pass first, so that their workers "
        "need not each decode them from the start.",
    )


class ConfigMapKey(Model):
    """One key of a ConfigMap in the job's namespace."""

    config_map: ObjectName = Field(description="Name of the ConfigMap.")
    key: MapKey = Field(description="Key in it.")


class Storage(Model):
    """The S3 that holds the job."""

    endpoint: str | None = Field(
        None, pattern=ENDPOINT_PATTERN, max_length=1024, description="S3 endpoint URL; AWS where it is left out."
    )
    region: str = Field(
        "us-east-1", pattern=r"^[A-Za-z0-9-]{1,64}$", max_length=64, description="Region that requests are signed for."
    )
    force_path_style: bool = Field(True, description="Buckets in the path, not in the host name.")
    ca_bundle: ConfigMapKey | None = Field(None, description="Certificates that the endpoint's is checked against.")
    credentials_secret: ObjectName | None = Field(
        None,
        description="Secret with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, where there is one, AWS_SESSION_TOKEN.",
    )
    service_account_name: ObjectName | None = Field(
        None, description="ServiceAccount of the job's pods, where the cloud gives credentials by one."
    )
    scratch: Uri = Field(description="Prefix under which the job keeps its segments and parts.")
    retain: Literal["OnFailure", "Always", "Never"] = Field(
        "OnFailure",
        description="When segments and parts stay in scratch. OnFailure: removed after success. Never: also where "
        "the job fails or is deleted.",
    )

    @model_validator(mode="after")
    def _endpoint_is_no_inner_host(self) -> Self:
        if self.endpoint is not None and re.match(INNER_HOST, self.endpoint):
            raise ValueError(f"endpoint: {INNER_HOST_REFUSED}")
        return self


class JobSpec(Model):
    """What a FaceSwapJob asks for."""

    source: Source = Field(description="The video to work on.")
    output: Output = Field(description="Where the result goes.")
    faces: tuple[FacePair, ...] = Field(
        (), max_length=16, description="Whose face takes whose place; needed unless engine.name is Passthrough."
    )
    consent: Consent | None = Field(None, description="Required wherever a face is changed.")
    engine: Engine = Field(default_factory=Engine, description="What changes the pixels.")
    content_check: ContentCheck | None = Field(
        None, description="A look at the source before anything is swapped; off where left out."
    )
    video: Video = Field(default_factory=Video, description="How the output's video is encoded.")
    audio: Audio = Field(default_factory=Audio, description="Copied bit for bit, unless asked otherwise.")
    segments: Segments = Field(default_factory=Segments, description="How the work is cut and fanned out.")
    limits: Limits = Field(default_factory=Limits, description="What the job takes of its inputs at most.")
    storage: Storage = Field(description="The S3 that holds the job.")
    worker: Worker = Field(default_factory=Worker, description="The segment workers.")
    stages: Stages = Field(default_factory=Stages, description="The pods of split and mux.")
    deadline_seconds: int = Field(
        86_400,
        ge=1,
        le=31_536_000,
        description="A job that is not done after so long fails; while it is suspended or queued, no time counts. May "
        "be changed while it runs.",
    )
    suspend: bool = Field(False, description="Stop all pods; finished segments are kept for when it is lifted.")
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=315_360_000)] | Literal["Never"] = Field(
        604_800, description="A finished job is deleted after so many seconds, or Never; its output stays."
    )

    @property
    def uris(self) -> tuple[str, ...]:
        """What it reads, and its output; where it keeps its work is `storage.scratch`."""
        named = (
            self.source.uri,
            self.output.uri,
            *(uri for pair in self.faces for uri in (*pair.source, pair.target.reference)),
            self.engine.models,
            self.content_check.model if self.content_check else None,
        )
        return tuple(uri for uri in named if uri)

    @model_validator(mode="after")
    def _fits_its_pods(self) -> Self:
        size = len(self.model_dump_json(by_alias=True, exclude_none=True).encode())
        if size > MOST_SPEC_BYTES:
            raise ValueError(f"the spec has {size} bytes, of {MOST_SPEC_BYTES} at most: name less")
        return self

    @model_validator(mode="after")
    def _source_is_kept(self) -> Self:
        if self.output.uri == self.source.uri:
            raise ValueError("output.uri: is the source: it would be lost; choose another")
        return self

    @model_validator(mode="after")
    def _faces_have_consent(self) -> Self:
        if self.engine.name == "Passthrough":
            return self
        if not self.faces:
            raise ValueError("faces: at least one is needed, unless engine.name is Passthrough")
        if self.consent is None:
            raise ValueError("consent: required wherever a face is changed")
        return self
