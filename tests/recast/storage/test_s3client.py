"""The client's making; what it does about failed requests, and says of it."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.loaders import JSONFileLoader

from recast import log
from recast.storage.s3client import TRIED_AGAIN, _Retries, make_client
from recast.storage.stored import StorageSettings

URL = "http://s3:8333/studio/in/a.mp4"
NO_ANSWER = EndpointConnectionError(endpoint_url=URL)


def test_a_process_reads_what_s3_is_once_however_many_clients_it_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = StorageSettings(endpoint="http://127.0.0.1:9")
    first = make_client(settings, attempts=1, credentials=("one", "secret"))

    def read(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(JSONFileLoader, "load_file", read)
    second = make_client(settings, attempts=1, credentials=("two", "secret"))
    assert first is not second
    assert second._request_signer._credentials.access_key == "two"  # type: ignore[attr-defined]


def asked(retries: _Retries, *, code: str | None = None, attempts: int = 1) -> float | None:
    """What it answers after a failure: an error code of the store's, or no answer."""
    response = (SimpleNamespace(status_code=503), {"Error": {"Code": code}}) if code else None
    return retries.needs_retry(
        response=response,
        attempts=attempts,
        caught_exception=None if code else NO_ANSWER,
        operation=SimpleNamespace(name="GetObject"),  # type: ignore[arg-type]
        request_dict={"url": f"{URL}?X-Signature=secret"},
    )


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (None, f'GetObject: Could not connect to the endpoint URL: "{URL}": try 2 in '),
        ("SlowDown", f"GetObject: {URL}: the store says SlowDown: try 2 in "),
    ],
)
def test_a_request_that_is_tried_again_is_told_of_once_in_a_while(
    capsys: pytest.CaptureFixture[str], code: str | None, said: str
) -> None:
    retries = _Retries(4)
    for attempts in (1, 2, 3):
        assert asked(retries, code=code, attempts=attempts) is not None
    (line,) = capsys.readouterr().err.splitlines()
    told: dict[str, Any] = json.loads(line)
    assert (told["level"], told["message"]) == ("warning", TRIED_AGAIN) and told["detail"].startswith(said)


def test_on_a_command_line_it_is_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    with log.for_people():
        asked(_Retries(4))
    assert capsys.readouterr().err.startswith("recast: GetObject: Could not connect")


def test_the_last_try_is_followed_by_an_error_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(_Retries(4), attempts=4) is None and not capsys.readouterr().err
