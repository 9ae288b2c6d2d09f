"""What a pod's status says of the container that runs the stage: others may have been put beside it."""

from collections.abc import Mapping
from typing import Any

from recast.kube.names import CONTAINER

Object = Mapping[str, Any]

# Why a container waits.
IMAGE_REASONS = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"}
CONFIG_REASONS = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
OVER_ITS_LIMIT = "limit"
"""In what the kubelet says of a pod that took more disk than it may; where the node's is full, it does not."""


def own_container(pod: Object) -> Object:
    """The stage's container status; empty where there is none yet."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return next((each for each in statuses if each.get("name") == CONTAINER), {})
