"""The command line in front of a fake API server."""

from collections.abc import Callable

import pytest

from recast.cli import main
from recast.kube.cluster import Cluster
from tests.recast.commands.fakecluster import FakeApi

Run = Callable[..., tuple[str, str]]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """Give the API server that the commands find."""
    fake = FakeApi()

    def connect(kubeconfig: object = None, context: object = None, namespace: str | None = None) -> Cluster:
        return Cluster(fake, namespace or fake.namespace)  # type: ignore[arg-type]

    monkeypatch.setattr(Cluster, "connect", connect)
    return fake


@pytest.fixture
def run(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> Run:
    """Give a function that runs a command, and gives what it printed on both outputs."""

    def body(*words: str, code: int = 0) -> tuple[str, str]:
        found = main(list(words))
        out, err = capsys.readouterr()
        assert found == code, (out, err)
        return out, err

    return body
