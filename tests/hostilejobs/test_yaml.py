"""Files for `recast submit` that are made to take all memory, or to end the process."""

import subprocess
import sys
from pathlib import Path

import pytest

from recast.kube.yamllines import MOST_TEXT

LIMIT = "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)); "
BOMBS = {
    "lists-in-lists": (200_000 * "[", "levels deep"),
    "dashes": (200_000 * "- " + "a", "levels deep"),
    "fields-in-fields": (100_000 * "{a: ", "levels deep"),
    "long-text-many-times": ("a: &a " + 1_000_000 * "x" + "\nb: [" + 5_000 * "*a," + "]", "values in one document"),
    "merges": (
        "m0: &m0 {x: 1}\n" + "".join(f"m{n}: &m{n} {{<<: [{9 * f'*m{n - 1},'}]}}\n" for n in range(1, 9)),
        "values in one document",
    ),
    "giant": ("# " + MOST_TEXT * "x", "more than 16 MiB"),
    "python-object": ("!!python/object/apply:os.system ['touch pwned']", "not YAML"),
    "not-text": ("\x00\x01", "not YAML"),
    "doubles": ("apiVersion: a\napiVersion: b\n", "is there twice"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_a_line(name: str, tmp_path: Path) -> None:
    text, says = BOMBS[name]
    (tmp_path / "jobs.yaml").write_text(text)
    code = LIMIT + "import sys; from recast.cli import main; sys.exit(main(['submit', 'jobs.yaml']))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (64, ""), done.stderr[-500:]
    assert says in done.stderr and len(done.stderr) < 1000 and len(done.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["jobs.yaml"]
