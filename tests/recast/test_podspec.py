"""What a job may say of its pods."""

from typing import Any

import pytest
from pydantic import ValidationError

from recast.podspec import Worker


def refused(worker: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as error:
        Worker.model_validate(worker)
    first = error.value.errors()[0]
    return ".".join(map(str, first["loc"])) + ": " + first["msg"]


def test_gpus_are_asked_for_in_one_place() -> None:
    for kind in ("requests", "limits"):
        told = refused({"resources": {kind: {"nvidia.com/mig-1g.10gb": 1}}})
        assert "worker.gpus and worker.gpuResource" in told
    assert "gpuResource" in refused({"gpuResource": "amd.com/gpu"})


def test_a_model_cache_is_one_of_two() -> None:
    assert "not both" in refused({"modelCache": {"claimName": "a", "hostPath": "/b"}})


def test_a_worker_is_refused_gpus_that_it_would_not_use() -> None:
    assert "gpus" in refused({"gpus": 2})
