"""Asks what is known against the packages of the lock: `make audit`.

pip-audit does the asking, as a tool that uv fetches and no environment keeps. It says "No known vulnerabilities" also
where the service does not answer, or does not know a package; here that is said, and fails.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from licences import PLACES, find_uv, locked

PIP_AUDIT = "pip-audit==2.10.1"
DEVELOPMENT = ["--group", "dev", "--group", "mesh-models"]
SECONDS = 900
FOUND, NOT_AUDITED = 1, 69
"""Exit codes: something is known; the service is not there (EX_UNAVAILABLE)."""


@dataclass(frozen=True)
class Verdict:
    """What the audit gave.

    Attributes:
        found: one line for each vulnerability.
        unknown: packages that nobody said anything about.
    """

    found: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def code(self) -> int:
        """Which exit code says so."""
        return FOUND if self.found else NOT_AUDITED if self.unknown else 0


def judge(report: str, wanted: dict[str, str]) -> Verdict:
    """Read pip-audit's report.

    Args:
        report: its JSON; empty where it wrote none.
        wanted: the packages that it was to look at, name to version.
    """
    answers: list[dict[str, Any]] = json.loads(report)["dependencies"] if report else []
    known = {each["name"]: each for each in answers if "vulns" in each}
    found = [
        f"{name} {each['version']}: {one['id']}, mended in {', '.join(one['fix_versions']) or 'no version'}"
        for name, each in sorted(known.items())
        for one in each["vulns"]
    ]
    return Verdict(tuple(found), tuple(sorted(set(wanted) - set(known))))


def ask(wanted: dict[str, str], options: list[str]) -> tuple[str, str]:
    """Let pip-audit ask; give its report and the last line of what it said."""
    with tempfile.TemporaryDirectory() as folder:
        requirements, report = Path(folder) / "requirements.txt", Path(folder) / "report.json"
        requirements.write_text("".join(f"{name}=={version}\n" for name, version in sorted(wanted.items())))
        command = [find_uv(), "tool", "run", PIP_AUDIT, "--no-deps", "--disable-pip", "--progress-spinner", "off"]
        done = subprocess.run(  # noqa: S603  # pip-audit, by a list of words
            [*command, "--requirement", requirements, "--format", "json", "--output", report, *options],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        said = done.stderr.strip().splitlines()
        return report.read_text() if report.exists() else "", said[-1] if said else ""


def main() -> int:
    """Ask, and say what is known."""
    wanted: dict[str, str] = {}
    for options in (*PLACES.values(), DEVELOPMENT):
        wanted |= locked(options)
    report, said = ask(wanted, ["--vulnerability-service", os.environ.get("AUDIT_SERVICE", "osv"), *sys.argv[1:]])
    verdict = judge(report, wanted)
    for line in verdict.found:
        print(line)
    if verdict.unknown:
        names = ", ".join(verdict.unknown[:5])
        print(f"NOT AUDITED: {len(verdict.unknown)} of {len(wanted)} packages ({names}...): {said}", file=sys.stderr)
    else:
        print(f"{len(wanted)} packages audited, {len(verdict.found)} vulnerabilities known")
    return verdict.code


if __name__ == "__main__":
    sys.exit(main())
