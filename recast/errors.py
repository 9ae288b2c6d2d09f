"""The one family of errors. Each class says what the caller must do, and carries the exit code.

    RecastError
        UsageError            64  the command line is wrong: correct it
        BadInput              65  a file cannot be used, now or later: give up on it
            FramesDamaged     65  frames of the source do not decode whole: mend it, or say what stands for them
        NotFound              66  an input is not there
            NoBucket          66  nor is its bucket
        StorageUnavailable    69  the store did not answer, after retries: try again later
        Bug                   70  recast itself is wrong: report it
        Transient             75  it may go better the next time
            Corrupt           75  bytes differ from what was written or promised: redo them
        BadConfig             78  model, encoder, credentials, hash: mend the job or the node

A message is one line that names the object, what is wrong with it, and what to do. `reason` is a stable
CamelCase word for conditions and reports.
"""

from recast import exitcodes, names

MEND_OR_SAY = (
    "copy the source again, mend it or cut the stretch out, or say by video.onBadFrames (--on-bad-frames) what stands "
    "in its place"
)
EXISTS = "exists already: choose another output, or set output.overwrite (--overwrite)"


class RecastError(Exception):
    """Base of all errors that recast raises on purpose.

    Args:
        message: one line naming the object, what is wrong and what to do.
        reason: CamelCase word from `recast.names`; the class' own where it is not given.

    Attributes:
        segment: the segment that it is about, where there is one.
    """

    exit_code = exitcodes.BUG
    default_reason = names.INTERNAL_ERROR
    segment: int | None = None

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        super().__init__(" ".join(message.split()))
        self.reason = reason or self.default_reason


class UsageError(RecastError):
    """The command line cannot be carried out as typed."""

    exit_code = exitcodes.USAGE
    default_reason = names.USAGE


class BadInput(RecastError):
    """An input is corrupt, of the wrong kind, or holds what the output cannot."""

    exit_code = exitcodes.BAD_INPUT
    default_reason = names.BAD_INPUT


class FramesDamaged(BadInput):
    """Frames of the source do not decode, or only with something made up in them."""

    default_reason = names.BAD_FRAMES


class NotFound(RecastError):
    """An input does not exist or may not be read."""

    exit_code = exitcodes.NOT_FOUND
    default_reason = names.INPUT_NOT_FOUND


class NoBucket(NotFound):
    """There is no such bucket. Stores do not say so where they are asked by HEAD."""


class StorageUnavailable(RecastError):
    """The object store failed again and again."""

    exit_code = exitcodes.STORAGE_UNAVAILABLE
    default_reason = names.STORAGE_UNAVAILABLE


class Bug(RecastError):
    """An invariant of recast itself is broken."""


class Transient(RecastError):
    """Something that may go better on another try: a stall, a race, a lost process."""

    exit_code = exitcodes.TRY_AGAIN
    default_reason = names.TRY_AGAIN


class Corrupt(Transient):
    """Bytes that were read are not the bytes that were written, or a result failed its own check."""

    default_reason = names.CORRUPT


class BadConfig(RecastError):
    """The job or the node is set up wrongly: a missing model, encoder or credential, a wrong hash."""

    exit_code = exitcodes.BAD_CONFIG
    default_reason = names.BAD_CONFIG
