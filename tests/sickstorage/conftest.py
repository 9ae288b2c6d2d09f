"""A proxy of a test's own before the session's store."""

from collections.abc import Iterator

import pytest

from recast.embedded import EmbeddedStore
from tests.s3proxy import S3Proxy


@pytest.fixture
def proxy(s3: EmbeddedStore) -> Iterator[S3Proxy]:
    """Give a proxy that forwards everything until a test says otherwise."""
    with S3Proxy(s3) as proxy:
        yield proxy
