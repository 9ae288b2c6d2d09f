"""Specs that are not as this controller knows them."""

from controller.planning.observed import Observed
from tests.controller.builders import SPLIT, begun, created, decide, job, resource


def test_what_a_newer_crd_adds_to_a_spec_ends_no_job_and_is_named_once() -> None:
    newer = {"video": {"colourRange": "Full"}, "shards": 4}
    planned = decide(Observed(resource(**newer)))
    assert created(planned) == ["split-0"] and planned.status.failure is None
    assert [event.message for event in planned.events if event.reason == "UnknownFields"] == [
        "spec.video.colourRange, spec.shards: not known to this version of the controller, and ignored: upgrade it"
    ]
    running = decide(Observed(resource(begun(), **newer), (job(SPLIT),)))
    assert running.status.failure is None and not running.events


def test_a_spec_that_cannot_be_fails_with_its_field() -> None:
    planned = decide(Observed(resource(video={"quality": 99})))
    assert planned.status.failure is not None and "spec.video.quality" in planned.status.failure.message
    files = decide(Observed(resource(source={"uri": "file:///etc/passwd"})))
    assert files.status.failure is not None and "takes s3://" in files.status.failure.message
