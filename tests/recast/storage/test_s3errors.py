"""Each of botocore's failures becomes the error that says what to do; sizes of parts."""

import pytest
from botocore import exceptions as boto

from recast import errors
from recast.storage.s3 import MOST_PARTS, PART_BYTES, part_size
from recast.storage.s3errors import mapped
from recast.storage.storage import Storage, StorageSettings


def answer(code: str, status: int) -> boto.ClientError:
    response = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return boto.ClientError(response, "Op")  # type: ignore[arg-type]


CASES = [
    (answer("NoSuchKey", 404), errors.NotFound),
    (answer("404", 404), errors.NotFound),
    (answer("NoSuchBucket", 404), errors.NoBucket),
    (answer("NoSuchUpload", 404), errors.Transient),
    (answer("403", 403), errors.BadConfig),
    (answer("AccessDenied", 403), errors.BadConfig),
    (answer("InvalidAccessKeyId", 403), errors.BadConfig),
    (answer("SignatureDoesNotMatch", 403), errors.BadConfig),
    (answer("ExpiredToken", 400), errors.BadConfig),
    (answer("PermanentRedirect", 301), errors.BadConfig),
    (answer("NotImplemented", 501), errors.BadConfig),
    (answer("PreconditionFailed", 412), errors.BadInput),
    (answer("InvalidRange", 416), errors.BadInput),
    (answer("ConditionalRequestConflict", 409), errors.Transient),
    (answer("BadDigest", 400), errors.Transient),
    (answer("RequestTimeout", 400), errors.StorageUnavailable),
    (answer("SlowDown", 503), errors.StorageUnavailable),
    (answer("InternalError", 500), errors.StorageUnavailable),
    (answer("502", 502), errors.StorageUnavailable),
    (boto.NoCredentialsError(), errors.BadConfig),
    (boto.ProfileNotFound(profile="p"), errors.BadConfig),
    (boto.ParamValidationError(report="Invalid bucket name"), errors.BadConfig),
    (boto.SSLError(endpoint_url="u", error=OSError("CERTIFICATE_VERIFY_FAILED")), errors.BadConfig),
    (boto.SSLError(endpoint_url="u", error=OSError("UNEXPECTED_EOF")), errors.StorageUnavailable),
    (boto.EndpointConnectionError(endpoint_url="u"), errors.StorageUnavailable),
    (boto.ReadTimeoutError(endpoint_url="u"), errors.StorageUnavailable),
    (boto.ConnectTimeoutError(endpoint_url="u"), errors.StorageUnavailable),
    (boto.ConnectionClosedError(endpoint_url="u"), errors.StorageUnavailable),
    (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), errors.StorageUnavailable),
    (boto.DataNotFoundError(data_path="d"), errors.Bug),
]


@pytest.mark.parametrize(("raised", "kind"), CASES, ids=lambda value: str(value)[:60])
def test_mapping_names_the_object_and_keeps_the_cause(raised: Exception, kind: type[errors.RecastError]) -> None:
    with pytest.raises(errors.RecastError, match="s3://b/k") as found, mapped("s3://b/k"):
        raise raised
    assert type(found.value) is kind
    assert found.value.__cause__ is raised


def test_own_errors_pass_through() -> None:
    with pytest.raises(errors.Corrupt), mapped("s3://b/k"):
        raise errors.Corrupt("mine")


@pytest.mark.parametrize("size", [PART_BYTES + 1, 160 << 30, (160 << 30) + 1, 5 << 40])
def test_parts_are_never_too_many_nor_too_large(size: int) -> None:
    assert -(-size // part_size(size)) <= MOST_PARTS
    assert PART_BYTES <= part_size(size) <= 5 << 30


@pytest.mark.parametrize("uri", ["s3://", "s3:///key", "bucket/key", "S3"])
def test_no_address(uri: str) -> None:
    with pytest.raises(errors.BadConfig, match="address"):
        Storage(StorageSettings(endpoint=None)).head(uri)


def test_setup_that_cannot_work(monkeypatch: pytest.MonkeyPatch) -> None:
    for settings in (
        StorageSettings(endpoint="not a url"),
        StorageSettings(endpoint="http://127.0.0.1:9", ca_bundle="/nowhere/ca.pem"),
    ):
        with pytest.raises(errors.BadConfig):
            Storage(settings).head("s3://bucket/key")
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(errors.BadConfig, match="no-such-profile"):
        Storage(StorageSettings(endpoint="http://127.0.0.1:9")).head("s3://bucket/key")
