"""What the cluster's administrator sets for the pods of all jobs; a job's own spec is stronger. Pure."""

from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError

from recast.errors import BadConfig
from recast.fields import MapKey, Model, ObjectName
from recast.podspec import LocalObject, Toleration


class Placement(Model):
    """Where pods go.

    Attributes:
        node_selector: labels of the nodes; a job's own are added.
        tolerations: of the nodes' taints; a job's own are added.
        runtime_class_name, priority_class_name: where the job names none.
    """

    node_selector: dict[MapKey, str] = {}
    tolerations: tuple[Toleration, ...] = ()
    runtime_class_name: ObjectName | None = None
    priority_class_name: ObjectName | None = None


class GpuPlacement(Placement):
    """Where workers with GPUs go.

    Attributes:
        resource_claim_template_name: of one GPU; a worker asks by it for each of its GPUs, not for nvidia.com/gpu.
    """

    resource_claim_template_name: ObjectName | None = None


class Variable(Model):
    """A variable of the environment.

    Attributes:
        name, value: as in a container's spec.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", max_length=256)]
    value: str = ""


class PodDefaults(Model):
    """Of the pods of all jobs.

    Attributes:
        labels, annotations: more of them.
        env: variables of each stage's container; those that recast sets itself are stronger.
        fixed_user: whether they run as recast's own user and group, or as those that the cluster gives them.
        image_pull_secrets: beside those that the job names.
        stage: pods of all stages but swap.
        worker: segment workers without a GPU.
        gpu_worker: segment workers with one.
    """

    labels: dict[MapKey, str] = {}
    annotations: dict[MapKey, str] = {}
    env: tuple[Variable, ...] = ()
    fixed_user: bool = True
    image_pull_secrets: tuple[LocalObject, ...] = ()
    stage: Placement = Field(default_factory=Placement)
    worker: Placement = Field(default_factory=Placement)
    gpu_worker: GpuPlacement = Field(default_factory=GpuPlacement)


def parse_pod_defaults(text: str) -> PodDefaults:
    """Read them from JSON.

    Raises:
        BadConfig: it is no JSON, or a field is wrong or unknown.
    """
    try:
        return PodDefaults.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BadConfig(f"--pod-defaults: {place + ': ' if place else ''}{first['msg']}") from None
