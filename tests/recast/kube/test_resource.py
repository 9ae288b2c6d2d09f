from datetime import UTC, datetime

from recast.kube.resource import read_resource

UID = "3bb15e98-5f3a-4c8e-9f0a-1c2d3e4f5a6b"
TIME = "2026-01-15T12:00:00Z"
NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)


def test_a_resource_in_the_fields_that_matter() -> None:
    metadata = {
        "name": "a",
        "namespace": "b",
        "uid": UID,
        "creationTimestamp": "2026-01-15T13:00:00+01:00",
        "deletionTimestamp": TIME,
        "generation": 4,
        "resourceVersion": "17",
        "finalizers": ["recast.video/scratch"],
        "labels": {"a": "b"},
    }
    read = read_resource({"metadata": metadata, "spec": {"suspend": True}, "status": {"phase": "Muxing"}})
    assert (read.namespace, read.name, read.uid, read.generation, read.resource_version) == ("b", "a", UID, 4, "17")
    assert (read.created, read.deleted, read.finalizers) == (NOON, NOON, ("recast.video/scratch",))
    assert (read.labels, read.spec, read.status.phase) == ({"a": "b"}, {"suspend": True}, "Muxing")


def test_a_status_that_cannot_be_read_is_observed_anew() -> None:
    metadata = {"name": "a", "namespace": "b", "uid": UID, "creationTimestamp": TIME}
    read = read_resource({"metadata": metadata, "spec": {}, "status": {"phase": "Elsewhere"}})
    assert read.status.phase == "Pending"


def test_of_a_status_what_a_newer_controller_added_is_left_out() -> None:
    metadata = {"name": "a", "namespace": "b", "uid": UID, "creationTimestamp": TIME}
    read = read_resource({"metadata": metadata, "status": {"phase": "Muxing", "later": 1}})
    assert read.status.phase == "Muxing" and (read.deleted, read.finalizers, read.generation) == (None, (), 1)
