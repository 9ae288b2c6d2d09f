"""What a chaotic run plays in: a real S3 server that can be killed, a proxy before it, and a source in it."""

import os
import re
import signal
import threading
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import boto3

from recast.stage import StageInput
from recast.storage.embedded import EmbeddedStore
from recast.storage.s3 import PART_BYTES
from tests import clips
from tests.jobs import NAMESPACE, job
from tests.s3proxy import Answer, Forward, Request, S3Proxy

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PODS, PER_POD = 2, 2
"""Three segments: the first pod does two of them."""
CUT_SECONDS = 0.4

Hook = Callable[[str, Request, Forward], Answer]
"""Gets the name of the asking process, the request and what forwards it."""


def source_clip(folder: Path) -> Path:
    """Three segments, and an attachment that makes mux publish in several parts."""
    attachment, path = folder / "attachment.bin", folder / "source.mkv"
    attachment.write_bytes(os.urandom(PART_BYTES + 1000))
    clips.ffmpeg(
        *clips.picture(1.2, size="64x48"),
        *clips.sound(1.2),
        *clips.x264("keyint=10:min-keyint=10"),
        *("-c:a", "aac", "-attach", attachment, "-metadata:s:t", "mimetype=application/octet-stream"),
        path,
    )
    attachment.unlink()
    return path


class World:
    """Context manager: the store, and the proxy that all stages' requests go through.

    Attributes:
        clip: the source.
        hook: gets the name of the asking process, the request and what forwards it.
    """

    def __init__(self, folder: Path, source: Path) -> None:
        self.folder, self.clip = folder, source
        self.store = EmbeddedStore(folder / "store")
        self.proxy = S3Proxy(self.store)
        self.hook: Hook = _forward
        self.proxy.hook = lambda request, forward: self.hook(asker(request), request, forward)
        self._restarting = threading.Lock()

    def __enter__(self) -> Self:
        """Start both."""
        self.store.__enter__()
        self.proxy.__enter__()
        self.client.put_object(Bucket=self.store.bucket, Key="in/source.mkv", Body=self.clip.read_bytes())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop both."""
        self.proxy.__exit__(kind, error, trace)
        self.store.stop()

    @cached_property
    def client(self) -> "S3Client":
        """The test's own way to the store; its requests have no asker."""
        own = self.store.environment()
        return boto3.session.Session().client(
            "s3",
            region_name="us-east-1",
            endpoint_url=self.proxy.endpoint,
            aws_access_key_id=own["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=own["AWS_SECRET_ACCESS_KEY"],
        )

    def environment(self, name: str) -> dict[str, str]:
        """What a stage finds in its environment, but for its work.

        Args:
            name: of the process; goes along with each of its requests.
        """
        return self.store.environment(os.environ) | {"AWS_SDK_UA_APP_ID": name}

    def job(self, name: str, retain: str) -> StageInput:
        """A job, ready for split."""
        return job(
            self.proxy,  # type: ignore[arg-type]  # it has the two properties that are asked for
            f"s3://{self.store.bucket}/in/source.mkv",
            f"s3://{self.store.bucket}/out/{name}.mkv",
            seconds=CUT_SECONDS,
            retain=retain,  # type: ignore[arg-type]
            name=name,
        ).model_copy(update={"segments_per_pod": PER_POD})

    def kill_store(self) -> None:
        """SIGKILL to the server, and another one on its folder."""
        with self._restarting:
            assert self.store.process_id is not None
            os.kill(self.store.process_id, signal.SIGKILL)
            self.store.stop()
            self.store.__enter__()

    def output(self, name: str) -> bytes | None:
        """What is at a job's output; None where nothing is."""
        key = f"out/{name}.mkv"
        if key not in self._keys(key):
            return None
        return self.client.get_object(Bucket=self.store.bucket, Key=key)["Body"].read()

    def scratch(self, name: str) -> set[str]:
        """The objects of a job in scratch, without the part of their keys that is the job's own."""
        return {key.split("/", 4)[-1] for key in self._keys(f"scratch/{NAMESPACE}/{name}/")}

    def unfinished_uploads(self, name: str) -> set[str]:
        """Keys of a job's multipart uploads that were neither completed nor dropped."""
        found = self.client.list_multipart_uploads(Bucket=self.store.bucket).get("Uploads", [])
        return {upload["Key"] for upload in found if name in upload["Key"]}

    def _keys(self, prefix: str) -> list[str]:
        page = self.client.list_objects_v2(Bucket=self.store.bucket, Prefix=prefix)
        return [entry["Key"] for entry in page.get("Contents", [])]


def asker(request: Request) -> str:
    """Name of the process that asks; empty where it is the test."""
    found = re.search(r" app/(\S+)", request.headers.get("user-agent", ""))
    return found[1] if found else ""


def _forward(_asker: str, _request: Request, forward: Forward) -> Answer:
    return forward()
