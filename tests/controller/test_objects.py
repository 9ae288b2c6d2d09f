"""The Jobs of the samples, whole, against what stands in manifests/*.yaml beside this file."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.objects import PodSettings, make_job, segments_per_pod, stage_name
from controller.observed import Resource
from recast import kubenames as kube
from recast.spec import JobSpec
from recast.stage import StageInput
from tests.controller.builders import BEGAN, IMAGES, RUN, SETTINGS, UID, resource, spec

HERE = Path(__file__).parent
SAMPLES = HERE.parents[1] / "manifests" / "samples"


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


def test_what_the_administrator_adds_is_on_the_pods() -> None:
    settings = PodSettings(IMAGES, "Always", {"team": "vfx", kube.LABEL_STAGE: "mine"}, {"note": "x"})
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
        ({"name": "InSwapper", "models": "s3://studio/models"}, 2, 2),
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
