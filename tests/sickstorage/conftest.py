"""A proxy before the session's store, and a storage that asks through it and does not wait long."""

from collections.abc import Iterator

import pytest

from recast.storage import backoff
from recast.storage.embedded import EmbeddedStore
from recast.storage.storage import Storage
from tests.s3proxy import S3Proxy

TIMEOUT_SECONDS = 0.4


@pytest.fixture(scope="module")
def one_proxy(s3: EmbeddedStore) -> Iterator[S3Proxy]:
    with S3Proxy(s3) as proxy:
        yield proxy


@pytest.fixture
def proxy(one_proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Proxy]:
    """Give a proxy that forwards everything until a test says otherwise; pauses between tries are short."""
    for name, seconds in (("FIRST", 0.02), ("MOST", 0.1), ("FIRST_GAP", 0.005), ("MOST_GAP", 0.02)):
        monkeypatch.setattr(backoff, f"{name}_SECONDS", seconds)
    one_proxy.forget()
    yield one_proxy
    one_proxy.hook = lambda _, forward: forward()


@pytest.fixture(scope="module")
def through(one_proxy: S3Proxy) -> Storage:
    """Give a storage that asks through the proxy."""
    return Storage(one_proxy.settings, attempts=4, timeout=TIMEOUT_SECONDS)
