"""The Jobs of the samples, whole, against what stands in manifests/*.yaml beside this file."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.planning.objects import PodSettings, make_job, segments_per_pod, stage_name
from controller.planning.observed import project_pod
from controller.planning.poddefaults import PodDefaults
from recast import exitcodes
from recast.kube import names as kube
from recast.kube.resource import Resource
from recast.spec import JobSpec
from recast.stage import StageInput
from tests.controller.builders import BEGAN, IMAGES, RUN, SETTINGS, UID, resource, spec

HERE = Path(__file__).parent
SAMPLES = HERE.parents[2] / "manifests" / "samples"


def of_sample(sample: str, stage: str, settings: PodSettings = SETTINGS) -> dict[str, Any]:
    """The Job that a sample gets for a stage: 200 segments."""
    item = yaml.safe_load((SAMPLES / f"{sample}.yaml").read_text())
    metadata = item["metadata"]
    owner = Resource("studio", metadata["name"], UID, BEGAN, labels=metadata.get("labels", {}), spec=item["spec"])
    run = None if stage == kube.SPLIT else RUN
    checked = JobSpec.model_validate(item["spec"])
    return make_job(owner, checked, stage, attempt=1, run=run, segments=200, settings=settings)


@pytest.mark.parametrize(
    ("sample", "stage"),
    [
        ("mesh", kube.SPLIT),
        ("mesh", kube.SWAP),
        ("mesh", kube.MUX),
        ("all-fields", kube.SWAP),
        ("all-fields", kube.MUX),
        ("all-fields", kube.CLEANUP),
    ],
)
def test_the_whole_job(sample: str, stage: str) -> None:
    expected = yaml.safe_load((HERE / "manifests" / f"{sample}-{stage}.yaml").read_text())
    made = of_sample(sample, stage)
    environment = made["spec"]["template"]["spec"]["containers"][0]["env"]
    given = StageInput.model_validate_json(environment[0]["value"])
    wanted = JobSpec.model_validate(yaml.safe_load((SAMPLES / f"{sample}.yaml").read_text())["spec"])
    assert (given.namespace, given.uid, given.attempt, given.spec) == ("studio", UID, 1, wanted)
    assert given.run == (None if stage == kube.SPLIT else RUN)
    environment[0]["value"] = "..."
    assert made == expected


@pytest.mark.parametrize("stage", [kube.SPLIT, kube.NORMALISE, kube.SWAP, kube.MUX])
def test_permanent_errors_end_at_their_first_try_and_transient_ones_have_as_many_as_the_spec_says(stage: str) -> None:
    made = of_sample("mesh", stage)["spec"]
    actions = {
        code: rule["action"]
        for rule in reversed(made["podFailurePolicy"]["rules"])
        for code in rule.get("onExitCodes", {}).get("values", ())
    }
    assert {actions[code] for code in exitcodes.NEVER_RETRIED} <= {"FailIndex", "FailJob"}
    assert not exitcodes.RETRIED & set(actions), "left to the Job controller's own back-off"
    assert made["backoffLimitPerIndex"] == JobSpec.model_validate(spec()).segments.retries
    assert made["completionMode"] == "Indexed", "else nobody counts evictions"


def test_what_the_administrator_adds_is_on_the_pods() -> None:
    settings = PodSettings(
        IMAGES, "Always", PodDefaults(labels={"team": "vfx", kube.LABEL_STAGE: "mine"}, annotations={"note": "x"})
    )
    template = of_sample("mesh", kube.SWAP, settings)["spec"]["template"]
    assert template["metadata"]["labels"]["team"] == "vfx"
    assert template["metadata"]["labels"][kube.LABEL_STAGE] == kube.SWAP, "recast finds its pods by its own"
    assert template["metadata"]["annotations"]["note"] == "x"
    assert template["spec"]["containers"][0]["imagePullPolicy"] == "Always"


@pytest.mark.parametrize("name", ["a" * 253, "UPPER.and.dots", "-.-", "interview"])
def test_names_fit_where_pods_get_theirs_from_them(name: str) -> None:
    made = stage_name(Resource("studio", name, UID, BEGAN), "normalise", 19)
    # A pod's name adds its index and five letters, and is a host's name of 63.
    assert len(f"{made}-99999-abcde") <= 63
    assert made[0].isalnum() and made.replace("-", "").isalnum() and made == made.lower()


def test_names_differ_by_job_stage_and_attempt() -> None:
    other = Resource("studio", "interview", "another-uid", BEGAN)
    made = {
        stage_name(resource(), "swap", 0),
        stage_name(resource(), "swap", 1),
        stage_name(resource(), "mux", 0),
        stage_name(other, "swap", 0),
    }
    assert len(made) == 4


@pytest.mark.parametrize(
    ("segments", "parallelism", "per_pod", "expected"),
    [(1, 16, "Auto", 1), (64, 16, "Auto", 1), (65, 16, "Auto", 2), (10**6, 16, "Auto", 32), (5, 16, 7, 7)],
)
def test_segments_for_one_pod(segments: int, parallelism: int, per_pod: int | str, expected: int) -> None:
    checked = JobSpec.model_validate(spec(segments={"maxParallelism": parallelism, "perPod": per_pod}))
    assert segments_per_pod(checked, segments) == expected


@pytest.mark.parametrize(
    ("engine", "gpus", "wanted"),
    [
        ({"name": "Passthrough"}, None, None),
        ({"name": "InSwapper", "models": "s3://studio/models"}, None, 1),
        ({"name": "InSwapper", "models": "s3://studio/models", "provider": "Cpu"}, None, None),
        ({"name": "InSwapper", "models": "s3://studio/models"}, 0, None),
        ({"name": "Passthrough"}, 1, 1),
    ],
)
def test_a_worker_has_the_gpus_that_its_engine_runs_on(engine: dict[str, str], gpus: int | None, wanted: int) -> None:
    faces = [{"source": ["s3://studio/ada.png"]}]
    fields = spec(engine=engine, worker={"gpus": gpus}, faces=faces, consent={"reference": "x"})
    checked = JobSpec.model_validate(fields)
    made = make_job(resource(), checked, kube.SWAP, attempt=0, run=RUN, segments=9, settings=SETTINGS)
    resources = made["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert resources["limits"].get("nvidia.com/gpu") == wanted


def test_a_part_of_a_gpu_is_asked_for_by_the_nodes_name_for_it() -> None:
    mig = {"gpus": 1, "gpuResource": "nvidia.com/mig-1g.10gb"}
    checked = JobSpec.model_validate(spec(worker=mig))
    made = make_job(resource(), checked, kube.SWAP, attempt=0, run=RUN, segments=9, settings=SETTINGS)
    pod = made["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert {key: value for key, value in container["resources"]["limits"].items() if "nvidia" in key} == {
        "nvidia.com/mig-1g.10gb": 1
    }
    assert "NVIDIA_VISIBLE_DEVICES" not in {each["name"] for each in container["env"]}
    assert project_pod({"metadata": {"name": "x"}, "spec": pod, "status": {}}).gpus == 1, "its time is counted"


@pytest.mark.parametrize(
    ("cache", "source"),
    [
        ({"claimName": "models"}, {"persistentVolumeClaim": {"claimName": "models"}}),
        ({"hostPath": "/data/models"}, {"hostPath": {"path": "/data/models", "type": "DirectoryOrCreate"}}),
    ],
)
def test_models_are_kept_where_that_was_asked_for(cache: dict[str, str], source: dict[str, Any]) -> None:
    checked = JobSpec.model_validate(spec(worker={"modelCache": cache}))
    for stage, has in ((kube.SWAP, True), (kube.MUX, False)):
        made = make_job(resource(), checked, stage, attempt=0, run=RUN, segments=9, settings=SETTINGS)
        pod = made["spec"]["template"]["spec"]
        assert ({"name": "models", **source} in pod["volumes"]) == has
        environment = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
        assert environment.get("RECAST_MODEL_CACHE") == ("/var/cache/recast/models" if has else None)


def as_another(made_of: dict[str, Any], stage: str) -> dict[str, Any]:
    """The expected Job of a stage that differs from split only by its name."""
    text = yaml.safe_dump(made_of)
    for old in ("-split-", "stage: split", "stages.split"):
        assert old in text
        text = text.replace(old, old.replace("split", stage))
    changed: dict[str, Any] = yaml.safe_load(text)
    return changed


@pytest.mark.parametrize("stage", [kube.NORMALISE, kube.CLEANUP])
def test_normalise_and_cleanup_have_the_pod_of_split(stage: str) -> None:
    made = of_sample("mesh", stage)
    environment = made["spec"]["template"]["spec"]["containers"][0]["env"]
    given = StageInput.model_validate_json(environment[0]["value"])
    assert (given.run, given.attempt, given.segments_per_pod) == (RUN, 1, 1)
    environment[0]["value"] = "..."
    split = yaml.safe_load((HERE / "manifests" / "mesh-split.yaml").read_text())
    assert made == as_another(split, stage)


@pytest.mark.parametrize("stage", [kube.SPLIT, kube.NORMALISE])
def test_the_whole_job_of_all_fields_is_that_of_cleanup_in_its_queue(stage: str) -> None:
    made = of_sample("all-fields", stage)
    made["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = "..."
    cleanup = yaml.safe_load((HERE / "manifests" / "all-fields-cleanup.yaml").read_text())
    text = yaml.safe_dump(cleanup).replace("-cleanup-", f"-{stage}-").replace("stage: cleanup", f"stage: {stage}")
    expected = yaml.safe_load(text.replace("stages.cleanup", f"stages.{stage}"))
    expected["metadata"]["labels"][kube.LABEL_QUEUE] = "renders"
    assert made == expected


@pytest.mark.parametrize("stage", kube.STAGES)
def test_kueues_labels_are_on_each_job_but_cleanup_and_on_no_pod(stage: str) -> None:
    labels = {kube.LABEL_QUEUE: "renders", kube.LABEL_PRIORITY: "urgent", "kueue.x-k8s.io/other": "x"}
    owner = resource(labels=labels)
    made = make_job(
        owner, JobSpec.model_validate(spec()), stage, attempt=0, run=RUN, segments=9, settings=PodSettings(IMAGES)
    )
    kueues = {key: value for key, value in made["metadata"]["labels"].items() if key.startswith("kueue")}
    # Cleanup must run where a queue is held for ever.
    wanted = {kube.LABEL_QUEUE: "renders", kube.LABEL_PRIORITY: "urgent"}
    assert kueues == ({} if stage == kube.CLEANUP else wanted)
    assert not any(key.startswith("kueue") for key in made["spec"]["template"]["metadata"]["labels"])


@pytest.mark.parametrize(("length", "expected"), [(253, 63), (63, 63), (5, 5)])
def test_a_long_name_is_cut_where_a_label_is_too_short(length: int, expected: int) -> None:
    owner = Resource("studio", "a" * length, UID, BEGAN)
    made = make_job(
        owner, JobSpec.model_validate(spec()), kube.SPLIT, attempt=0, run=None, segments=1, settings=SETTINGS
    )
    assert len(made["metadata"]["labels"][kube.LABEL_JOB]) == expected
    assert made["metadata"]["ownerReferences"][0]["name"] == "a" * length


def test_a_label_that_is_cut_ends_as_a_label_may() -> None:
    owner = Resource("studio", "a" * 61 + ".-" + "b" * 9, UID, BEGAN)
    made = make_job(
        owner, JobSpec.model_validate(spec()), kube.SPLIT, attempt=0, run=None, segments=1, settings=SETTINGS
    )
    assert made["metadata"]["labels"][kube.LABEL_JOB] == "a" * 61


def test_recasts_own_annotations_are_stronger_than_the_administrators() -> None:
    # A worker that an autoscaler may move loses its segments again and again.
    settings = PodSettings(
        IMAGES, defaults=PodDefaults(annotations={"karpenter.sh/do-not-disrupt": "false", "team": "vfx"})
    )
    annotations = of_sample("mesh", kube.SWAP, settings)["spec"]["template"]["metadata"]["annotations"]
    assert annotations["karpenter.sh/do-not-disrupt"] == "true" and annotations["team"] == "vfx"


def test_mux_has_its_own_resources_and_disk_and_split_the_others() -> None:
    sizes = {
        "split": {"resources": {"requests": {"cpu": 1}}, "volume": {"size": "1Gi"}},
        "mux": {"resources": {"requests": {"cpu": 9}}, "volume": {"size": "9Gi", "storageClassName": "fast"}},
    }
    checked = JobSpec.model_validate(spec(stages=sizes))
    for stage, cpu in ((kube.SPLIT, 1), (kube.NORMALISE, 1), (kube.CLEANUP, 1), (kube.MUX, 9)):
        made = make_job(resource(), checked, stage, attempt=0, run=RUN, segments=9, settings=SETTINGS)
        pod = made["spec"]["template"]["spec"]
        assert pod["containers"][0]["resources"]["requests"] == {"cpu": cpu}, stage
        assert ("ephemeral" in pod["volumes"][0]) == (stage == kube.MUX)


@pytest.mark.parametrize(
    ("segments", "per_pod", "parallelism", "completions", "at_once"),
    [(14, 4, 16, 4, 4), (14, 4, 2, 4, 2), (1, 4, 16, 1, 1), (12, 4, 16, 3, 3), (9, 1, 3, 9, 3)],
)
def test_swap_has_a_pod_for_each_few_segments(
    segments: int, per_pod: int, parallelism: int, completions: int, at_once: int
) -> None:
    checked = JobSpec.model_validate(spec(segments={"perPod": per_pod, "maxParallelism": parallelism}))
    made = make_job(resource(), checked, kube.SWAP, attempt=0, run=RUN, segments=segments, settings=SETTINGS)
    assert (made["spec"]["completions"], made["spec"]["parallelism"]) == (completions, at_once)
    assert made["metadata"]["annotations"] == {"recast.video/segments-per-pod": str(per_pod)}
    given = made["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"]
    assert StageInput.model_validate_json(given).segments_per_pod == per_pod


@pytest.mark.parametrize("stage", kube.STAGES)
def test_what_is_made_can_be_changed_without_changing_the_next(stage: str) -> None:
    first = of_sample("all-fields", stage)
    for part in (first["spec"]["template"]["spec"], first["spec"]["podFailurePolicy"]["rules"], first["metadata"]):
        part.clear()
    assert of_sample("all-fields", stage) == of_sample("all-fields", stage)
    assert of_sample("all-fields", stage)["spec"]["template"]["spec"]["containers"]


def test_kubernetes_hands_on_what_the_spec_says_letter_by_letter() -> None:
    checked = JobSpec.model_validate(spec(source={"uri": "s3://studio/in/a$$b$(HOME).mov"}))
    made = make_job(resource(), checked, kube.SPLIT, attempt=0, run=None, segments=1, settings=SETTINGS)
    value = made["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"]
    assert "a$$$$b$$(HOME).mov" in value
