"""Pure: a FaceSwapJob's spec in, the Job of a stage out, in the spelling that users see in YAML.

What a field of the spec leaves unset leaves no key here. The rules of restarts, in the order that they stand
in the Job, are those of docs/reliability.md.
"""

import json
import math
import re
from dataclasses import dataclass, field
from typing import Any

from controller.planning.observed import PER_POD_ANNOTATION
from controller.planning.poddefaults import PodDefaults
from recast import exitcodes
from recast.fanout import segments_per_worker
from recast.kube import names
from recast.kube.resource import Resource
from recast.layout import sha256_hex
from recast.podspec import Resources, Volume, Worker
from recast.spec import JobSpec
from recast.stage import StageInput
from recast.status import Images

Manifest = dict[str, Any]

COMMANDS = {
    names.SPLIT: ["python", "-m", "controller.stages.split"],
    names.NORMALISE: ["python", "-m", "controller.stages.normalise"],
    names.SWAP: ["python", "-m", "segment_worker"],
    names.MUX: ["python", "-m", "controller.stages.mux"],
    names.CLEANUP: ["python", "-m", "controller.stages.cleanup"],
}
USER = 10001
GRACE_SECONDS = 20
TERMINATION_LOG = "/dev/termination-log"
WORK_FOLDER = "/tmp"  # noqa: S108  # a volume of the pod's own
CA_FOLDER = "/etc/recast/ca"
MODELS_FOLDER = "/var/cache/recast/models"
CACHE_VARIABLE = "RECAST_MODEL_CACHE"


@dataclass(frozen=True)
class PodSettings:
    """What the cluster's administrator sets for all jobs.

    Attributes:
        images: of the pods of jobs that begin now.
        defaults: what the pods have unless the job says otherwise.
    """

    images: Images
    image_pull_policy: str = "IfNotPresent"
    defaults: PodDefaults = field(default_factory=PodDefaults)


def stage_name(resource: Resource, stage: str, attempt: int) -> str:
    """Name a stage's Job: readable, and unique to this FaceSwapJob, stage and attempt.

    Pods get 6 characters more for their index and 6 for themselves, of 63 in all.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", resource.name.lower()).strip("-")[:24].strip("-") or "job"
    unique = sha256_hex(resource.uid.encode())[:8]
    return f"{slug}-{unique}-{stage}-{attempt}"


def segments_per_pod(spec: JobSpec, segments: int) -> int:
    """How many segments a worker does, one after another: pod, CUDA and models are started once for all."""
    if spec.segments.per_pod != "Auto":
        return spec.segments.per_pod
    return segments_per_worker(segments, spec.segments.max_parallelism)


def worker_gpus(spec: JobSpec) -> int:
    """GPUs of one worker; where the spec leaves it open, one for an engine that runs on it."""
    if spec.worker.gpus is not None:
        return spec.worker.gpus
    runs_on_gpu = spec.engine.name == "InSwapper" and spec.engine.provider != "Cpu"
    return int(runs_on_gpu or spec.video.encoder == "Nvenc")


def swap_parallelism(spec: JobSpec, completions: int) -> int:
    """Workers at once."""
    return min(spec.segments.max_parallelism, completions)


def make_job(
    resource: Resource,
    spec: JobSpec,
    stage: str,
    *,
    attempt: int,
    run: str | None,
    segments: int,
    settings: PodSettings,
) -> Manifest:
    """Make the Job of one attempt at a stage.

    Args:
        resource: the FaceSwapJob that will own it.
        spec: its spec, checked.
        stage: split, normalise, swap, mux or cleanup.
        attempt: how often this stage's Job was made before.
        run: what split named the run; None for split.
        segments: how many there are, for swap.
        settings: the images that the job was begun with, and what the administrator adds.
    """
    per_pod = segments_per_pod(spec, segments) if stage == names.SWAP else 1
    completions = math.ceil(segments / per_pod) if stage == names.SWAP else 1
    labels = _labels(resource, stage, attempt)
    stage_input = StageInput(
        namespace=resource.namespace,
        name=resource.name,
        uid=resource.uid,
        attempt=attempt,
        run=run,
        spec=spec,
        segments_per_pod=per_pod,
    )
    queue = {} if stage == names.CLEANUP else _queue(resource)
    metadata: Manifest = {
        "name": stage_name(resource, stage, attempt),
        "namespace": resource.namespace,
        "labels": labels | queue,
        "ownerReferences": [_owner(resource)],
    }
    if stage == names.SWAP:
        metadata["annotations"] = {PER_POD_ANNOTATION: str(per_pod)}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            **_restarts(spec, stage, completions),
            "template": {
                "metadata": {
                    "labels": {**settings.defaults.labels, **labels},
                    "annotations": _annotations(settings.defaults),
                },
                "spec": _pod(spec, stage, stage_input, settings),
            },
        },
    }


def _owner(resource: Resource) -> Manifest:
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "name": resource.name,
        "uid": resource.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _labels(resource: Resource, stage: str, attempt: int) -> dict[str, str]:
    return {
        names.LABEL_APP: "recast",
        names.LABEL_MANAGED_BY: names.FIELD_MANAGER,
        # A name may be longer than a label's 63 characters; the UID is what is searched for.
        names.LABEL_JOB: resource.name[:63].rstrip("-."),
        names.LABEL_UID: resource.uid,
        names.LABEL_STAGE: stage,
        names.LABEL_ATTEMPT: str(attempt),
    }


def _queue(resource: Resource) -> dict[str, str]:
    return {key: resource.labels[key] for key in (names.LABEL_QUEUE, names.LABEL_PRIORITY) if key in resource.labels}


def _annotations(defaults: PodDefaults) -> dict[str, str]:
    return {
        **defaults.annotations,
        "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
        "karpenter.sh/do-not-disrupt": "true",
    }


def _restarts(spec: JobSpec, stage: str, completions: int) -> Manifest:
    """Which ends of a pod cost a retry, which fail its segments, and which the whole Job."""
    ignore_evictions = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    # A pod that is plainly deleted has no DisruptionTarget: its worker traps SIGTERM and ends with 143.
    ignore_deletes = _on_exit("Ignore", exitcodes.TERMINATED)
    hopeless = (exitcodes.BAD_INPUT, exitcodes.NOT_FOUND)
    setup = (exitcodes.USAGE, exitcodes.BAD_CONFIG)
    if stage == names.SWAP:
        ends = [_on_exit("FailIndex", *hopeless), _on_exit("FailJob", *setup)]
    else:
        ends = [_on_exit("FailJob", *sorted({*hopeless, *setup}))]
    return {
        # Of an index alone Kubernetes counts what is ignored, and waits longer each time: evictions have an end, too.
        "completionMode": "Indexed",
        "completions": completions,
        "parallelism": swap_parallelism(spec, completions),
        "backoffLimitPerIndex": spec.segments.retries,
        # With a hole, the output is unusable.
        "maxFailedIndexes": 0,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": [ignore_evictions, ignore_deletes, *ends]},
    }


def _on_exit(action: str, *codes: int) -> Manifest:
    return {
        "action": action,
        "onExitCodes": {"containerName": names.CONTAINER, "operator": "In", "values": list(codes)},
    }


def _pod(spec: JobSpec, stage: str, stage_input: StageInput, settings: PodSettings) -> Manifest:
    pod: Manifest = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            **(dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"), USER) if settings.defaults.fixed_user else {}),
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(spec, stage, stage_input, settings)],
        "volumes": _volumes(spec, stage),
    }
    if spec.storage.service_account_name:
        pod["serviceAccountName"] = spec.storage.service_account_name
    secrets = dict.fromkeys(
        each.name for each in (*settings.defaults.image_pull_secrets, *spec.worker.image_pull_secrets)
    )
    if secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in secrets]
    return pod | _placement(spec, stage, settings.defaults)


def _placement(spec: JobSpec, stage: str, defaults: PodDefaults) -> Manifest:
    """Where a pod goes: what the job says of its workers, over what the administrator says."""
    if stage == names.SWAP:
        own, given = spec.worker, defaults.gpu_worker if worker_gpus(spec) else defaults.worker
    else:
        own, given = Worker(), defaults.stage
    tolerations = dict.fromkeys((*given.tolerations, *own.tolerations))
    wanted = {
        "nodeSelector": {**given.node_selector, **own.node_selector},
        "affinity": own.affinity,
        "tolerations": [each.model_dump(by_alias=True, exclude_none=True) for each in tolerations],
        "runtimeClassName": own.runtime_class_name or given.runtime_class_name,
        "priorityClassName": own.priority_class_name or given.priority_class_name,
        "resourceClaims": [
            {"name": name, "resourceClaimTemplateName": defaults.gpu_worker.resource_claim_template_name}
            for name in _gpu_claims(spec, stage, defaults)
        ],
    }
    return {key: value for key, value in wanted.items() if value}


def _gpu_claims(spec: JobSpec, stage: str, defaults: PodDefaults) -> list[str]:
    """The names of a pod's claims of one GPU each, where GPUs are had by claims."""
    by_claims = stage == names.SWAP and defaults.gpu_worker.resource_claim_template_name is not None
    return [f"gpu-{number}" for number in range(worker_gpus(spec) if by_claims else 0)]


def _container(spec: JobSpec, stage: str, stage_input: StageInput, settings: PodSettings) -> Manifest:
    mounts: list[Manifest] = [{"name": "work", "mountPath": WORK_FOLDER}]
    if spec.storage.ca_bundle:
        mounts.append({"name": "ca", "mountPath": CA_FOLDER, "readOnly": True})
    if _caches_models(spec, stage):
        mounts.append({"name": "models", "mountPath": MODELS_FOLDER})
    images = settings.images
    return {
        "name": names.CONTAINER,
        "image": images.segment_worker if stage == names.SWAP else images.controller,
        "imagePullPolicy": settings.image_pull_policy,
        "command": COMMANDS[stage],
        "env": _with_defaults(_environment(spec, stage, stage_input), settings.defaults),
        "resources": _resources(spec, stage, settings.defaults),
        "terminationMessagePath": TERMINATION_LOG,
        "terminationMessagePolicy": "File",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    }


def _with_defaults(env: list[Manifest], defaults: PodDefaults) -> list[Manifest]:
    """Add the administrator's variables, but for what recast sets itself."""
    given = {each.name: each.value for each in defaults.env}
    own = {each["name"] for each in env}
    return [*({"name": name, "value": value} for name, value in given.items() if name not in own), *env]


def _environment(spec: JobSpec, stage: str, stage_input: StageInput) -> list[Manifest]:
    wanted = json.loads(stage_input.model_dump_json(by_alias=True, exclude_none=True))
    env: list[Manifest] = [
        # Kubernetes would expand $(NAME), and halve $$.
        {
            "name": "RECAST_STAGE",
            "value": json.dumps(wanted, separators=(",", ":"), sort_keys=True).replace("$", "$$"),
        },
        {"name": "RECAST_TERMINATION_LOG", "value": TERMINATION_LOG},
        {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "HOME", "value": WORK_FOLDER},
    ]
    if stage == names.SWAP and not worker_gpus(spec):
        # Where NVIDIA's runtime is the node's default one, the image would have all GPUs of the node.
        env.append({"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"})
    if _caches_models(spec, stage):
        env.append({"name": CACHE_VARIABLE, "value": MODELS_FOLDER})
    if spec.storage.ca_bundle:
        env.append({"name": "AWS_CA_BUNDLE", "value": f"{CA_FOLDER}/ca.crt"})
    if spec.storage.credentials_secret:
        # Key by key: with envFrom a Secret could set PYTHONPATH.
        for key, optional in (
            ("AWS_ACCESS_KEY_ID", False),
            ("AWS_SECRET_ACCESS_KEY", False),
            ("AWS_SESSION_TOKEN", True),
        ):
            reference: Manifest = {"name": spec.storage.credentials_secret, "key": key}
            if optional:
                reference["optional"] = True
            env.append({"name": key, "valueFrom": {"secretKeyRef": reference}})
    return env


def _resources(spec: JobSpec, stage: str, defaults: PodDefaults) -> Manifest:
    if stage != names.SWAP:
        pod = spec.stages.mux if stage == names.MUX else spec.stages.split
        return _quantities(pod.resources)
    resources = _quantities(spec.worker.resources)
    if claims := _gpu_claims(spec, stage, defaults):
        resources["claims"] = [{"name": name} for name in claims]
    elif gpus := worker_gpus(spec):
        resources.setdefault("limits", {})[spec.worker.gpu_resource] = gpus
    return resources


def _quantities(resources: Resources) -> Manifest:
    both = {"requests": dict(resources.requests), "limits": dict(resources.limits)}
    return {key: value for key, value in both.items() if value}


def _volumes(spec: JobSpec, stage: str) -> list[Manifest]:
    if stage == names.SWAP:
        work = Volume(size=spec.worker.scratch_size)
    else:
        work = (spec.stages.mux if stage == names.MUX else spec.stages.split).volume
    volumes = [{"name": "work", **_work_volume(work)}]
    bundle = spec.storage.ca_bundle
    if bundle:
        items = [{"key": bundle.key, "path": "ca.crt"}]
        volumes.append({"name": "ca", "configMap": {"name": bundle.config_map, "items": items}})
    cache = spec.worker.model_cache
    if cache is not None and _caches_models(spec, stage):
        if cache.claim_name is not None:
            volumes.append({"name": "models", "persistentVolumeClaim": {"claimName": cache.claim_name}})
        else:
            volumes.append({"name": "models", "hostPath": {"path": cache.host_path, "type": "DirectoryOrCreate"}})
    return volumes


def _caches_models(spec: JobSpec, stage: str) -> bool:
    cache = spec.worker.model_cache
    return stage == names.SWAP and cache is not None and bool(cache.claim_name or cache.host_path)


def _work_volume(volume: Volume) -> Manifest:
    if volume.storage_class_name is None:
        return {"emptyDir": {"sizeLimit": volume.size}}
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": volume.storage_class_name,
        "resources": {"requests": {"storage": volume.size}},
    }
    return {"ephemeral": {"volumeClaimTemplate": {"spec": claim}}}
