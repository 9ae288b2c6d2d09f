"""No shell and nothing that runs what it reads: recast's own code, looked at as a tree."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("recast", "controller", "segment_worker")
CALLS = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "subprocess.getoutput",
    "subprocess.getstatusoutput", "asyncio.create_subprocess_shell", "yaml.unsafe_load", "yaml.full_load",
    "yaml.load_all", "pty.spawn", "tempfile.mktemp", "torch.load", "runpy.run_path",
}  # fmt: skip
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "commands", "xml"}
SAFE_LOADERS = {"SafeLoader", "CSafeLoader"}


def faults(source: str) -> Iterator[str]:
    """What a module does that none may."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            named = [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
            full = [f"{node.module}.{each.name}" for each in node.names] if isinstance(node, ast.ImportFrom) else []
            yield from (name for name in named if name.split(".")[0] in MODULES)
            yield from (name for name in full if name in CALLS)
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in CALLS or name.startswith(("os.exec", "os.spawn", "os.posix_spawn")):
                yield name
            words = {each.arg: each.value for each in node.keywords}
            if "shell" in words and not (isinstance(words["shell"], ast.Constant) and words["shell"].value is False):
                yield f"{name}(shell=...)"
            if name in ("yaml.load", "load") and "yaml" in source:
                loader = ast.unparse(words.get("Loader", node.args[1] if len(node.args) > 1 else ast.Constant(None)))
                if loader.rpartition(".")[2] not in SAFE_LOADERS:
                    yield f"yaml.load by {loader}"
            if any(
                isinstance(each, ast.Constant) and each.value in ("sh", "bash", "/bin/sh", "-c") for each in node.args
            ):
                yield f"{name} of a shell"
            if any(word in ("allow_pickle",) and ast.unparse(value) != "False" for word, value in words.items()):
                yield f"{name}(allow_pickle=...)"


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_runs_what_it_reads(package: str) -> None:
    paths = sorted((ROOT / package).rglob("*.py"))
    assert paths
    found = [f"{path.relative_to(ROOT)}: {fault}" for path in paths for fault in faults(path.read_text())]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "subprocess.run(x, shell=True)", "os.system(x)", "eval(x)", "import pickle", "from pickle import loads",
        "import yaml\nyaml.load(x)", "import yaml\nyaml.load(x, Loader=yaml.Loader)", "np.load(x, allow_pickle=True)",
        "os.execvp(a, b)", "from os import system", "Popen('sh', x)", "subprocess.run(x, shell=y)",
    ],
)  # fmt: skip
def test_it_would_be_seen(source: str) -> None:
    assert list(faults(source))
