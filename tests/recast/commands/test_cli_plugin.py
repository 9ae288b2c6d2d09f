"""As kubectl's plugin, the command line calls itself what was typed."""

import sys

import pytest

from recast.cli import main


@pytest.mark.parametrize(
    ("typed", "program"),
    [
        ("/usr/bin/recast", "recast"),
        ("/opt/bin/kubectl-recast", "kubectl recast"),
        ("kubectl-recast.exe", "kubectl recast"),
    ],
)
@pytest.mark.parametrize("command", [[], ["submit"], ["cancel"]])
def test_help_shows_the_command_as_it_was_typed(
    typed: str, program: str, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [typed])
    with pytest.raises(SystemExit):
        main([*command, "--help"])
    text = capsys.readouterr().out
    assert text.startswith(f"usage: {' '.join([program, *command])} ")
    examples = [line for line in text.splitlines() if line.startswith("  ") and "recast " in line[:18]]
    assert examples and all(line.startswith(f"  {program} ") for line in examples)
