"""The API server's answers as errors: named by what the caller must do."""

import json
from typing import Any

import pytest

from recast.errors import RecastError
from recast.kube.errors import (
    AlreadyExists,
    ApiError,
    ApiNotFound,
    ApiUnavailable,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    TooManyRequests,
    Unauthorized,
    error_of,
)


def said(status: int, retry_after: str | None = None, **answer: Any) -> ApiError:
    return error_of("GET /x", status, json.dumps(answer).encode(), retry_after)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Invalid),
        (401, Unauthorized),
        (403, Forbidden),
        (404, ApiNotFound),
        (409, Conflict),
        (410, Gone),
        (422, Invalid),
        (429, TooManyRequests),
    ],
)
def test_a_status_has_its_error(status: int, kind: type[ApiError]) -> None:
    error = said(status, message="no")
    assert type(error) is kind and isinstance(error, RecastError)
    assert (error.status, str(error)) == (status, f"GET /x: {status} no")


@pytest.mark.parametrize(
    ("status", "kind"), [(500, ApiUnavailable), (503, ApiUnavailable), (599, ApiUnavailable), (418, ApiError)]
)
def test_a_status_without_one_is_the_servers_trouble_or_a_plain_no(status: int, kind: type[ApiError]) -> None:
    assert type(said(status)) is kind


def test_of_conflicts_only_a_name_that_is_taken_is_that() -> None:
    assert type(said(409, reason="AlreadyExists")) is AlreadyExists
    assert type(said(409, reason="Conflict")) is Conflict
    assert isinstance(said(409, reason="AlreadyExists"), Conflict), "whoever minds one minds the other"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"message": "quota"}', "quota"),
        (b"upstream is away\n", "upstream is away"),
        (b"[1]", "[1]"),
        (b"\xff", "\ufffd"),
        (b"", "no reason given"),
        (b"x" * 5000, "x" * 300),
    ],
    ids=["Status", "text", "a list", "no text", "nothing", "a page"],
)
def test_whatever_the_body_is_there_is_a_message(body: bytes, says: str) -> None:
    assert str(error_of("GET /x", 403, body, None)) == f"GET /x: 403 {says}"


@pytest.mark.parametrize(
    ("header", "details", "seconds"),
    [
        ("7", {}, 7),
        ("7", {"retryAfterSeconds": 3}, 7),
        (None, {"retryAfterSeconds": 3}, 3),
        ("Wed, 21 Oct 2026 07:28:00 GMT", {"retryAfterSeconds": 3}, 3),
        ("-1", {}, 1),
        (None, {}, 1),
    ],
)
def test_a_busy_server_says_when(header: str | None, details: dict[str, int], seconds: float) -> None:
    error = said(429, header, details=details)
    assert isinstance(error, TooManyRequests) and error.retry_after_seconds == seconds


def test_causes_are_found_where_there_are_some() -> None:
    error = said(403, details={"causes": [{"field": "x"}, {"reason": "NamespaceTerminating"}]})
    assert error.has_cause("NamespaceTerminating") and not error.has_cause("Other")
    assert not said(403).has_cause("Other") and not said(403, details=None).has_cause("Other")
