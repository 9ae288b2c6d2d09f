"""What `make audit` makes of pip-audit's reports: silence is no good news."""

import json
import sys
from types import ModuleType

import pytest

from tests.install.script import load
from tests.install.test_lock import ROOT

WANTED = {"six": "1.17.0", "numpy": "2.4.6"}
SIX = {"name": "six", "version": "1.17.0", "vulns": []}
NUMPY = {"name": "numpy", "version": "2.4.6", "vulns": []}
BAD = NUMPY | {"vulns": [{"id": "GHSA-1", "fix_versions": ["2.4.7"], "aliases": [], "description": "x"}]}
# What pip-audit 2.10 writes, and ends with 0, where the registry is a mirror that has no advisories.
SKIPPED = {"name": "six", "skip_reason": "Dependency not found on PyPI and could not be audited: six (1.17.0)"}


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "docker")
        patch.delitem(sys.modules, "licences", raising=False)
        return load("audit")


@pytest.mark.parametrize(
    ("answers", "code", "found", "unknown"),
    [
        ([SIX, NUMPY], 0, (), ()),
        ([SIX, BAD], 1, ("numpy 2.4.6: GHSA-1, mended in 2.4.7",), ()),
        ([SKIPPED, NUMPY], 69, (), ("six",)),
        ([NUMPY], 69, (), ("six",)),
        ([SKIPPED, BAD], 1, ("numpy 2.4.6: GHSA-1, mended in 2.4.7",), ("six",)),
    ],
)
def test_what_is_known_fails_and_what_is_not_asked_is_said(
    answers: list[object], code: int, found: tuple[str, ...], unknown: tuple[str, ...], audit: ModuleType
) -> None:
    verdict = audit.judge(json.dumps({"dependencies": answers, "fixes": []}), WANTED)
    assert (verdict.code, verdict.found, verdict.unknown) == (code, found, unknown)


def test_no_report_is_no_audit(audit: ModuleType) -> None:
    assert audit.judge("", WANTED).code == 69
    assert audit.judge("", WANTED).unknown == ("numpy", "six")
