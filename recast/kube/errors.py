"""The API server's answers as recast's own errors, named by what the caller must do.

RecastError
    ApiNotFound       66  there is no such object
    Conflict          75  it changed meanwhile: look again
        AlreadyExists     an object of this name is there
    Gone              75  the watch is too old: list again
    TooManyRequests   75  come back after `retry_after_seconds`
    Unauthorized      78  who are you? log in
    Forbidden         78  not allowed; `has_cause` says whether for a special reason
    Invalid           64  the object is not one: correct it
    ApiUnavailable    69  no answer, or one of a server in trouble
"""

import json
from typing import Any

from recast import exitcodes, names
from recast.errors import RecastError


class ApiError(RecastError):
    """The API server said no.

    Args:
        message: what was asked, and what it said.
        status: of HTTP; 0 where there was no answer.
        details: of its Status object.
        said: what it said alone; the message where it is not given.
    """

    exit_code = exitcodes.TRY_AGAIN
    default_reason = names.TRY_AGAIN

    def __init__(
        self, message: str, *, status: int = 0, details: dict[str, Any] | None = None, said: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.details = details or {}
        self.said = said or message

    def has_cause(self, reason: str) -> bool:
        """Whether the server names this cause."""
        return any(cause.get("reason") == reason for cause in self.details.get("causes") or ())


class ApiNotFound(ApiError):
    """There is no such object."""

    exit_code = exitcodes.NOT_FOUND
    default_reason = names.INPUT_NOT_FOUND


class Conflict(ApiError):
    """The object changed meanwhile."""


class AlreadyExists(Conflict):
    """An object of this name is there."""


class Gone(ApiError):
    """What was asked for is too old."""


class TooManyRequests(ApiError):
    """The server is busy.

    Attributes:
        retry_after_seconds: when to come back.
    """

    retry_after_seconds: float = 1.0


class Unauthorized(ApiError):
    """The server does not know who asks."""

    exit_code = exitcodes.BAD_CONFIG
    default_reason = names.BAD_CONFIG


class Forbidden(ApiError):
    """Whoever asks may not."""

    exit_code = exitcodes.BAD_CONFIG
    default_reason = names.BAD_CONFIG


class Invalid(ApiError):
    """The object is not what the API takes."""

    exit_code = exitcodes.USAGE
    default_reason = names.USAGE


class ApiUnavailable(ApiError):
    """The server does not answer, or is in trouble."""

    exit_code = exitcodes.STORAGE_UNAVAILABLE
    default_reason = names.STORAGE_UNAVAILABLE


BY_STATUS: dict[int, type[ApiError]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: ApiNotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
}


def error_of(what: str, status: int, body: bytes, retry_after: str | None) -> ApiError:
    """Make the error for an answer of 400 and more.

    Args:
        what: what was asked, for the message.
        status: of HTTP.
        body: a Status object, mostly.
        retry_after: the header, in seconds.
    """
    answer = _status_object(body)
    message = answer.get("message") or body[:300].decode(errors="replace").strip() or "no reason given"
    kind = BY_STATUS.get(status, ApiUnavailable if status >= 500 else ApiError)
    if status == 409 and answer.get("reason") == "AlreadyExists":
        kind = AlreadyExists
    details = answer.get("details") or {}
    error = kind(f"{what}: {status} {message}", status=status, details=details, said=message)
    if isinstance(error, TooManyRequests):
        error.retry_after_seconds = _seconds(retry_after, details)
    return error


def _status_object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _seconds(header: str | None, details: dict[str, Any]) -> float:
    if header and header.isdecimal():
        return float(header)
    return float(details.get("retryAfterSeconds") or 1)
