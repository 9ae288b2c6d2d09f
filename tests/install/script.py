"""Scripts of docker/ as modules."""

import importlib.util
import sys
from types import ModuleType

from tests.install.test_lock import ROOT


def load(name: str) -> ModuleType:
    """Give docker/NAME.py as a module; it runs where recast's packages are, and is no package of its own."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docker" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
