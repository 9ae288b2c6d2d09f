"""What a FaceSwapJob says of its pods: their resources, nodes and disks. Part of recast/spec.py."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from recast.fields import MapKey, Model, ObjectName, Quantity


class Resources(Model):
    """What a container asks for and may use."""

    requests: dict[MapKey, Quantity] = Field({}, max_length=16, description="What the scheduler sets aside.")
    limits: dict[MapKey, Quantity] = Field({}, max_length=16, description="What the container may use at most.")


class Toleration(Model):
    """A node taint that the pods tolerate."""

    key: MapKey | None = Field(None, description="The taint's key; every taint where left out.")
    operator: Literal["Exists", "Equal"] = Field("Equal", description="Equal (where left out) compares the value, too.")
    value: str | None = Field(None, max_length=63, description="The taint's value.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="The taint's effect; every effect where left out."
    )
    toleration_seconds: int | None = Field(None, ge=0, description="How long NoExecute is tolerated.")


class LocalObject(Model):
    """An object in the job's namespace."""

    name: ObjectName = Field(description="Its name.")


class ModelCache(Model):
    """Where workers keep models between pods; the worker's own disk where neither is given."""

    claim_name: ObjectName | None = Field(None, description="PersistentVolumeClaim that the workers share.")
    host_path: str | None = Field(
        None,
        pattern=r"^/[^\x00:]*$",
        max_length=1024,
        description="Folder of the node, that its pods share and user 10001 may write to; not allowed where Pod "
        "Security is restricted.",
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.claim_name is not None and self.host_path is not None:
            raise ValueError("modelCache: give claimName or hostPath, not both")
        return self


GPUS_ASKED_FOR = "resources: GPUs are asked for by worker.gpus and worker.gpuResource"


class Worker(Model):
    """The segment workers."""

    resources: Resources = Field(
        default=Resources(requests={"cpu": "2", "memory": "4Gi"}, limits={"memory": "8Gi"}),
        description="CPU and memory of a worker; GPUs have fields of their own.",
    )
    gpus: int | None = Field(
        None,
        ge=0,
        le=1,
        description="Whether a worker has a GPU, of which it uses one; where left out, what engine and encoder need. "
        "More GPUs are for more workers: segments.maxParallelism.",
    )
    gpu_resource: str = Field(
        "nvidia.com/gpu",
        pattern=r"^nvidia\.com/[a-zA-Z0-9]([a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?$",
        max_length=74,
        description="What nodes call the GPUs, or the parts of them, that are asked for: nvidia.com/mig-1g.10gb, "
        "nvidia.com/gpu.shared.",
    )
    scratch_size: Quantity = Field(
        "16Gi", description="Size limit of a worker's local disk: two segments and two parts."
    )
    node_selector: dict[MapKey, Annotated[str, StringConstraints(max_length=63)]] = Field(
        {}, max_length=16, description="Labels of the nodes that workers may run on."
    )
    affinity: dict[str, Any] | None = Field(
        None, description="As in a pod's spec; a later change applies to later pods only."
    )
    tolerations: tuple[Toleration, ...] = Field((), max_length=16, description="As in a pod's spec.")
    runtime_class_name: ObjectName | None = Field(None, description="As in a pod's spec: nvidia, on many clusters.")
    priority_class_name: ObjectName | None = Field(None, description="As in a pod's spec.")
    image_pull_secrets: tuple[LocalObject, ...] = Field((), max_length=8, description="Of all of the job's pods.")
    model_cache: ModelCache | None = Field(
        None, description="Where workers keep models between pods; their own disk where left out."
    )
    stall_seconds: float = Field(
        300, gt=0, description="A stage in which no frame has moved for so long ends and is tried again."
    )

    @model_validator(mode="after")
    def _gpus_are_no_resources(self) -> Self:
        if any(name.startswith("nvidia.com/") for name in (*self.resources.requests, *self.resources.limits)):
            raise ValueError(GPUS_ASKED_FOR)
        return self


class Volume(Model):
    """The disk of a stage: a part of the node's own, or a volume of a storage class."""

    size: Quantity = Field("20Gi", description="How large it is.")
    storage_class_name: ObjectName | None = Field(
        None, description="Class of a volume made for the stage; the node's own disk where left out."
    )


class StagePod(Model):
    """The pod of split or mux."""

    resources: Resources = Field(
        default=Resources(requests={"cpu": "1", "memory": "512Mi"}, limits={"memory": "2Gi"}),
        description="CPU and memory.",
    )
    volume: Volume = Field(default_factory=Volume, description="Its disk.")


class Stages(Model):
    """The two ends of the pipe."""

    split: StagePod = Field(default_factory=StagePod, description="Cuts the source; holds two segments on disk.")
    mux: StagePod = Field(default_factory=StagePod, description="Puts the output together; holds it twice on disk.")
