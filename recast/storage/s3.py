"""S3 through boto3: conditional and multipart writes, checked and ranged reads.

Measured on SeaweedFS 4.48: If-None-Match: * is honoured by PutObject and by CompleteMultipartUpload, If-Match
by ranged GETs (all answer 412). After a 412 the multipart upload is still there and has to be aborted.
boto3's CRC32 is checked on each PutObject and UploadPart, and given back for objects put in one request but
not for multipart ones: hence our own sha256 in the metadata of every object.
"""

import functools
import hashlib
import itertools
import math
import os
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from recast import log
from recast.errors import Bug, Corrupt, NotFound, RecastError, StorageUnavailable, Transient
from recast.storage.backoff import pause_seconds
from recast.storage.files import reading
from recast.storage.ranged import RangedReader, Wrap
from recast.storage.s3client import make_client
from recast.storage.s3errors import (
    ALREADY_THERE,
    CONFLICT,
    UPLOAD_GONE,
    BodyBroken,
    answer_code,
    answer_status,
    mapped,
)
from recast.storage.s3hashes import SHA256, check_content, hash_of, hash_of_parts, is_of_parts, lowered
from recast.storage.stored import ContentHash, ObjectInfo, StorageSettings, TooLarge, changed, s3_address

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, GetObjectOutputTypeDef

    Parts = list[CompletedPartTypeDef]

WRITE_ID = "write-id"
"""Metadata key: random, of one call. It tells our own write from another's when the answer was lost."""

MIB = 1 << 20
PART_BYTES = 8 * MIB
MOST_PARTS = 10_000
MOST_METADATA_BYTES = 2_000
"""Of all keys and values; S3 takes 2 KB."""
PART_MEMORY_BYTES = 256 * MIB
PARTS_AT_ONCE = 4
READ_ATTEMPTS = 4
CONFLICT_ATTEMPTS = 4
SETTLE_SECONDS = 0.3
DELETED_AT_ONCE = 1_000
STOP_SECONDS = 3.0
LEAST_BYTES_A_SECOND = 32 << 10
"""A body that comes more slowly is no better than none."""
NOT_FOUND, RANGE_NOT_SATISFIABLE = 404, 416

T = TypeVar("T")


class S3Store:
    """`s3://` URIs. The client is made at the first call: importing boto3 takes most of a second."""

    def __init__(self, settings: StorageSettings, *, attempts: int, timeout: float) -> None:
        """Connect to nothing yet."""
        self._settings = settings
        self._attempts = attempts
        self._timeout = timeout
        self._lock = threading.Lock()
        self._patient: S3Client | None = None

    def head(self, uri: str) -> ObjectInfo:
        """Give an object's facts."""
        bucket, key = s3_address(uri)
        with mapped(uri):
            answer = self._client.head_object(Bucket=bucket, Key=key)
        metadata = lowered(answer["Metadata"])
        return ObjectInfo(uri, answer["ContentLength"], answer["ETag"], metadata, hash_of(answer))

    def content_hash(self, info: ObjectInfo) -> ContentHash | None:
        """Give the sha256 that recast wrote it with, or else what its ETag says."""
        if info.content is not None or not is_of_parts(info.etag):
            return info.content
        bucket, key = s3_address(info.uri)
        with mapped(info.uri):
            return hash_of_parts(info.size, self._client.head_object(Bucket=bucket, Key=key, PartNumber=1))

    def get(self, uri: str, *, most: int | None) -> bytes:
        """Read an object whole and check it."""
        bucket, key = s3_address(uri)

        def read() -> bytes:
            answer = self._client.get_object(Bucket=bucket, Key=key)
            if most is not None and answer["ContentLength"] > most:
                answer["Body"].close()
                raise TooLarge(uri, answer["ContentLength"], most)
            data = b"".join(self._pieces(uri, answer, answer["ContentLength"]))
            check_content(uri, answer, data)
            return data

        return self._read(uri, read)

    def copy(self, uri: str, sink: BinaryIO) -> Mapping[str, str]:
        """Write an object's content to a file, in one request, going on where an answer broke off."""
        bucket, key = s3_address(uri)
        first: GetObjectOutputTypeDef | None = None

        def read() -> Mapping[str, str]:
            nonlocal first
            done = sink.tell()
            if first is None or not 0 < done < first["ContentLength"]:
                answer = first = self._client.get_object(Bucket=bucket, Key=key)
            else:
                answer = self._get_range(uri, bucket, key, first["ETag"], done, first["ContentLength"] - done)
            try:
                for piece in self._pieces(uri, answer, first["ContentLength"] - done):
                    sink.write(piece)
            except Corrupt:
                sink.seek(0)
                sink.truncate()
                raise
            return lowered(first["Metadata"])

        return self._read(uri, read, progress=sink.tell)

    def put(self, uri: str, data: bytes, *, if_absent: bool, metadata: Mapping[str, str]) -> bool:
        """Write an object in one request."""
        bucket, key = s3_address(uri)
        facts = _facts(uri, metadata, metadata.get(SHA256) or hashlib.sha256(data).hexdigest())
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
            facts = _facts(uri, metadata, metadata.get(SHA256) or hashlib.file_digest(file, "sha256").hexdigest())

            def write() -> None:
                self._send_parts(uri, file.fileno(), before, facts, _condition(if_absent))

            written = self._write(uri, facts[WRITE_ID], if_absent, write)
            return written and (not if_absent or self._stands(uri, facts[WRITE_ID]))

    def open(self, uri: str, *, etag: str | None, size: int | None, wrap: Wrap | None) -> RangedReader:
        """Open an object for reading at random, pinned to one version."""
        if etag is None or size is None:
            info = self.head(uri)
            if etag is not None and etag != info.etag:
                raise changed(uri)
            etag, size = info.etag, info.size
        bucket, key, pinned = *s3_address(uri), etag

        def fetch(offset: int, length: int) -> bytes:
            return self._read(uri, lambda: self._range(uri, bucket, key, pinned, offset, length))

        return RangedReader(fetch if wrap is None else wrap(fetch), name=uri, size=size, etag=etag)

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

    def delete_prefix(self, uri: str, *, but: str | None) -> None:
        """Delete the objects under a folder, all but one."""
        bucket, prefix = s3_address(uri)
        if not prefix.strip("/") or not prefix.endswith("/"):
            raise Bug(f"{uri}: only a folder is deleted, and never a whole bucket")
        keys = [s3_address(info.uri)[1] for info in self.list(uri) if info.uri != but]
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
                self._patient = make_client(self._settings, attempts=self._attempts, timeout=self._timeout)
            return self._patient

    def _read(self, uri: str, read: Callable[[], T], *, progress: Callable[[], int] = lambda: 0) -> T:
        """Call `read` until it gives a body: botocore does not retry one that breaks off.

        Args:
            uri: for messages.
            read: what is tried.
            progress: says how many bytes are there; where MiBs came, tries begin to count anew.
        """
        failed, before = 0, progress()
        while True:
            try:
                with mapped(uri):
                    return read()
            except (Corrupt, BodyBroken) as error:
                if progress() >= before + MIB:
                    failed, before = 0, progress()
                failed += 1
                pause = pause_seconds(failed, attempts=READ_ATTEMPTS)
                if pause is None:
                    raise
                log.warning("read again", detail=f"{uri}: try {failed}: {error}")
                time.sleep(pause)

    def _range(self, uri: str, bucket: str, key: str, etag: str, offset: int, length: int) -> bytes:
        answer = self._get_range(uri, bucket, key, etag, offset, length)
        return b"".join(self._pieces(uri, answer, length))

    def _get_range(
        self, uri: str, bucket: str, key: str, etag: str, offset: int, length: int
    ) -> "GetObjectOutputTypeDef":
        from botocore.exceptions import ClientError

        wanted = f"bytes={offset}-{offset + length - 1}"
        try:
            answer = self._client.get_object(Bucket=bucket, Key=key, Range=wanted, IfMatch=etag)
        except ClientError as error:
            if answer_code(error) in ALREADY_THERE or answer_status(error) in (NOT_FOUND, RANGE_NOT_SATISFIABLE):
                raise self._other_version(uri, etag) from error
            raise
        # Not every store honours If-Match.
        if answer["ETag"] != etag:
            answer["Body"].close()
            raise self._other_version(uri, etag)
        return answer

    def _other_version(self, uri: str, etag: str) -> RecastError:
        """The error for an answer about another version, or none: a look at the object tells a change from a slip."""
        if self.head(uri).etag == etag:
            return BodyBroken(f"{uri}: answered with another version than is there, or none; try again")
        return changed(uri)

    def _pieces(self, uri: str, answer: "GetObjectOutputTypeDef", length: int) -> Iterator[bytes]:
        """An answer's body, of exactly `length` bytes, none of which may be long in coming."""
        from botocore import exceptions as boto

        if answer["ContentLength"] != length:
            answer["Body"].close()
            raise BodyBroken(f"{uri}: an answer of {answer['ContentLength']} bytes, not {length}; try again")
        body, left = answer["Body"], length
        try:
            while True:
                with _hurried(body, self._timeout + min(MIB, left) / LEAST_BYTES_A_SECOND):
                    piece = body.read(MIB)
                if not piece:
                    break
                left -= len(piece)
                yield piece
        except (boto.HTTPClientError, boto.IncompleteReadError) as error:
            raise BodyBroken(f"{uri}: {error}; check the network to the store") from error
        except boto.FlexibleChecksumError as error:
            raise Corrupt(f"{uri}: {error}; write it again") from error
        if left:
            raise BodyBroken(f"{uri}: {left} of {length} bytes did not come; try again")

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
                    time.sleep(random.random() * 0.4 * attempt)  # noqa: S311  # a pause is no secret
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
            left = f"s3://{bucket}/{key}: unfinished upload {upload} is left behind: {error}"
            log.warning("upload is left behind", detail=left)


@contextmanager
def _hurried(body: "StreamingBody", seconds: float) -> Iterator[None]:
    """Break a body off that is still being read after so long: a byte now and then keeps a read timeout away."""

    def stop() -> None:
        # It may have come whole this very moment.
        with suppress(RuntimeError, ValueError, OSError):
            body._raw_stream.shutdown()  # type: ignore[attr-defined]  # its only way

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def part_size(size: int) -> int:
    """Bytes of each part of an object of `size` bytes: whole MiB, at most 10,000 parts."""
    return max(PART_BYTES, math.ceil(size / MOST_PARTS / MIB) * MIB)


def _facts(uri: str, metadata: Mapping[str, str], sha256: str) -> dict[str, str]:
    """An object's user metadata.

    Raises:
        Bug: it is more than every store takes.
    """
    facts = {**metadata, SHA256: sha256, WRITE_ID: secrets.token_hex(16)}
    size = sum(len(key) + len(value) for key, value in facts.items())
    if size > MOST_METADATA_BYTES or not all(f"{key}{value}".isascii() for key, value in facts.items()):
        raise Bug(f"{uri}: {size} characters of metadata: it must be ASCII, and {MOST_METADATA_BYTES} at most")
    return facts


def _condition(if_absent: bool) -> dict[str, Any]:
    return {"IfNoneMatch": "*"} if if_absent else {}
