"""Every object key of a job, and the one function that makes a part's digest.

    <scratch>/<namespace>/<name>/<run>/
        plan.json            what split found and decided; written last, so its presence commits the split
        plan/000000.json     the segments and their frames, in chunks; a short plan holds its only one itself
        plan/source.json     checksums of the source's bytes
        segments/000012.mkv  the packets of a segment
    normalised/000012-<sha256>.mkv, 000009.json   slices made anew, and the slices of object 9, which commits them
        encoder.json         the first worker's probe encode: everybody else must match it
        parts/000012-<digest>.mkv   an encoded part, its report in its metadata: its one write commits it
        parts/000012-<digest>-bad.json   written before it, where frames of the source were bad
        output.json          what mux is about to publish

No key is ever written with two meanings: `run` names the source and the cuts, `digest` everything that a
part's bytes depend on.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

JsonValue = object


def canonical_json(value: JsonValue) -> bytes:
    """Serialise so that equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha256_hex(data: bytes) -> str:
    """SHA-256 of `data` in hex."""
    return hashlib.sha256(data).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run_id(*, source_uri: str, etag: str, size: int, cut: Mapping[str, JsonValue], splitter_version: int) -> str:
    """Name a run: 12 hex digits that change whenever the segments could."""
    key = {"uri": source_uri, "etag": etag, "size": size, "cut": dict(cut), "splitter": splitter_version}
    return sha256_hex(canonical_json(key))[:12]


def part_digest(
    *, segment: Mapping[str, JsonValue], inputs: Mapping[str, JsonValue], encoder: Mapping[str, JsonValue]
) -> str:
    """Name a part by all that its bytes depend on: 16 hex digits. Worker and mux both call this.

    Args:
        segment: the segment's entry in the plan (packets' sha256, frame slice).
        inputs: the plan's pinned inputs (faces, models, engine, pixel version, encoder settings).
        encoder: the content of encoder.json.
    """
    key = {"segment": dict(segment), "inputs": dict(inputs), "encoder": dict(encoder)}
    return sha256_hex(canonical_json(key))[:16]


def job_folder(*, scratch: str, namespace: str, name: str) -> str:
    """Where all runs of job `namespace`/`name` are, under the `scratch` URI; ends with a slash."""
    return f"{scratch.rstrip('/')}/{namespace}/{name}/"


@dataclass(frozen=True)
class RunLayout:
    """The keys of one run of one job, as URIs."""

    prefix: str

    @classmethod
    def of(cls, *, scratch: str, namespace: str, name: str, run: str) -> "RunLayout":
        """Lay out `run` of job `namespace`/`name` under the `scratch` URI."""
        return cls(f"{job_folder(scratch=scratch, namespace=namespace, name=name)}{run}")

    @property
    def plan(self) -> str:
        """The plan."""
        return f"{self.prefix}/plan.json"

    def chunk(self, index: int) -> str:
        """A chunk of the plan's segments."""
        return f"{self.prefix}/plan/{index:06d}.json"

    @property
    def source_sums(self) -> str:
        """What the bytes of the source are."""
        return f"{self.prefix}/plan/source.json"

    def segment(self, index: int) -> str:
        """The packets of a segment; virtual segments of one giant GOP share the first one's."""
        return f"{self.prefix}/segments/{index:06d}.mkv"

    def normalised(self, index: int, sha256: str) -> str:
        """A segment's frames, coded anew without loss: named by its content, since two encoders may differ."""
        return f"{self.normalised_folder}{index:06d}-{sha256[:16]}.mkv"

    def normalised_record(self, number: int) -> str:
        """What became of the slices of object `number`; its presence commits them."""
        return f"{self.normalised_folder}{number:06d}.json"

    @property
    def normalised_folder(self) -> str:
        """Where the normalise stage writes."""
        return f"{self.prefix}/normalised/"

    @property
    def encoder(self) -> str:
        """The encoder that all parts are made with."""
        return f"{self.prefix}/encoder.json"

    def part(self, index: int, digest: str) -> str:
        """An encoded part, with its report; its presence commits it."""
        return f"{self.parts_folder}{index:06d}-{digest}.mkv"

    def bad_frames(self, index: int, digest: str) -> str:
        """The source's bad frames in a part that has some."""
        return f"{self.parts_folder}{index:06d}-{digest}-bad.json"

    @property
    def parts_folder(self) -> str:
        """Where the swap stage writes."""
        return f"{self.prefix}/parts/"

    @property
    def output_record(self) -> str:
        """What mux is about to publish."""
        return f"{self.prefix}/output.json"
