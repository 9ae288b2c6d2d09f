"""docs/using.md describes the JSON that scripts get, field by field, and no other."""

import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from recast.commands.inspected import Cut, Found, Outcome, json_of
from recast.commands.run import report_json
from recast.commands.verify import json_of as checks_json
from recast.errors import BadInput
from recast.manifest import BadRun, VideoFacts
from recast.verify.check import passed
from tests.recast.commands.test_run import FACE, REPORT, spec

PAGE = Path(__file__).parents[3] / "docs" / "using.md"
NAMED = {"outputs": "CONTAINER", "stages": "STAGE", "workerSeconds": "STEP"}
"""Objects whose fields' names are values, and how the page calls these."""
AS_ONE = {"consent"}
"""Objects that the page describes in a sentence."""


def described(command: str) -> set[str]:
    """The fields in the table under the line that begins with a command."""
    table = PAGE.read_text().partition(f"\n`recast {command}")[2].partition("\n| field |")[2].partition("\n\n")[0]
    return {field for row in table.splitlines()[2:] for field in re.findall(r"`([^`]+)`", row.split("|")[1])}


def fields(value: Any, name: str = "") -> Iterator[str]:
    """Where values are: `a.b`, and `a[].b` in a list of objects."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        yield from fields(value[0], f"{name}[]")
    elif isinstance(value, dict) and name not in AS_ONE:
        for key, each in value.items():
            part = NAMED.get(name, key)
            yield from fields(each, f"{name}.{part}" if name else part)
    else:
        yield name


def inspected() -> dict[str, object]:
    usual = {"stream_index": 0, "codec": "h264", "width": 8, "height": 8, "pix_fmt": "yuv420p"}
    facts = VideoFacts.model_validate(usual | {"time_base": "1/25", "rate": 25, "sar": 1})
    refused = Outcome(BadInput("source: no"), BadInput("source: nor that"))
    return json_of(Found("s3://studio/a.mp4", 9, facts, 0.04, [Cut(0, 1, Fraction(0))], 1, {"mp4": refused}))


def report() -> dict[str, object]:
    bad = BadRun(first=1, frames=2, pts=3, seconds=0.12, shows=0)
    return report_json(replace(REPORT, record=REPORT.record.model_copy(update={"bad_frames": (bad,)})), spec(*FACE))


@pytest.mark.parametrize(
    ("command", "document"),
    [
        ("inspect SOURCE --json", inspected()),
        ("verify SOURCE OUTPUT --json", checks_json([passed("size")], "a.mp4", "b.mp4")),
        ("run ... --report", report()),
    ],
    ids=["inspect", "verify", "report"],
)
def test_the_page_describes_every_field_and_no_other(command: str, document: dict[str, object]) -> None:
    assert described(command) == set(fields(document))
