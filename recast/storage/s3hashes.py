"""What S3's answers say of an object's content, and whether that is what came."""

import hashlib
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from recast.errors import Corrupt
from recast.storage.stored import ContentHash

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, HeadObjectOutputTypeDef

    Answer = GetObjectOutputTypeDef | HeadObjectOutputTypeDef

SHA256 = "sha256"
"""Metadata key: hex sha256 of the content."""
SHA256_HEX = re.compile("[0-9a-f]{64}")
CHECKED_BY_BOTOCORE = ("ChecksumCRC32", "ChecksumSHA1", "ChecksumSHA256")
ETAG = re.compile(r'"?([0-9a-f]{32})(?:-([0-9]+))?"?')
"""An MD5; where a number follows, of the MD5s of that many parts."""


def check_content(uri: str, answer: "GetObjectOutputTypeDef", data: bytes) -> None:
    """Compare a whole body with what was written: by the sha256 that recast gives to all it writes, else by the ETag.

    Raises:
        Corrupt: it is something else.
    """
    expected = hash_of(answer)
    # What botocore compares itself; the checksums of objects in parts are not of their content.
    by_botocore = any("-" not in str(answer.get(name, "-")) for name in CHECKED_BY_BOTOCORE)
    if expected is None or (expected.algorithm == "md5" and by_botocore):
        return
    actual = hashlib.new(expected.algorithm, data, usedforsecurity=False).hexdigest()
    if actual != expected.digest:
        raise Corrupt(f"{uri}: its {expected.algorithm} is {actual}, written as {expected.digest}; write it again")


def hash_of(answer: "Answer") -> ContentHash | None:
    """The hash of an object's content, by the sha256 that recast wrote it with, or else by its ETag."""
    sha256 = written_sha256(answer["Metadata"])
    if sha256 is not None:
        return ContentHash("sha256", sha256)
    found = ETAG.fullmatch(answer["ETag"])
    return ContentHash("md5", found[1]) if found and not found[2] and not _is_encrypted(answer) else None


def is_of_parts(etag: str) -> bool:
    """Whether an object's ETag is made of those of its parts."""
    found = ETAG.fullmatch(etag)
    return bool(found and found[2])


def hash_of_parts(whole: int, first: "HeadObjectOutputTypeDef") -> ContentHash | None:
    """The hash of an object of `whole` bytes that was written in parts; `first` is the answer about the first one."""
    found, size = ETAG.fullmatch(first["ETag"]), first["ContentLength"]
    # A store that knows no parts gives the whole object's length.
    if found is None or _is_encrypted(first) or not size or math.ceil(whole / size) != int(found[2] or 0):
        return None
    return ContentHash("md5", found[1], part_bytes=size)


def lowered(metadata: Mapping[str, str]) -> dict[str, str]:
    """User metadata as it is told of: stores write its keys as they like."""
    return {key.lower(): value for key, value in metadata.items()}


def written_sha256(metadata: Mapping[str, str]) -> str | None:
    """The sha256 that recast gave to the object, in its user metadata."""
    found = lowered(metadata).get(SHA256, "")
    return found if SHA256_HEX.fullmatch(found) else None


def _is_encrypted(answer: "Answer") -> bool:
    """Whether the ETag is that of encrypted bytes."""
    return answer.get("ServerSideEncryption") not in (None, "AES256") or "SSECustomerAlgorithm" in answer
