"""Names on the Kubernetes side: API group, labels, condition types."""

GROUP = "recast.video"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "FaceSwapJob"
PLURAL = "faceswapjobs"
SHORT_NAME = "fsj"
FIELD_MANAGER = "recast-controller"
SUBMIT_FIELD_MANAGER = "recast-submit"

# On every Job and pod of a FaceSwapJob.
LABEL_APP = "app.kubernetes.io/name"
LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
LABEL_JOB = f"{GROUP}/job"
LABEL_UID = f"{GROUP}/job-uid"
LABEL_STAGE = f"{GROUP}/stage"
LABEL_ATTEMPT = f"{GROUP}/attempt"
# Kueue's, copied from the FaceSwapJob to its swap Job.
LABEL_QUEUE = "kueue.x-k8s.io/queue-name"
LABEL_PRIORITY = "kueue.x-k8s.io/priority-class"

# Kubernetes' own, on a Job's pods.
LABEL_JOB_NAME = "batch.kubernetes.io/job-name"
ANNOTATION_INDEX = "batch.kubernetes.io/job-completion-index"
ANNOTATION_IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count"
ANNOTATION_FAILURES = "batch.kubernetes.io/job-index-failure-count"

FINALIZER = f"{GROUP}/scratch"

SPLIT = "split"
NORMALISE = "normalise"
SWAP = "swap"
MUX = "mux"
CLEANUP = "cleanup"
STAGES = (SPLIT, NORMALISE, SWAP, MUX, CLEANUP)
CONTAINER = "stage"
"""Name of the one container of each pod; the pods' failure rules name it."""

# Condition types.
SPLIT_COMPLETE = "SplitComplete"
SWAP_COMPLETE = "SwapComplete"
COMPLETE = "Complete"
FAILED = "Failed"
SUSPENDED = "Suspended"
QUOTA_RESERVED = "QuotaReserved"
STALLED = "Stalled"
READY = "Ready"
CONDITION_TYPES = (SPLIT_COMPLETE, SWAP_COMPLETE, COMPLETE, FAILED, SUSPENDED, QUOTA_RESERVED, STALLED, READY)
