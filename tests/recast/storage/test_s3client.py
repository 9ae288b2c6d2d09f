"""The client's making."""

import pytest
from botocore.loaders import JSONFileLoader

from recast.storage.s3client import make_client
from recast.storage.stored import StorageSettings


def test_a_process_reads_what_s3_is_once_however_many_clients_it_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = StorageSettings(endpoint="http://127.0.0.1:9")
    first = make_client(settings, attempts=1, credentials=("one", "secret"))

    def read(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(JSONFileLoader, "load_file", read)
    second = make_client(settings, attempts=1, credentials=("two", "secret"))
    assert first is not second
    assert second._request_signer._credentials.access_key == "two"  # type: ignore[attr-defined]
