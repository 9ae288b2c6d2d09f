"""One finding."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what, in a few words.
        ok: whether it is as it must be; true too where it could not be told.
        skipped: whether it could not be told, or was not asked.
        detail: what was found, or what is wrong and where.
    """

    name: str
    ok: bool
    skipped: bool
    detail: str


def passed(name: str, detail: str = "") -> Check:
    """It is as it must be."""
    return Check(name, True, False, detail)


def failed(name: str, detail: str) -> Check:
    """It is not."""
    return Check(name, False, False, detail)


def skipped(name: str, detail: str) -> Check:
    """It cannot be told."""
    return Check(name, True, True, detail)


def equal(name: str, source: object, output: object) -> Check:
    """Both files have the same."""
    if source == output:
        return passed(name, str(source))
    return failed(name, f"{source} in the source, {output} in the output")
