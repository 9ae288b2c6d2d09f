"""A job of `recast run`."""

from typing import Any

from recast.spec import JobSpec

SPEC: dict[str, Any] = {
    "source": {"uri": "file:///in/a.mov"},
    "output": {"uri": "file:///out/b.mp4"},
    "faces": [{"source": ["file:///faces/ada.png"]}],
    "consent": {"reference": "REL-1"},
    "storage": {"scratch": "s3://recast/runs"},
}


def spec(**changes: Any) -> JobSpec:
    return JobSpec.model_validate(SPEC | changes)
