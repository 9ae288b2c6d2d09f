"""What a FaceSwapJob may say, how it travels, and what is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from recast.spec import JobSpec, Output

FULL: dict[str, Any] = {
    "source": {"uri": "s3://studio/in/interview.mov"},
    "output": {"uri": "s3://studio/out/interview.mp4", "overwrite": True, "dropTracks": ["data", "cover"]},
    "faces": [
        {
            "source": ["s3://studio/faces/ada.png"],
            "target": {
                "select": "Reference", "index": None, "reference": "s3://studio/faces/bob.png", "maxDistance": 0.25,
            },
        },
        {
            "source": ["s3://studio/faces/eve.png"],
            "target": {"select": "Index", "index": 2, "reference": None, "maxDistance": None},
        },
    ],
    "consent": {"reference": "REL-2026-0117", "subject": "Ada L."},
    "engine": {
        "name": "InSwapper", "models": "s3://studio/models", "provider": "TensorRt", "precision": "Fp16",
        "pixelBoost": 256, "deviceMemoryMib": 4096,
        "mask": {
            "padding": {"top": 10, "right": 0, "bottom": 5, "left": 0}, "blur": 0.3, "opacity": 0.9, "keepMouth": True,
            "occluder": "xseg_1.onnx",
        },
    },
    "contentCheck": {"model": "s3://studio/content.onnx", "threshold": 0.8, "everySeconds": 2.5},
    "video": {
        "codec": "Hevc", "encoder": "Software", "decoder": "Software",
        "onBadFrames": "Repeat", "quality": "Lossless", "preset": "slow", "pixelFormat": "Yuv420p",
        "threads": 4,
    },
    "audio": {"codec": "Aac", "bitrate": "256k"},
    "segments": {"targetSeconds": 12.5, "maxParallelism": 3, "retries": 0, "perPod": 2, "normalise": True},
    "limits": {
        "bytes": 1 << 30,
        "pixels": 3840 * 2160,
        "streams": 8,
        "packets": 100_000,
        "seconds": 3600.0,
        "imageBytes": 1 << 20,
        "imagePixels": 1_000_000,
    },
    "storage": {
        "endpoint": "http://s3:8333", "region": "eu-1", "forcePathStyle": False, "scratch": "s3://scratch/recast",
        "caBundle": {"configMap": "ca", "key": "ca.crt"}, "credentialsSecret": "studio-s3",
        "serviceAccountName": "renders", "retain": "Never",
    },
    "worker": {
        "resources": {"requests": {"cpu": 4, "memory": "6Gi"}, "limits": {"memory": "8Gi"}}, "gpus": 1,
        "gpuResource": "nvidia.com/gpu",
        "scratchSize": "32Gi", "nodeSelector": {"gpu.example.com/model": "L4"},
        "affinity": {"nodeAffinity": {}},
        "tolerations": [{
            "key": "spot", "operator": "Equal", "value": "true", "effect": "NoExecute", "tolerationSeconds": 30,
        }],
        "runtimeClassName": "nvidia", "priorityClassName": "batch", "imagePullSecrets": [{"name": "registry"}],
        "modelCache": {"claimName": "models", "hostPath": None}, "stallSeconds": 60.0,
    },
    "stages": {
        "split": {
            "resources": {"requests": {"cpu": "1"}, "limits": {}},
            "volume": {"size": "20Gi", "storageClassName": None},
        },
        "mux": {
            "resources": {"requests": {}, "limits": {"memory": "1Gi"}},
            "volume": {"size": "2Ti", "storageClassName": "fast"},
        },
    },
    "deadlineSeconds": 600, "suspend": True, "ttlSecondsAfterFinished": 60,
}  # fmt: skip
LEAST: dict[str, Any] = {
    "source": {"uri": "s3://studio/in/a.mov"},
    "output": {"uri": "s3://studio/out/a.mkv"},
    "engine": {"name": "Passthrough"},
    "storage": {"scratch": "s3://scratch/recast"},
}


def job(**changes: Any) -> dict[str, Any]:
    return FULL | changes


def test_a_full_job_travels_unchanged_under_its_names_on_the_wire() -> None:
    spec = JobSpec.model_validate_json(json.dumps(FULL))
    assert spec.model_dump(mode="json", by_alias=True) == FULL
    assert JobSpec.model_validate_json(spec.model_dump_json(by_alias=True)) == spec


def test_the_least_job_gets_its_defaults() -> None:
    spec = JobSpec.model_validate(LEAST)
    assert JobSpec.model_validate_json(spec.model_dump_json(by_alias=True)) == spec
    assert (spec.output.container, spec.output.overwrite, spec.output.drop_tracks) == ("mkv", False, ())
    assert (spec.video.codec, spec.video.quality, spec.video.threads) == ("Auto", 18, 2)
    assert (spec.segments.per_pod, spec.segments.retries, spec.audio.codec) == ("Auto", 3, "Copy")
    assert spec.storage.force_path_style and spec.worker.stall_seconds == 300


def test_fields_may_be_named_as_in_python_too() -> None:
    assert JobSpec.model_validate(job(segments={"target_seconds": 5})).segments.target_seconds == 5


def refused(data: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as error:
        JobSpec.model_validate(data)
    first = error.value.errors()[0]
    return ".".join(map(str, first["loc"])) + ": " + first["msg"]


def test_the_output_is_not_the_source() -> None:
    assert "output.uri: is the source" in refused(job(output={"uri": FULL["source"]["uri"][:-3] + "mov"}))


def test_a_face_is_changed_only_with_consent() -> None:
    assert "consent: required" in refused({key: value for key, value in FULL.items() if key != "consent"})
    assert "consent: required" in refused(job(consent=None))
    assert "consent.reference" in refused(job(consent={"reference": ""}))
    assert "consent.reference" in refused(job(consent={"subject": "Ada"}))
    JobSpec.model_validate(job(consent=None, engine={"name": "Passthrough"}))


def test_an_engine_that_changes_faces_needs_one() -> None:
    assert "faces: at least one" in refused(job(faces=[]))
    assert "faces.0.source" in refused(job(faces=[{"source": []}]))
    assert "faces" in refused(job(faces=FULL["faces"] * 9))


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ({"select": "Index"}, "index: goes with select Index"),
        ({"index": 1}, "index: goes with select Index"),
        ({"select": "Reference"}, "reference: goes with select Reference"),
        ({"reference": "s3://studio/bob.png"}, "reference: goes with select Reference"),
        ({"maxDistance": 0.3}, "maxDistance: goes with select Reference"),
    ],
)
def test_a_target_says_what_it_needs(target: dict[str, Any], says: str) -> None:
    assert says in refused(job(faces=[{"source": ["s3://studio/ada.png"], "target": target}]))


def test_models_go_with_the_engine_that_needs_them() -> None:
    assert "models: goes with engine InSwapper" in refused(job(engine={"name": "InSwapper"}))
    assert "models: goes with engine InSwapper" in refused(job(engine={"name": "Mesh", "models": "s3://studio/m"}))


def models(spec: BaseModel) -> list[tuple[tuple[str, ...], BaseModel]]:
    found: list[tuple[tuple[str, ...], BaseModel]] = [((), spec)]
    for name in type(spec).model_fields:
        value = getattr(spec, name)
        if isinstance(value, BaseModel):
            wire = type(spec).model_fields[name].alias or name
            found += [((wire, *path), inner) for path, inner in models(value)]
    return found


@pytest.mark.parametrize("path", [path for path, _ in models(JobSpec.model_validate(FULL))], ids=str)
def test_a_field_that_does_not_exist_is_refused_everywhere(path: tuple[str, ...]) -> None:
    data = json.loads(json.dumps(FULL))
    place = data
    for step in path:
        place = place[step]
    place["colour"] = 1
    assert "colour: Extra inputs" in refused(data)


@pytest.mark.parametrize(("path", "model"), models(JobSpec.model_validate(FULL)), ids=lambda value: str(value)[:30])
def test_no_field_can_be_set_after_the_fact(path: tuple[str, ...], model: BaseModel) -> None:
    name = next(iter(type(model).model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(model, name, getattr(model, name))


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket", "s3://bucket/", "s3:///key", "s3://b/key", "s3://Bucket/key", "s3://-ab/key", "s3://ab_c/key",
        "s3://bucket/a\nb", "s3://bucket/a\x7f", "gs://bucket/key", "http://host/key", "/in/a.mov", "a.mov", "",
        "file://host/a.mov", "file://a.mov", "file:///", "file:///a\x00b", " s3://bucket/key", "s3://bucket/key\n",
    ],
)  # fmt: skip
def test_what_is_no_address_of_an_object_is_refused(uri: str) -> None:
    assert "source.uri" in refused(job(source={"uri": uri}))


@pytest.mark.parametrize(
    "uri",
    ["s3://bucket/key", "s3://my.bucket-1/a b/ü.mov", "s3://abc/k", "file:///in/a.mov", "file:///a b?c#d%20.mov"],
)
def test_addresses_are_taken_as_they_stand(uri: str) -> None:
    assert JobSpec.model_validate(job(source={"uri": uri})).source.uri == uri


@pytest.mark.parametrize("name", ["a.avi", "a", "a.mp4.txt", "mp4", "a.webm", "a."])
def test_an_output_needs_a_suffix_that_names_its_container(name: str) -> None:
    assert "must end in .mp4, .mov or .mkv" in refused(job(output={"uri": f"s3://studio/out/{name}"}))


@pytest.mark.parametrize(("name", "container"), [("a.mp4", "mp4"), ("a.MOV", "mov"), ("a.b.mkv", "mkv")])
def test_the_suffix_chooses_the_container(name: str, container: str) -> None:
    assert Output(uri=f"s3://studio/out/{name}").container == container


@pytest.mark.parametrize(
    ("part", "value", "where"),
    [
        ("video", {"quality": 64}, "video.quality"),
        ("video", {"quality": -1}, "video.quality"),
        ("video", {"quality": "lossless"}, "video.quality"),
        ("video", {"preset": "slow; rm"}, "video.preset"),
        ("video", {"preset": "crf=0:qp=1"}, "video.preset"),
        ("video", {"preset": "slow\n"}, "video.preset"),
        ("video", {"codec": "Vp9"}, "video.codec"),
        ("video", {"threads": 0}, "video.threads"),
        ("video", {"pixelFormat": "yuv420p"}, "video.pixelFormat"),
        ("audio", {"bitrate": "192"}, "audio.bitrate"),
        ("audio", {"bitrate": "0k"}, "audio.bitrate"),
        ("segments", {"targetSeconds": 0}, "segments.targetSeconds"),
        ("segments", {"targetSeconds": float("nan")}, "segments.targetSeconds"),
        ("segments", {"targetSeconds": float("inf")}, "segments.targetSeconds"),
        ("segments", {"maxParallelism": 0}, "segments.maxParallelism"),
        ("segments", {"maxParallelism": 100_001}, "segments.maxParallelism"),
        ("segments", {"retries": -1}, "segments.retries"),
        ("segments", {"perPod": 0}, "segments.perPod"),
        ("segments", {"perPod": "auto"}, "segments.perPod"),
        ("storage", {"scratch": "scratch/recast"}, "storage.scratch"),
        ("storage", {"scratch": "s3://scratch/recast", "endpoint": "s3:8333"}, "storage.endpoint"),
        ("engine", {"name": "mesh"}, "engine.name"),
        ("worker", {"stallSeconds": 0}, "worker.stallSeconds"),
        ("faces", [{"source": ["s3://studio/a.png"] * 17}], "faces.0.source"),
        ("faces", [{"source": ["s3://studio/a.png"], "target": {"select": "largest"}}], "faces.0.target.select"),
        ("consent", {"reference": "x" * 513}, "consent.reference"),
        ("output", {"uri": "s3://studio/a.mp4", "dropTracks": ["sound"]}, "output.dropTracks.0"),
    ],
)
def test_values_that_no_stage_could_use_are_refused_by_name(part: str, value: Any, where: str) -> None:
    assert refused(job(**{part: value})).startswith(where)


@given(st.floats(0.001, 3600), st.integers(0, 63), st.sampled_from(["s3://b-1/ü/%41.mp4", "file:///a b.mov"]))
def test_every_value_comes_back_as_it_was(seconds: float, quality: int, uri: str) -> None:
    spec = JobSpec.model_validate(
        job(segments={"targetSeconds": seconds}, video={"quality": quality}, output={"uri": uri})
    )
    assert JobSpec.model_validate_json(spec.model_dump_json(by_alias=True)) == spec
