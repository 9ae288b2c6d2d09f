"""What the planner may ask for; controller/execute.py carries it out."""

from dataclasses import dataclass, field
from typing import Any, Literal

from recast.status import JobStatus


@dataclass(frozen=True)
class CreateJob:
    """Create a stage's Job; one that is there already with the same owner is as good."""

    manifest: dict[str, Any]


@dataclass(frozen=True)
class DeleteJob:
    """Delete a Job with its pods."""

    name: str
    uid: str


@dataclass(frozen=True)
class SuspendJob:
    """Set a Job's spec.suspend, and nothing else."""

    name: str
    suspend: bool


@dataclass(frozen=True)
class ScaleJob:
    """Set a Job's spec.parallelism, and nothing else."""

    name: str
    parallelism: int


@dataclass(frozen=True)
class SetFinalizer:
    """Add recast's finalizer to the FaceSwapJob, or remove it."""

    present: bool


@dataclass(frozen=True)
class DeleteResource:
    """Delete the FaceSwapJob itself: its time to live is over."""


Action = CreateJob | DeleteJob | SuspendJob | ScaleJob | SetFinalizer | DeleteResource


@dataclass(frozen=True)
class Event:
    """An event on the FaceSwapJob."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True)
class Plan:
    """What to do now.

    Attributes:
        status: what the status should be; equal to what it is where there is nothing to write.
        actions: in this order.
        events: sent once the status is written.
        again_seconds: look again after so long, even if nothing is heard.
    """

    status: JobStatus
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = field(default=())
    again_seconds: float | None = None
