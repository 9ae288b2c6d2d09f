"""The status of a FaceSwapJob: written by the controller, read by people, by `recast submit` and by pipelines."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from recast.fields import Model

Phase = Literal["Pending", "Queued", "Splitting", "Swapping", "Muxing", "Succeeded", "Failed", "Suspended"]
MESSAGE_LIMIT = 4096
Text = Annotated[str, StringConstraints(max_length=MESSAGE_LIMIT)]


class StatusModel(Model):
    """Base of the status models: a newer controller's fields do not hurt."""

    model_config = ConfigDict(extra="ignore")


class Condition(StatusModel):
    """One fact about the job, as Kubernetes' API conventions have it."""

    type: str = Field(
        max_length=316, description="What it is about: SplitComplete, Complete, Failed, Stalled, Ready and so on."
    )
    status: Literal["True", "False", "Unknown"] = Field(description="True, False or Unknown.")
    reason: str = Field(max_length=1024, description="One stable word; docs/errors.md explains each.")
    message: Text = Field(description="A sentence that says what to do.")
    last_transition_time: datetime = Field(description="Since when the status is what it is.")
    observed_generation: int = Field(0, ge=0, description="The generation of the spec that it is about.")


class SegmentCounts(StatusModel):
    """Segments by state."""

    total: int = Field(0, ge=0, description="All, once split has said how many.")
    active: int = Field(0, ge=0, description="In a running pod.")
    succeeded: int = Field(0, ge=0, description="Done; never goes back.")
    failed: int = Field(0, ge=0, description="Given up.")


class FrameCounts(StatusModel):
    """Frames; estimated from the finished segments until mux has counted them."""

    total: int = Field(0, ge=0, description="All, once split has counted them.")
    done: int = Field(0, ge=0, description="In finished segments; never goes back.")
    per_second: int = Field(0, ge=0, description="Speed since the first pod of this attempt.")


class GpuSeconds(StatusModel):
    """GPU time, in whole seconds of all GPUs of all workers."""

    spent: int = Field(0, ge=0, description="In pods that did their work.")
    lost: int = Field(0, ge=0, description="In pods that failed or were evicted.")


class Earlier(StatusModel):
    """What stood when the present swap Job was begun, or resumed."""

    segments: int = Field(0, ge=0, description="Segments done.")
    gpu_seconds: GpuSeconds = Field(default_factory=GpuSeconds, description="GPU time of the Jobs before it.")


class Waited(StatusModel):
    """Time that does not count for spec.deadlineSeconds: suspended, or in a queue."""

    seconds: int = Field(0, ge=0, description="Until now, but for the present wait.")
    since: datetime | None = Field(None, description="When the present wait began.")


class Attempts(StatusModel):
    """How often each stage's Job was made anew; part of the Jobs' names."""

    split: int = Field(0, ge=0, description="Of split.")
    normalise: int = Field(0, ge=0, description="Of normalise.")
    swap: int = Field(0, ge=0, description="Of swap.")
    mux: int = Field(0, ge=0, description="Of mux.")


class Images(StatusModel):
    """The images that all of the job's pods run, pinned when it began."""

    controller: str = Field(max_length=1024, description="Of split and mux.")
    segment_worker: str = Field(max_length=1024, description="Of the segment workers.")


class OutputStatus(StatusModel):
    """What was published."""

    uri: str = Field(max_length=4096, description="Where it is.")
    size: int = Field(ge=0, description="Bytes.")
    sha256: str = Field(max_length=64, description="Of its bytes.")


class Failure(StatusModel):
    """Why the job failed."""

    code: int = Field(description="The exit code; docs/errors.md explains each.")
    reason: str = Field(max_length=1024, description="One stable word.")
    message: Text = Field(description="What is wrong and what to do.")
    segment: int | None = Field(None, ge=0, description="The segment that it is about.")
    pod: str | None = Field(None, max_length=253, description="The pod that said so.")


class BadFramesStatus(StatusModel):
    """Frames of the source that do not decode whole, where the job does not fail for them."""

    count: int = Field(0, ge=0, description="How many.")
    first: tuple[Text, ...] = Field((), max_length=16, description="The first of them, and what is shown there.")


class ContentCheckStatus(StatusModel):
    """What the content check says."""

    state: Literal["Off", "Pending", "Passed", "Refused"] = Field(
        description="Off: the job asks for none. Pending: split has not ended yet."
    )
    frames: int = Field(0, ge=0, description="Pictures looked at.")
    highest: float | None = Field(None, description="The highest score among them.")


class JobStatus(StatusModel):
    """How a FaceSwapJob stands."""

    observed_generation: int = Field(0, ge=0, description="The generation of the spec that this is about.")
    phase: Phase = Field("Pending", description="One word for people; conditions say more.")
    progress: str | None = Field(None, max_length=64, description="Segments done, of all.")
    conditions: tuple[Condition, ...] = Field((), max_length=16, description="What is known about the job.")
    run: str | None = Field(None, max_length=64, description="The folder under scratch that holds this job's objects.")
    attempts: Attempts = Field(default_factory=Attempts, description="How often each stage's Job was made anew.")
    images: Images | None = Field(None, description="The images that all of the job's pods run.")
    segments: SegmentCounts = Field(default_factory=SegmentCounts, description="Segments by state.")
    frames: FrameCounts = Field(default_factory=FrameCounts, description="Frames.")
    estimated_completion_time: datetime | None = Field(None, description="When swap will be done at this speed.")
    encoder: str | None = Field(None, max_length=64, description="What the video was encoded with.")
    content_check: ContentCheckStatus | None = Field(
        None, description="Whether the source was looked at before anything was swapped."
    )
    faces_swapped: int | None = Field(None, ge=0, description="Faces changed, over all frames.")
    gpu_seconds: GpuSeconds = Field(default_factory=GpuSeconds, description="GPU time spent and lost.")
    earlier: Earlier = Field(default_factory=Earlier, description="What is not the present swap Job's work.")
    bad_frames: BadFramesStatus | None = Field(
        None, description="Frames of the source that do not decode whole, where there are some."
    )
    notices: tuple[Text, ...] | None = Field(
        None, max_length=16, description="Photos that people should look at once more, once a worker has."
    )
    dropped_tracks: tuple[Text, ...] = Field((), max_length=64, description="Tracks that were left out, and why.")
    output: OutputStatus | None = Field(None, description="What was published.")
    failure: Failure | None = Field(None, description="Why the job failed.")
    start_time: datetime | None = Field(None, description="When the job's first stage was begun.")
    waited: Waited = Field(default_factory=Waited, description="Time that does not count for spec.deadlineSeconds.")
    completion_time: datetime | None = Field(None, description="When it succeeded or failed.")

    def condition(self, type_: str) -> Condition | None:
        """The condition of this type, where there is one."""
        return next((each for each in self.conditions if each.type == type_), None)

    def true_condition(self, type_: str) -> Condition | None:
        """The condition of this type, where it is True."""
        found = self.condition(type_)
        return found if found is not None and found.status == "True" else None

    def is_true(self, type_: str) -> bool:
        """Whether this condition is there and True."""
        return self.true_condition(type_) is not None
