"""S3 through boto3: conditional and multipart writes, checked and ranged reads.

Measured on SeaweedFS 4.48: If-None-Match: * is honoured by PutObject and by CompleteMultipartUpload, If-Match
by ranged GETs (all answer 412). After a 412 the multipart upload is still there and has to be aborted.
boto3's CRC32 is checked on each PutObject and UploadPart, and given back for objects put in one request but
not for multipart ones: hence our own sha256 in the metadata of every object.
"""

import functools
import hashlib
import ipaddress
import itertools
import logging
import math
import os
import secrets
import socket
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recast.errors import BadConfig, Bug, Corrupt, NotFound, RecastError, StorageUnavailable, Transient
from recast.files import reading
from recast.ranged import RangedReader
from recast.s3errors import ALREADY_THERE, CONFLICT, UPLOAD_GONE, answer_code, answer_status, mapped
from recast.stored import ObjectInfo, StorageSettings, changed, s3_address

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, GetObjectOutputTypeDef

    Parts = list[CompletedPartTypeDef]

SHA256 = "sha256"
"""Metadata key: hex sha256 of the content."""
WRITE_ID = "write-id"
"""Metadata key: random, of one call. It tells our own write from another's when the answer was lost."""

MIB = 1 << 20
PART_BYTES = 16 * MIB
MOST_PARTS = 10_000
PART_MEMORY_BYTES = 256 * MIB
PARTS_AT_ONCE = 4
READ_ATTEMPTS = 4
CONFLICT_ATTEMPTS = 4
SETTLE_SECONDS = 0.3
DELETED_AT_ONCE = 1_000
CONNECT_TIMEOUT_SECONDS = 5.0
READ_TIMEOUT_SECONDS = 30.0
STOP_SECONDS = 3.0
AWS_METADATA = ipaddress.ip_network("fd00:ec2::/32")
"""Of EC2 and EKS by IPv6; by IPv4 they are link-local."""

log = logging.getLogger(__name__)


class S3Store:
    """`s3://` URIs. The client is made at the first call: importing boto3 takes most of a second."""

    def __init__(self, settings: StorageSettings, *, attempts: int) -> None:
        """Connect to nothing yet."""
        self._settings = settings
        self._attempts = attempts
        self._lock = threading.Lock()
        self._patient: S3Client | None = None

    def head(self, uri: str) -> ObjectInfo:
        """Give an object's facts."""
        bucket, key = s3_address(uri)
        with mapped(uri):
            answer = self._client.head_object(Bucket=bucket, Key=key)
        return ObjectInfo(uri, answer["ContentLength"], answer["ETag"], _lowered(answer["Metadata"]))

    def get(self, uri: str) -> bytes:
        """Read an object whole and check it."""
        bucket, key = s3_address(uri)

        def read() -> bytes:
            answer = self._client.get_object(Bucket=bucket, Key=key)
            data = _body(uri, answer, answer["ContentLength"])
            expected = _lowered(answer["Metadata"]).get(SHA256)
            actual = hashlib.sha256(data).hexdigest()
            if actual != (expected or actual):
                raise Corrupt(f"{uri}: its sha256 is {actual}, written as {expected}; write it again")
            return data

        return self._read(uri, read)

    def put(self, uri: str, data: bytes, *, if_absent: bool, metadata: Mapping[str, str]) -> bool:
        """Write an object in one request."""
        bucket, key = s3_address(uri)
        facts = _facts(metadata, hashlib.sha256(data).hexdigest())
        condition = _condition(if_absent)

        def write() -> None:
            self._client.put_object(Bucket=bucket, Key=key, Body=data, Metadata=facts, **condition)

        return self._write(uri, facts[WRITE_ID], if_absent, write)

    def upload(self, uri: str, path: Path, *, if_absent: bool, metadata: Mapping[str, str]) -> bool:
        """Write an object from a file, in parts where it is large."""
        with reading(str(path)):
            before = path.stat()
        if before.st_size <= PART_BYTES:
            return self.put(uri, path.read_bytes(), if_absent=if_absent, metadata=metadata)
        with path.open("rb") as file:
            facts = _facts(metadata, hashlib.file_digest(file, "sha256").hexdigest())

            def write() -> None:
                self._send_parts(uri, file.fileno(), before, facts, _condition(if_absent))

            written = self._write(uri, facts[WRITE_ID], if_absent, write)
            return written and (not if_absent or self._stands(uri, facts[WRITE_ID]))

    def open(self, uri: str, *, etag: str | None) -> RangedReader:
        """Open an object for reading at random, pinned to one version."""
        info = self.head(uri)
        if etag is not None and etag != info.etag:
            raise changed(uri)
        bucket, key = s3_address(uri)

        def fetch(offset: int, length: int) -> bytes:
            return self._read(uri, lambda: self._range(uri, bucket, key, info, offset, length))

        return RangedReader(fetch, name=uri, size=info.size, etag=info.etag)

    def list(self, prefix_uri: str) -> Iterator[ObjectInfo]:
        """Give the objects under a prefix, a page at a time."""
        bucket, prefix = s3_address(prefix_uri)
        more: dict[str, Any] = {}
        while True:
            with mapped(prefix_uri):
                page = self._client.list_objects_v2(Bucket=bucket, Prefix=prefix, **more)
            for entry in page.get("Contents", []):
                yield ObjectInfo(f"s3://{bucket}/{entry['Key']}", entry["Size"], entry["ETag"], {})
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def delete(self, uri: str) -> None:
        """Delete an object, if it is there."""
        bucket, key = s3_address(uri)
        with mapped(uri):
            self._client.delete_object(Bucket=bucket, Key=key)

    def delete_prefix(self, uri: str) -> None:
        """Delete the objects under a folder."""
        bucket, prefix = s3_address(uri)
        if not prefix.strip("/") or not prefix.endswith("/"):
            raise Bug(f"{uri}: only a folder is deleted, and never a whole bucket")
        keys = [s3_address(info.uri)[1] for info in self.list(uri)]
        for start in range(0, len(keys), DELETED_AT_ONCE):
            batch = [{"Key": key} for key in keys[start : start + DELETED_AT_ONCE]]
            with mapped(uri):
                answer = self._client.delete_objects(
                    Bucket=bucket,
                    Delete={"Objects": batch, "Quiet": True},  # type: ignore[typeddict-item]
                )
            for error in answer.get("Errors", []):
                raise StorageUnavailable(f"s3://{bucket}/{error.get('Key')}: not deleted: {error.get('Message')}")

    def drop_uploads(self, uri: str) -> None:
        """Abort the uploads in parts of an object, or of all under a folder, that were not completed."""
        bucket, prefix = s3_address(uri)
        with mapped(uri):
            pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix)
            for upload in itertools.chain.from_iterable(page.get("Uploads", []) for page in pages):
                if prefix.endswith("/") or upload["Key"] == prefix:
                    self._abort(bucket, upload["Key"], upload["UploadId"])

    @property
    def _client(self) -> "S3Client":
        with self._lock:
            if self._patient is None:
                self._patient = make_client(self._settings, attempts=self._attempts)
            return self._patient

    def _read(self, uri: str, read: Callable[[], bytes]) -> bytes:
        """Call `read` until it gives a body: botocore does not retry one that breaks off."""
        for attempt in range(READ_ATTEMPTS):
            time.sleep(0.1 * (2**attempt - 1))
            try:
                with mapped(uri):
                    return read()
            except (Corrupt, _BodyBroken) as error:
                failure: RecastError = error
        raise failure

    def _range(self, uri: str, bucket: str, key: str, info: ObjectInfo, offset: int, length: int) -> bytes:
        answer = self._client.get_object(
            Bucket=bucket, Key=key, Range=f"bytes={offset}-{offset + length - 1}", IfMatch=info.etag
        )
        # Not every store honours If-Match.
        if answer["ETag"] != info.etag:
            raise changed(uri)
        return _body(uri, answer, length)

    def _write(self, uri: str, write_id: str, if_absent: bool, write: Callable[[], None]) -> bool:
        """Call `write`, and tell a refusal from the retry of a success whose answer was lost."""
        from botocore.exceptions import ClientError

        with mapped(uri):
            for attempt in itertools.count(1):
                try:
                    write()
                except ClientError as error:
                    code = answer_code(error)
                    if code in ALREADY_THERE | UPLOAD_GONE and self._wrote(uri, write_id):
                        return True
                    if if_absent and code in ALREADY_THERE:
                        return False
                    if code not in CONFLICT or attempt == CONFLICT_ATTEMPTS:
                        raise
                    time.sleep(0.2 * attempt)
                else:
                    return True
        raise AssertionError("the loop ends by itself")

    def _stands(self, uri: str, write_id: str) -> bool:
        """Whether a conditional upload in parts is still what is there.

        SeaweedFS looks and then writes: of two that complete within some milliseconds both succeed, and the later one
        stands.
        """
        time.sleep(SETTLE_SECONDS)
        return self._wrote(uri, write_id)

    def _wrote(self, uri: str, write_id: str) -> bool:
        with suppress(NotFound):
            return self.head(uri).metadata.get(WRITE_ID) == write_id
        return False

    def _send_parts(
        self,
        uri: str,
        descriptor: int,
        before: os.stat_result,
        facts: dict[str, str],
        condition: dict[str, Any],
    ) -> None:
        """Send a file in parts and publish it; drop the parts unless they are, or may be, published."""
        from botocore.exceptions import ClientError

        bucket, key = s3_address(uri)
        upload = self._client.create_multipart_upload(Bucket=bucket, Key=key, Metadata=facts)["UploadId"]
        try:
            parts = self._upload_parts(bucket, key, upload, descriptor, before.st_size)
            after = os.fstat(descriptor)
            if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
                raise Transient(f"{uri}: the file to be stored changed while it was read; try again")
        except BaseException:
            self._abort(bucket, key, upload)
            raise
        try:
            self._client.complete_multipart_upload(
                Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}, **condition
            )
        except ClientError as error:
            # After anything but a clear refusal the store may still be publishing these parts: dropping
            # them now could leave a published object with holes.
            if 400 <= answer_status(error) < 500:
                self._abort(bucket, key, upload)
            raise

    def _upload_parts(self, bucket: str, key: str, upload: str, descriptor: int, size: int) -> "Parts":
        part_bytes = part_size(size)

        def send(number: int) -> "CompletedPartTypeDef":
            body = os.pread(descriptor, part_bytes, (number - 1) * part_bytes)
            answer = self._client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=body)
            return {"PartNumber": number, "ETag": answer["ETag"]}

        at_once = max(1, min(PARTS_AT_ONCE, PART_MEMORY_BYTES // part_bytes))
        threads = ThreadPoolExecutor(at_once, thread_name_prefix="recast-upload")
        sent = [threads.submit(send, number + 1) for number in range(math.ceil(size / part_bytes))]
        try:
            wait(sent, return_when=FIRST_EXCEPTION)
            return [part.result() for part in sent]
        finally:
            # A part that arrives after the abort would stay behind; but a stop must not wait for long.
            threads.shutdown(wait=False, cancel_futures=True)
            wait([part for part in sent if not part.cancelled()], timeout=STOP_SECONDS)

    @functools.cached_property
    def _impatient(self) -> "S3Client":
        return make_client(self._settings, attempts=1, timeout=STOP_SECONDS)

    def _abort(self, bucket: str, key: str, upload: str) -> None:
        try:
            self._impatient.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
        except Exception as error:
            log.warning("s3://%s/%s: unfinished upload %s is left behind: %s", bucket, key, upload, error)


class _BodyBroken(StorageUnavailable):
    """An answer whose body broke off."""


def make_client(
    settings: StorageSettings,
    *,
    attempts: int,
    timeout: float = READ_TIMEOUT_SECONDS,
    credentials: tuple[str, str] | None = None,
) -> "S3Client":
    """Make a thread-safe boto3 client.

    Args:
        settings: where the store is.
        attempts: tries of each request.
        timeout: seconds without a byte after which a try has failed.
        credentials: access key and secret key; AWS' own search, environment first, if None.

    Raises:
        BadConfig: the CA bundle cannot be read, or the endpoint is no URL.
    """
    import boto3
    from botocore.config import Config

    _refuse_inner_address(settings.endpoint)
    if settings.ca_bundle and not os.access(settings.ca_bundle, os.R_OK):
        raise BadConfig(f"{settings.ca_bundle}: this CA bundle cannot be read; correct storage.caBundle")
    config = Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=min(timeout, CONNECT_TIMEOUT_SECONDS),
        read_timeout=timeout,
        max_pool_connections=32,
        tcp_keepalive=True,
        s3={"addressing_style": "path" if settings.force_path_style else "auto"},
        # A machine's proxy cannot reach that machine's own loopback.
        proxies={} if _is_loopback(settings.endpoint) else None,
    )
    access, secret = credentials or (None, None)
    with mapped(settings.endpoint or "s3"):
        session = boto3.session.Session(aws_access_key_id=access, aws_secret_access_key=secret)
        client = session.client(
            "s3",
            endpoint_url=settings.endpoint,
            region_name=settings.region,
            verify=settings.ca_bundle,
            config=config,
        )
        if settings.endpoint is not None:
            client.meta.events.register_first("before-call.s3.HeadBucket", _ask_for_no_region)  # type: ignore[arg-type]  # its answer counts
        return client


def _ask_for_no_region(**_: object) -> tuple[Any, dict[str, Any]]:
    """Answer botocore's HeadBucket after a redirect: a store that redirects this, too, would be asked without end."""
    from botocore.awsrequest import AWSResponse
    from botocore.compat import HTTPHeaders

    refused = {"Error": {"Code": "301"}, "ResponseMetadata": {"HTTPHeaders": {}, "HTTPStatusCode": 301}}
    return AWSResponse("", 301, HTTPHeaders(), None), refused


def _refuse_inner_address(endpoint: str | None) -> None:
    """Refuse an endpoint that leads to a link-local address, as clouds' metadata services have.

    A name may lead elsewhere later: what keeps pods from these addresses for good is a NetworkPolicy.

    Raises:
        BadConfig: it does.
    """
    host = urllib.parse.urlsplit(endpoint or "").hostname
    if host is None:
        return
    try:
        found = {str(each[4][0]).partition("%")[0] for each in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        # Said better by the first request.
        return
    for text in found:
        if _is_inner(ipaddress.ip_address(text)):
            raise BadConfig(f"{endpoint}: leads to {text}, which is no S3: correct storage.endpoint")


def _is_inner(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    mapped_v4 = getattr(address, "ipv4_mapped", None)
    if mapped_v4 is not None:
        return _is_inner(mapped_v4)
    return address.is_link_local or address.is_unspecified or address in AWS_METADATA


def part_size(size: int) -> int:
    """Bytes of each part of an object of `size` bytes: whole MiB, at most 10,000 parts."""
    return max(PART_BYTES, math.ceil(size / MOST_PARTS / MIB) * MIB)


def _body(uri: str, answer: "GetObjectOutputTypeDef", length: int) -> bytes:
    from botocore import exceptions as boto

    try:
        data = answer["Body"].read() if answer["ContentLength"] == length else b""
    except (boto.HTTPClientError, boto.IncompleteReadError) as error:
        raise _BodyBroken(f"{uri}: {error}; check the network to the store") from error
    except boto.FlexibleChecksumError as error:
        raise Corrupt(f"{uri}: {error}; write it again") from error
    if len(data) != length:
        raise _BodyBroken(f"{uri}: an answer of {answer['ContentLength']} bytes, not {length}; try again")
    return data


def _facts(metadata: Mapping[str, str], sha256: str) -> dict[str, str]:
    return {**metadata, SHA256: sha256, WRITE_ID: secrets.token_hex(16)}


def _condition(if_absent: bool) -> dict[str, Any]:
    return {"IfNoneMatch": "*"} if if_absent else {}


def _lowered(metadata: Mapping[str, str]) -> dict[str, str]:
    return {key.lower(): value for key, value in metadata.items()}


def _is_loopback(endpoint: str | None) -> bool:
    host = urllib.parse.urlsplit(endpoint or "").hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")
