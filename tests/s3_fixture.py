"""The S3 server of a test session. `conftest.py` imports the fixtures here by name."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from recast.errors import BadConfig
from recast.storage.embedded import EmbeddedStore, find_weed
from recast.storage.storage import Storage


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """Give a running store; its credentials are in this process' environment from here on."""
    try:
        find_weed()
    except BadConfig as error:
        pytest.skip(str(error))
    with EmbeddedStore(tmp_path_factory.mktemp("s3")) as store, signed_in(store):
        yield store


@contextmanager
def signed_in(store: EmbeddedStore) -> Iterator[None]:
    """Have a store's credentials, and no others, in this process' environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in store.environment().items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def storage(s3: EmbeddedStore) -> Storage:
    """Give a storage on the session's store."""
    return Storage(s3.settings)


@pytest.fixture
def prefix(s3: EmbeddedStore) -> str:
    """Give a folder URI in the store that is this test's own."""
    return f"s3://{s3.bucket}/tests/{uuid.uuid4().hex}/"
