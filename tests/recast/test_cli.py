"""The command line: help that tells the truth, one line for an error, and the error's code."""

import argparse
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from recast import cli, exitcodes
from recast.cli import main, make_parser
from recast.errors import BadConfig, BadInput, NotFound, RecastError, StorageUnavailable, Transient


def parser(command: str) -> argparse.ArgumentParser:
    """A command's own parser."""
    (choices,) = (
        action.choices for action in make_parser(command)._actions if isinstance(action, argparse._SubParsersAction)
    )
    return choices[command]  # type: ignore[no-any-return]


COMMANDS = sorted(cli.COMMANDS)


def help_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--help"])
    assert ended.value.code == 0
    out, err = capsys.readouterr()
    assert not err
    return out


def test_the_commands_are_those_that_work() -> None:
    assert COMMANDS == [
        "cancel",
        "clean",
        "explain",
        "inspect",
        "list",
        "logs",
        "models",
        "preview",
        "run",
        "submit",
        "verify",
    ]


def test_help_names_every_command_and_every_exit_code_it_may_give(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of([], capsys)
    assert all(re.search(rf"^    {command} +\w", text, re.M) for command in COMMANDS)
    codes = {exitcodes.OK, *exitcodes.RETRIED, *exitcodes.NEVER_RETRIED, exitcodes.INTERRUPTED, exitcodes.TERMINATED}
    assert all(re.search(rf"\b{code}\b", text) for code in codes - {exitcodes.KILLED})


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_lists_its_own_options_and_no_other(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of([command], capsys)
    own = {option for action in actions_of(command) for option in action.option_strings if option[:2] == "--"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) - {"--help"} <= own
    shown = {option for action in parser(command)._actions for option in action.option_strings if option[:2] == "--"}
    assert all(option in text for option in shown)
    assert all(action.help for action in parser(command)._actions), "each argument is explained"


def actions_of(command: str) -> list[argparse.Action]:
    """A command's arguments, with those of its own commands."""
    own = parser(command)._actions
    subparsers = [action for action in own if isinstance(action, argparse._SubParsersAction)]
    inner = [choice for action in subparsers for choice in action.choices.values()]
    return [*own, *(action for choice in inner for action in choice._actions)]


def examples() -> Iterator[str]:
    texts = [make_parser().epilog or "", *(parser(command).epilog or "" for command in COMMANDS)]
    for text in texts:
        yield from re.findall(r"^  (recast .*)$", text.replace("\\\n", " "), re.M)


@pytest.mark.parametrize("example", sorted(set(examples())))
def test_every_example_in_the_help_can_be_typed(example: str) -> None:
    # As a shell gives them.
    words = [os.path.expanduser(word) for word in shlex.split(example)[1:]]
    assert callable(make_parser(words[0]).parse_args(words).body)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error."""
    out, err = capsys.readouterr()
    assert not out and err.startswith("recast: ") and err.endswith("\n") and err.count("\n") == 1
    return err[8:-1]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ([], "COMMAND"),
        (["swap"], "swap"),
        (["run"], "SOURCE"),
        (["run", "a.mp4"], "OUTPUT"),
        (["run", "a.mp4", "b.mp4", "c.mp4"], "c.mp4"),
        (["run", "a.mp4", "b.mp4", "--colour"], "--colour"),
        (["run", "a.mp4", "b.mp4", "--codec", "vp9"], "vp9"),
        (["run", "a.mp4", "b.mp4", "--workers", "two"], "two"),
        (["run", "a.mp4", "b.mp4"], "--face"),
        (["run", "gs://b/a.mp4", "b.mp4", "--engine", "passthrough"], "gs://b/a.mp4"),
        (["inspect"], "SOURCE"),
        (["inspect", "http://host/a.mp4"], "http://host/a.mp4"),
        (["preview", "a.mp4", "b.png"], "--face"),
        (["preview", "a.mp4", "b.jpg", "--face", "f.png"], "b.jpg"),
        (["verify", "a.mp4"], "OUTPUT"),
        (["clean", "all"], "all"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_carried_out_as_typed_is_one_line_and_64(
    arguments: list[str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == exitcodes.USAGE
    assert what in said(capsys)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["run", "a.mp4", "b.mp4", "--fase", "f.png"], "did you mean --face? (see `recast run --help`)"),
        (["run", "a.mp4", "b.mp4", "--xyz=1"], "unrecognized arguments: --xyz=1 (see `recast run --help`)"),
        (["run", "--", "-a.mp4", "b.mp4", "--face", "f.png"], "write it in front of that (see `recast run --help`)"),
        (["models", "push", "a", "b", "--license=x", "--licence", "x"], "--licence? (see `recast models push --help`)"),
    ],
    ids=" ".join,
)
def test_what_a_command_does_not_know_is_refused_in_its_name(
    arguments: list[str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == exitcodes.USAGE
    assert said(capsys).endswith(what)


def test_a_file_whose_name_begins_with_a_dash_is_told_how_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-a.mp4").touch()
    for words, told in ((["inspect", "-a.mp4"], True), (["inspect", "-b.mp4"], False)):
        monkeypatch.setattr(sys, "argv", ["recast", *words])
        assert main() == exitcodes.USAGE
        assert ("write ./-a.mp4" in said(capsys)) is told


def test_an_output_that_nobody_reads_on_is_no_error(tmp_path: Path) -> None:
    code = """
import sys
from recast import cli
def body(options):
    print("x" * 100_000)
    return 0
parser = cli.argparse.ArgumentParser()
parser.set_defaults(body=body)
cli.make_parser = lambda _: parser
sys.argv = ["recast"]
sys.exit(cli.main())
"""
    with (tmp_path / "said").open("wb") as err:
        made = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=err)
        assert made.stdout is not None
        made.stdout.close()
        assert made.wait(60) == cli.BROKEN_PIPE
    assert (tmp_path / "said").read_bytes() == b""


def test_streams_that_were_closed_are_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    def body(options: argparse.Namespace) -> int:
        print(sys.stdin.read(), file=sys.stderr)
        return 65

    monkeypatch.setattr(cli, "make_parser", lambda _: parser_of(body))
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert main([]) == 65
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        stream.close()


def test_an_output_that_goes_to_a_full_disk_is_named(tmp_path: Path) -> None:
    code = "import sys; from recast import cli; sys.exit(cli.main(['clean', '--dry-run']))"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={"XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": os.getcwd()},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == exitcodes.TRY_AGAIN
    assert done.stderr.startswith("recast: standard output: No space left on device") and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "code", "what"),
    [
        (PermissionError(13, "Permission denied", "/closed/a"), exitcodes.BAD_CONFIG, "/closed/a: Permission denied"),
        (OSError(5, "Input/output error"), exitcodes.TRY_AGAIN, "Input/output error"),
        (OSError("odd"), exitcodes.TRY_AGAIN, "odd"),
    ],
    ids=str,
)
def test_an_error_of_the_system_names_its_file(
    error: OSError, code: int, what: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def body(options: argparse.Namespace) -> int:
        raise error

    monkeypatch.setattr(cli, "make_parser", lambda _: parser_of(body))
    assert main([]) == code
    assert said(capsys) == what


@pytest.mark.parametrize("kind", [BadInput, NotFound, StorageUnavailable, Transient, BadConfig, RecastError])
def test_an_error_is_one_line_and_its_own_code(
    kind: type[RecastError], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def body(options: argparse.Namespace) -> int:
        raise kind("a.mp4: is wrong:\nmend it")

    monkeypatch.setattr(cli, "make_parser", lambda _: parser_of(body))
    assert main([]) == kind.exit_code
    assert said(capsys) == "a.mp4: is wrong: mend it"


def parser_of(body: object) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    made.set_defaults(body=body)
    return made


def test_the_version_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert re.fullmatch(r"recast \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


def test_ctrl_c_is_one_line_and_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def body(options: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "make_parser", lambda _: parser_of(body))
    assert main([]) == exitcodes.INTERRUPTED
    assert said(capsys) == "interrupted"


def test_a_commands_own_code_is_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "make_parser", lambda _: parser_of(lambda options: 65))
    assert main([]) == 65


def test_an_error_that_nobody_expected_is_one_line_and_70(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def body(options: argparse.Namespace) -> int:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(cli, "make_parser", lambda _: parser_of(body))
    assert main([]) == exitcodes.BUG
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["inspect", "{}"],
        ["preview", "{}", "/tmp/p.png", "--engine", "passthrough"],
        ["run", "{}", "/tmp/b.mp4", "--engine", "passthrough"],
        ["verify", "{}", __file__],
        ["verify", __file__, "{}"],
    ],
    ids=" ".join,
)
def test_a_file_that_is_not_there_or_a_folder_is_told_of_by_its_path_and_in_the_same_words(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("/none/such/a.mp4", "file:///none/such/a.mp4"):
        assert main([word.format(name) for word in words]) == exitcodes.NOT_FOUND
        assert said(capsys) == "/none/such/a.mp4: no such file: check the path"
    assert main([word.format(tmp_path) for word in words]) == exitcodes.BAD_INPUT
    assert said(capsys) == f"{tmp_path}: is a folder: give a file"
