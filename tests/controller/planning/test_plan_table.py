"""What is asked for and said, for each stage and each way that its Job and pods may stand."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from controller.planning.observed import Observed
from recast import names
from recast.kube import names as kube
from recast.status import Attempts
from tests.controller.builders import (
    BEFORE,
    BEGAN,
    FRAMES,
    LATE,
    MUX,
    NEVER,
    NORMALISE,
    NOW,
    OUTPUT,
    RUN,
    SEGMENTS,
    SPLIT,
    SWAP,
    asked,
    carried_out,
    decide,
    ended,
    fact,
    job,
    pod,
    seen_in,
)

Facts = dict[str, tuple[str, str]]
KNOWN: dict[str, Facts] = {SPLIT: {}, NORMALISE: {kube.SPLIT_COMPLETE: ("True", names.STAGE_COMPLETE)}}
KNOWN[SWAP] = KNOWN[NORMALISE]
KNOWN[MUX] = KNOWN[SWAP] | {kube.SWAP_COMPLETE: ("True", names.STAGE_COMPLETE)}


def rows(stage: str) -> Iterator[tuple[str, Observed, datetime, list[str], str, Facts]]:
    """What may be seen of a stage that is the same for each."""
    one, known, phase = job(stage), KNOWN[stage], BEFORE[stage]().phase
    its_pod, held = pod(one), replace(one, suspended=True, active=0)
    queued = replace(held, queue="renders")
    over = replace(one, active=0, failed_reason="BackoffLimitExceeded", failed_message="limit")
    suspended = {kube.SUSPENDED: ("True", names.JOB_SUSPENDED)}
    resumed = {kube.SUSPENDED: ("False", names.JOB_RESUMED)}
    was_suspended = BEFORE[stage](
        phase="Suspended", conditions=(*BEFORE[stage]().conditions, fact(kube.SUSPENDED, reason=names.JOB_SUSPENDED))
    )
    late = {kube.FAILED: ("True", names.DEADLINE_EXCEEDED)}
    second = BEFORE[stage](attempts=Attempts.model_validate({stage: 1}))
    waits, admitted = ({kube.QUOTA_RESERVED: each} for each in (("False", "QuotaPending"), ("True", "QuotaAdmitted")))

    yield "nothing yet", seen_in(stage), NOW, [f"create {stage}-0"], phase, known
    yield "no pod yet", seen_in(stage, (replace(one, active=0, started=None),)), NOW, [], phase, known
    waiting = replace(its_pod, phase="Pending", node=None, created=NOW)
    yield "its pod waits", seen_in(stage, (one,), (waiting,)), NOW, [], phase, known
    yield "its pod runs", seen_in(stage, (one,), (its_pod,)), NOW, [], phase, known
    yield "deleted by hand", seen_in(stage, (replace(one, deleting=True),)), NOW, [f"create {stage}-1"], phase, known
    anew = (replace(one, complete=True), job(stage, 1))
    yield "a second attempt", seen_in(stage, anew, (), second), NOW, [], phase, known
    yield "the first is gone", seen_in(stage, (), (), second), NOW, [f"create {stage}-1"], phase, known

    for code, reason in ((65, names.CORRUPT_SOURCE), (75, names.STALLED), (78, names.OUTPUT_EXISTS)):
        last = ended(one, code, reason=reason, message="so")
        failed = known | {kube.FAILED: ("True", reason)}
        yield f"failed with {code}", seen_in(stage, (over,), (last,)), NOW, [], "Failed", failed
    reason = names.SEGMENTS_FAILED if stage == SWAP else names.STAGE_FAILED
    yield "failed, pods gone", seen_in(stage, (over,)), NOW, [], "Failed", known | {kube.FAILED: ("True", reason)}

    ask = seen_in(stage, (one,), (its_pod,), suspend=True)
    yield "suspend", ask, NOW, [], "Suspended", known | suspended
    told = seen_in(stage, (one,), (its_pod,), was_suspended, suspend=True)
    yield "suspend, told of", told, NOW, [f"suspend {stage}-0"], "Suspended", known | suspended
    yield "suspended", seen_in(stage, (held,), (), was_suspended, suspend=True), NOW, [], "Suspended", known | suspended
    yield (
        "suspended with no Job",
        seen_in(stage, (), (), was_suspended, suspend=True),
        NOW,
        [],
        "Suspended",
        known | suspended,
    )
    done_already = seen_in(stage, (replace(one, complete=True),), suspend=True)
    yield "suspended when it is done", done_already, NOW, [], "Suspended", known | suspended
    yield "resume", seen_in(stage, (held,), (), was_suspended), NOW, [f"resume {stage}-0"], phase, known | resumed
    yield (
        "resume, not seen suspended",
        seen_in(stage, (one,), (), was_suspended),
        NOW,
        [f"resume {stage}-0"],
        phase,
        (known | resumed),
    )
    yield "held by somebody", seen_in(stage, (held,)), NOW, [], "Queued", known | {kube.STALLED: ("True", "JobHeld")}
    just_resumed = BEFORE[stage](
        conditions=(*BEFORE[stage]().conditions, fact(kube.SUSPENDED, "False", names.JOB_RESUMED))
    )
    soon = BEGAN + timedelta(seconds=3)
    yield "resumed, and not seen yet", seen_in(stage, (held,), (), just_resumed), soon, [], phase, known | resumed
    still = known | resumed | {kube.STALLED: ("True", "JobHeld")}
    yield "resumed, and held by somebody", seen_in(stage, (held,), (), just_resumed), NOW, [], "Queued", still
    yield (
        "resume with no Job",
        seen_in(stage, (), (), was_suspended),
        NOW,
        [f"create {stage}-0"],
        phase,
        known | resumed,
    )

    yield "held by Kueue", seen_in(stage, (queued,)), NOW, [], "Queued", known | waits
    yield "admitted by Kueue", seen_in(stage, (replace(one, queue="renders"),)), NOW, [], phase, known | admitted
    asks_kueue = seen_in(stage, (queued,), suspend=True)
    yield "suspend, held by Kueue", asks_kueue, NOW, [f"delete {stage}-0"], "Suspended", known | suspended

    overdue = seen_in(stage, (one,), (its_pod,), deadlineSeconds=600)
    yield "late", overdue, LATE, [f"delete {stage}-0"], "Failed", known | late
    yield "just in time", overdue, LATE - timedelta(seconds=2), [], phase, known
    late_held = seen_in(stage, (held,), (), was_suspended, deadlineSeconds=600, suspend=True)
    yield "late before it was suspended", late_held, LATE, [f"delete {stage}-0"], "Failed", known | suspended | late
    ends = known | {kube.FAILED: ("True", names.NAMESPACE_TERMINATING)}
    yield "no namespace", seen_in(stage, (one,), namespace_ends=True), NOW, [f"delete {stage}-0"], "Failed", ends

    let_go: dict[str, Any] = {"deleted": NOW, "finalizers": (kube.FINALIZER,), "storage": NEVER}
    yield "deleted", seen_in(stage, (one,), (its_pod,), deleted=NOW), NOW, [], phase, known
    yield "deleted, held", seen_in(stage, (one,), (its_pod,), **let_go), NOW, [f"delete {stage}-0"], phase, known
    yield "deleted, no pod yet", seen_in(stage, (one,), **let_go), NOW, [f"delete {stage}-0"], phase, known
    dying = (replace(one, deleting=True),)
    yield "deleted, pod dies", seen_in(stage, dying, (its_pod,), **let_go), NOW, [], phase, known
    yield "deleted, Job dies", seen_in(stage, dying, **let_go), NOW, ["create cleanup-0"], phase, known
    yield "deleted, all is gone", seen_in(stage, **let_go), NOW, ["create cleanup-0"], phase, known


def ends() -> Iterator[tuple[str, Observed, datetime, list[str], str, Facts]]:
    """How each stage ends well."""
    split, normalise, swap, mux = (job(stage, complete=True, active=0) for stage in (SPLIT, NORMALISE, SWAP, MUX))
    told = ended(split, run=RUN, segments=SEGMENTS, frames=FRAMES)
    published = KNOWN[MUX] | {kube.COMPLETE: ("True", names.SUCCEEDED)}
    yield "split tells", seen_in(SPLIT, (split,), (told,)), NOW, ["create swap-0"], "Swapping", KNOWN[SWAP]
    yield "split says nothing", seen_in(SPLIT, (split,)), NOW, ["create split-1"], "Splitting", KNOWN[SPLIT]
    wants = seen_in(SPLIT, (split,), (told,), segments={"normalise": True})
    yield "split before normalise", wants, NOW, ["create normalise-0"], "Splitting", KNOWN[NORMALISE]
    yield "normalised", seen_in(NORMALISE, (normalise,)), NOW, ["create swap-0"], "Swapping", KNOWN[SWAP]
    yield "swapped", seen_in(SWAP, (swap,)), NOW, ["create mux-0"], "Muxing", KNOWN[MUX]
    yield "mux tells", seen_in(MUX, (mux,), (ended(mux, output=OUTPUT),)), NOW, [], "Succeeded", published
    yield "mux says nothing", seen_in(MUX, (mux,)), NOW, ["create mux-1"], "Muxing", KNOWN[MUX]
    some = replace(job(SWAP), completed_indexes="0,2", active=4)
    yield "some segments are in", seen_in(SWAP, (some,)), NOW, [], "Swapping", KNOWN[SWAP]
    hole = replace(some, active=0, failed_reason="FailedIndexes", failed_message="maxFailedIndexes")
    lost = ended(hole, 65, 3, reason=names.CORRUPT_SOURCE, message="frame 12", segment=3)
    fails = KNOWN[SWAP] | {kube.FAILED: ("True", names.CORRUPT_SOURCE)}
    yield "some segments failed", seen_in(SWAP, (hole,), (lost,)), NOW, [], "Failed", fails
    wider = seen_in(SWAP, (replace(some, parallelism=2),), segments={"maxParallelism": 4})
    yield "more workers", wider, NOW, ["scale swap-0 to 4"], "Swapping", KNOWN[SWAP]


TABLE = [(f"{stage}: {row[0]}", *row[1:]) for stage in BEFORE for row in rows(stage)] + list(ends())


@pytest.mark.parametrize(
    ("observed", "now", "asks", "phase", "facts"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_what_is_asked_for_and_what_is_said(
    observed: Observed, now: datetime, asks: list[str], phase: str, facts: Facts
) -> None:
    planned = decide(observed, now)
    assert asked(planned) == asks
    assert planned.status.phase == phase
    found = {each.type: (each.status, each.reason) for each in planned.status.conditions if each.type != kube.READY}
    if kube.FAILED in found:
        assert found.pop(kube.STALLED) == found[kube.FAILED]
    assert found == facts
    assert (planned.status.completion_time is not None) == (phase in ("Succeeded", "Failed"))


@pytest.mark.parametrize(("observed", "now"), [row[1:3] for row in TABLE], ids=[row[0] for row in TABLE])
def test_once_carried_out_there_is_nothing_left_to_write(observed: Observed, now: datetime) -> None:
    planned = decide(observed, now)
    after = carried_out(observed, planned)
    if observed.resource.deleted is not None or observed.resource.spec.get("suspend"):
        # Then cleanup comes, or what the status told of.
        after = carried_out(after, decide(after, now))
    again = decide(after, now + timedelta(seconds=1))
    assert not again.actions and not again.events
    assert again.status == after.resource.status
