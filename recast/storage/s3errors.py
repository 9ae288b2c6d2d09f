"""The border with botocore: everything it raises becomes one of recast's errors here, chained."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from recast.errors import BadConfig, Bug, NoBucket, NotFound, RecastError, StorageUnavailable, Transient
from recast.storage.stored import changed

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

ALREADY_THERE = frozenset({"PreconditionFailed", "412"})
CONFLICT = frozenset({"ConditionalRequestConflict", "OperationAborted", "409"})
UPLOAD_GONE = frozenset({"NoSuchUpload"})
_ABSENT = frozenset({"NoSuchKey", "NotFound", "404"})
BUSY = frozenset({"SlowDown", "Throttling", "ThrottlingException", "TooManyRequests", "RequestTimeout"})
GARBLED = frozenset({"BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch"})
_OTHER_PARTS = frozenset({"InvalidPart", "InvalidPartOrder"})
SKEWED = frozenset({"RequestTimeTooSkewed"})
MOST_SKEW = timedelta(minutes=5)
"""Stores take a quarter of an hour; a signature that is refused for another reason comes from a clock that is right."""
_CREDENTIALS = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired"}
)


class BodyBroken(StorageUnavailable):
    """An answer whose body broke off."""


def answer_code(error: "ClientError") -> str:
    """S3's error code; the HTTP status where an answer has no body, as those to HEAD."""
    return str(error.response.get("Error", {}).get("Code", ""))


def answer_status(error: "ClientError") -> int:
    """HTTP status of the answer; 0 where there is none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


@contextmanager
def mapped(uri: str) -> Iterator[None]:
    """Turn what botocore raises inside into the error that says what to do about `uri`.

    Raises:
        NotFound: no such object or bucket.
        BadConfig: credentials, certificate, region, or a request this store does not know.
        BadInput: the object is not the version that was asked for.
        StorageUnavailable: no answer, or none but server errors; BodyBroken where one broke off.
        Transient: a conflict with another writer, bytes garbled on the way, or this machine's clock is off.
        Bug: anything else.
    """
    from botocore import exceptions as boto
    from urllib3 import exceptions as urllib3

    try:
        yield
    except boto.ClientError as error:
        raise _from_answer(uri, error) from error
    except boto.ParamValidationError as error:
        raise BadConfig(f"{uri}: refused before it was sent: {error}; check bucket name and key") from error
    except (
        boto.ProfileNotFound,
        boto.NoCredentialsError,
        boto.PartialCredentialsError,
        boto.CredentialRetrievalError,
        boto.TokenRetrievalError,
    ) as error:
        raise BadConfig(
            f"{uri}: no usable credentials: {error}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ) from error
    except boto.SSLError as error:
        if "CERTIFICATE_VERIFY_FAILED" not in str(error):
            raise StorageUnavailable(f"{uri}: {error}; try again") from error
        raise BadConfig(f"{uri}: the store's certificate is not trusted ({error}); give its CA") from error
    except (boto.ConnectionError, boto.HTTPClientError, boto.IncompleteReadError) as error:
        raise StorageUnavailable(f"{uri}: {error}; check that the store is up and can be reached") from error
    except urllib3.HTTPError as error:
        # Of the body of an answer that refuses: botocore reads it out of its own errors' reach.
        raise BodyBroken(f"{uri}: {error}; check that the store is up and can be reached") from error
    except boto.BotoCoreError as error:
        raise Bug(f"{uri}: {type(error).__name__}: {error}; report this") from error
    except ValueError as error:
        # botocore's way of refusing an endpoint that is no URL.
        if "endpoint" not in str(error):
            raise
        raise BadConfig(f"{uri}: {error}; correct the storage endpoint") from error


def _from_answer(uri: str, error: "ClientError") -> RecastError:
    code, status = answer_code(error), answer_status(error)
    said = f"the store says {code} ({error.response.get('Error', {}).get('Message', '')})"
    if code == "NoSuchBucket":
        return NoBucket(f"{uri}: there is no such bucket; make it or correct its name")
    if code in UPLOAD_GONE:
        return Transient(f"{uri}: its unfinished upload was dropped by another; try again")
    if code in _ABSENT:
        return NotFound(f"{uri}: no such object; check bucket and key")
    if code in ALREADY_THERE or status == 416:
        return changed(uri)
    if code in _CREDENTIALS:
        return BadConfig(f"{uri}: {said}; correct the credentials")
    if status == 403 and (off := _clock_error(error)):
        return Transient(f"{uri}: this machine's clock is {off}: set it right ({said})")
    if status == 403:
        return BadConfig(f"{uri}: {said}; check the credentials and what they allow, and this node's clock")
    if code in CONFLICT | GARBLED | _OTHER_PARTS:
        return Transient(f"{uri}: {said}; try again")
    if code in BUSY or status in (0, 408, 429) or (status >= 500 and status != 501):
        return StorageUnavailable(f"{uri}: {said}, after retries; try again later")
    return BadConfig(f"{uri}: {said}; check region, addressing style and what this store supports")


def now() -> datetime:
    """This machine's wall clock."""
    return datetime.now(UTC)


def _clock_error(error: "ClientError") -> str:
    """How this machine's clock is off, where that is why the store refuses; empty where it is not.

    The answer to HEAD has no body, and so no code; but every answer has the store's time.
    """
    said = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    with suppress(ValueError):
        ahead = now() - parsedate_to_datetime(said)
        if abs(ahead) > MOST_SKEW:
            direction = "ahead of" if ahead > timedelta() else "behind"
            return f"{abs(ahead).total_seconds() / 60:.0f} minutes {direction} the store's"
    return "too far from the store's" if answer_code(error) in SKEWED else ""
