"""Stable words: the reasons that reports, conditions and errors carry. Listed one by one in docs/errors.md."""

SUCCEEDED = "Succeeded"

# The command line is wrong (64).
USAGE = "Usage"

# An input is unusable (65).
BAD_INPUT = "BadInput"
NO_VIDEO = "NoVideo"
NO_DECODER = "NoDecoder"
CORRUPT_SOURCE = "CorruptSource"
BAD_FRAMES = "BadFrames"
OVER_LIMIT = "OverLimit"
UNSUPPORTED_PIXELS = "UnsupportedPixels"
UNSUPPORTED_TRACKS = "UnsupportedTracks"
SOURCE_CHANGED = "SourceChanged"
NO_FACE = "NoFace"
CONTENT_REFUSED = "ContentRefused"

# An input is not there (66).
INPUT_NOT_FOUND = "InputNotFound"

# Storage (69).
STORAGE_UNAVAILABLE = "StorageUnavailable"

# recast itself (70).
INTERNAL_ERROR = "InternalError"

# Another try may go better (75).
TRY_AGAIN = "TryAgain"
DISK_FULL = "DiskFull"
EXHAUSTED = "Exhausted"
CORRUPT = "Corrupt"
STALLED = "Stalled"
PART_MISMATCH = "PartMismatch"
VERIFY_FAILED = "VerifyFailed"
NOT_READY = "NotReady"

# The job or the node is set up wrongly (78).
BAD_CONFIG = "BadConfig"
OUTPUT_EXISTS = "OutputExists"
INPUTS_CHANGED = "InputsChanged"
ENCODER_MISMATCH = "EncoderMismatch"
NO_ENCODER = "NoEncoder"
MISSING_MODEL = "MissingModel"

# Signals (130, 143).
INTERRUPTED = "Interrupted"
TERMINATED = "Terminated"

# How a job on Kubernetes goes: reasons of its conditions and events.
STAGE_STARTED = "StageStarted"
STAGE_COMPLETE = "StageComplete"
PROGRESSING = "Progressing"
JOB_SUSPENDED = "JobSuspended"
JOB_RESUMED = "JobResumed"
QUOTA_PENDING = "QuotaPending"
QUOTA_ADMITTED = "QuotaAdmitted"
SCRATCH_KEPT = "ScratchKept"
PHOTO_IN_DOUBT = "PhotoInDoubt"
UNKNOWN_FIELDS = "UnknownFields"

# What a job on Kubernetes waits for.
IMAGE_PULL_FAILED = "ImagePullFailed"
CONTAINER_CONFIG = "ContainerConfig"
UNSCHEDULABLE = "Unschedulable"
PODS_REFUSED = "PodsRefused"
JOB_HELD = "JobHeld"
NODE_LOST = "NodeLost"
EVICTED_REPEATEDLY = "EvictedRepeatedly"
STARTING_SLOWLY = "StartingSlowly"

# Why a job on Kubernetes failed, beside what its stages say.
INVALID_SPEC = "InvalidSpec"
DISK_TOO_SMALL = "DiskTooSmall"
DEADLINE_EXCEEDED = "DeadlineExceeded"
SEGMENTS_FAILED = "SegmentsFailed"
STAGE_FAILED = "StageFailed"
NAMESPACE_TERMINATING = "NamespaceTerminating"
