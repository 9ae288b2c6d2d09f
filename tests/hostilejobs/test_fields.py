"""What no FaceSwapJob may say: the models refuse it (`recast submit`, the stages), and so does the API server."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from recast.kube.crd import make_crd
from recast.spec import MOST_SPEC_BYTES, JobSpec
from tests.cluster.api import ApiError
from tests.cluster.controlplane import ControlPlane
from tests.cluster.system import install, path_of, sample

SCRATCH = "s3://scratch/recast"
KEYS = {
    "climbs": "a/../../b.mov", "climbs-at-once": "../b.mov", "ends-in-climbing": "a/..", "stays": "a/./b.mov",
    "climbs-behind-slashes": "//../b.mov", "nul": "a\x00.mov", "newline": "a\nb.mov", "return": "a\rb.mov",
    "escape": "a\x1b[2Jb.mov", "c1-control": "a\x9bb.mov", "right-to-left": "a\u202evom.exe.mov",
    "isolate": "a\u2066b.mov", "line-separator": "a\u2028b.mov", "too-long": 1100 * "a", "empty": "",
}  # fmt: skip
ENDPOINTS = {
    "metadata": "http://169.254.169.254", "metadata-path": "http://169.254.169.254:80/latest/meta-data",
    "pod-identity": "http://169.254.170.23/v1/credentials", "decimal": "http://2852039166/",
    "hexadecimal": "http://0xA9FEA9FE", "octal": "http://0251.0376.0251.0376", "short": "http://169.16689662",
    "hexadecimal-labels": "http://169.254.0xa9.254", "unspecified": "http://0.0.0.0:8333",
    "ipv6-mapped": "http://[::ffff:169.254.169.254]", "ipv6-mapped-hex": "http://[::ffff:a9fe:a9fe]:80",
    "ipv6-mapped-long": "http://[0:0:0:0:0:FFFF:a9fe:a9fe]", "ipv6-nat64": "http://[64:ff9b::a9fe:a9fe]",
    "ipv6-metadata": "http://[fd00:ec2::254]", "ipv6-metadata-padded": "http://[fd00:0ec2::254]",
    "ipv6-link-local": "http://[fe80::1]", "ipv6-unspecified": "http://[::]",
    "google": "http://metadata.google.internal/computeMetadata/v1", "google-short": "HTTP://Metadata",
    "rooted": "http://metadata.google.internal./", "kube-api": "https://kubernetes.default.svc",
    "kube-api-long": "https://Kubernetes.Default.svc.cluster.local:443", "kube-api-short": "https://kubernetes",
    "user": "https://key:secret@s3.example.com", "user-trick": "https://s3.example.com@169.254.169.254",
    "newline": "http://s3.example.com\n", "file": "file:///etc/passwd", "gopher": "gopher://s3.example.com",
    "no-host": "http:///latest", "space": "http://s3.example.com/a b", "no-port": "http://s3.example.com:80a",
}  # fmt: skip
FINE_ENDPOINTS = [
    "https://s3.example.com", "http://127.0.0.1:8333", "http://minio.storage.svc:9000/", "https://10.1.2.3",
    "http://[2001:db8::5]:9000", "https://0xide.example.com", "http://seaweedfs-s3.kubernetes.example.com:8333",
    "http://s3_gateway:80", "https://169.253.1.1", "https://metadata-store.example.com",
]  # fmt: skip
FINE_TEXTS = ["REL-2026-0117", " Ada, by hand ", "許可\u3000第7号", "x"]
FINE_KEYS = [
    "a b'c\"d.mov",
    "a..b/.c./...mov",
    "%2e%2e/a.mov",
    "-i.mov",
    "ü/日本.mov",
    "a//b.mov",
    "/a.mov",
    "$(x)`y`;z.mov",
]


def cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """Changes of a job that is right, each of them wrong."""
    for name, key in KEYS.items():
        yield f"source-{name}", {"source": {"uri": f"s3://studio/{key}"}}
    for name, uri in {"file": "file:///etc/passwd", "http": "http://169.254.169.254/a", "option": "-f lavfi"}.items():
        yield f"source-{name}", {"source": {"uri": uri}}
    yield "output-climbs", {"output": {"uri": "s3://studio/../scratch/b.mp4"}}
    yield "output-not-a-video", {"output": {"uri": "s3://studio/b.sh"}}
    yield "output-over-source", {"source": {"uri": "s3://studio/b.mp4"}, "output": {"uri": "s3://studio/b.mp4"}}
    yield "tracks-by-option", {"output": {"uri": "s3://studio/b.mp4", "dropTracks": ["-i /etc/passwd"]}}
    yield "tracks-many", {"output": {"uri": "s3://studio/b.mp4", "dropTracks": 7 * ["audio"]}}
    yield "scratch-climbs", {"storage": {"scratch": "s3://scratch/recast/../other-team"}}
    for name, endpoint in ENDPOINTS.items():
        yield f"endpoint-{name}", {"storage": {"scratch": SCRATCH, "endpoint": endpoint}}
    yield "region", {"storage": {"scratch": SCRATCH, "region": "evil.example.com/#"}}
    for name in ("other-team/keys", "../keys", "Keys", "keys\n", "k" * 254):
        yield f"secret-{name!r:.20}", {"storage": {"scratch": SCRATCH, "credentialsSecret": name}}
        yield f"account-{name!r:.20}", {"storage": {"scratch": SCRATCH, "serviceAccountName": name}}
    for name in ("medium -f lavfi", "-i", "a:b=c", "a,b", "x" * 17, "a\x00"):
        yield f"preset-{name!r:.20}", {"video": {"preset": name}}
    for name in ("-1k", "128k -f", "128k\n", "99999k", "$(id)"):
        yield f"bitrate-{name!r}", {"audio": {"codec": "Aac", "bitrate": name}}
    for name, text in {
        "nul": "a\x00b",
        "escape": "\x1b[2J",
        "bidi": "ok\u202eon",
        "line": "a\nb",
        "long": 513 * "a",
        "empty": "",
        "blank": "  ",
        "wide-blank": "\u3000\xa0",
        "no-width": "\u200b\ufeff",
    }.items():
        yield f"consent-{name}", {"consent": {"reference": text}}
        yield f"subject-{name}", {"consent": {"reference": "x", "subject": text}}
    for name in ("../../etc/x.onnx", "/etc/x.onnx", "x.pkl", "-x.onnx", "x\n.onnx"):
        yield f"occluder-{name!r}", {"engine": {"name": "Passthrough", "mask": {"occluder": name}}}
    yield "host-path", {"worker": {"modelCache": {"hostPath": "etc"}}}
    face = {"source": ["s3://studio/a.png"]}
    yield "faces-many", {"faces": 17 * [face]}
    yield "faces-of-one", {"faces": [{"source": 17 * ["s3://studio/a.png"]}]}
    yield "labels-many", {"worker": {"nodeSelector": {f"k{number}": "v" for number in range(17)}}}
    yield "tolerations-many", {"worker": {"tolerations": 17 * [{"operator": "Exists"}]}}
    yield "quantity-long", {"worker": {"scratchSize": 40 * "1"}}


CASES = dict(cases())


def spec_of(changes: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = sample("job", **changes)["spec"]
    return made


# A file:// address, and long ones, are for `recast run`; a number of many digits is one for Python.
@pytest.mark.parametrize("case", sorted(CASES.keys() - {"source-file", "source-too-long", "quantity-long"}))
def test_the_models_refuse(case: str) -> None:
    with pytest.raises(ValidationError):
        JobSpec.model_validate(spec_of(CASES[case]))


@pytest.mark.parametrize("endpoint", FINE_ENDPOINTS)
def test_endpoints_of_real_stores_are_taken(endpoint: str) -> None:
    JobSpec.model_validate(spec_of({"storage": {"scratch": SCRATCH, "endpoint": endpoint}}))


@pytest.mark.parametrize("key", FINE_KEYS)
def test_odd_keys_are_taken_as_they_stand(key: str) -> None:
    assert JobSpec.model_validate(spec_of({"source": {"uri": f"s3://studio/{key}"}})).source.uri == f"s3://studio/{key}"


@pytest.mark.parametrize("text", FINE_TEXTS)
def test_a_consent_that_says_something_is_taken_as_it_stands(text: str) -> None:
    consent = JobSpec.model_validate(spec_of({"consent": {"reference": text, "subject": text}})).consent
    assert consent is not None and consent.reference == consent.subject == text


def test_the_api_server_refuses_the_same_and_takes_the_same(control_plane: ControlPlane) -> None:
    install(control_plane)
    with control_plane.namespace() as namespace:

        def refused(changes: dict[str, Any]) -> bool:
            try:
                control_plane.api.request("POST", f"{path_of(namespace)}?dryRun=All", sample("job", **changes))
            except ApiError as error:
                assert "is invalid" in str(error) or "pattern" in str(error), error
                return True
            return False

        taken = [case for case, changes in CASES.items() if not refused(changes)]
        assert taken == []
        fine = [{"storage": {"scratch": SCRATCH, "endpoint": each}} for each in FINE_ENDPOINTS]
        fine += [{"source": {"uri": f"s3://studio/{key}"}} for key in FINE_KEYS]
        fine += [{"consent": {"reference": text, "subject": text}} for text in FINE_TEXTS]
        assert [changes for changes in fine if refused(changes)] == []


def test_a_spec_that_no_pod_could_be_started_with_is_refused() -> None:
    # Linux takes environment variables of 128 KiB; the controller says InvalidSpec.
    names = [f"s3://studio/{number:03d}{900 * 'a'}.png" for number in range(16)]
    many = {"engine": {"name": "Mesh"}, "consent": {"reference": "x"}, "faces": 16 * [{"source": names}]}
    with pytest.raises(ValidationError, match=f"of {MOST_SPEC_BYTES} at most"):
        JobSpec.model_validate(spec_of(many))
    with pytest.raises(ValidationError, match=f"of {MOST_SPEC_BYTES} at most"):
        JobSpec.model_validate(spec_of({"worker": {"affinity": {"x": MOST_SPEC_BYTES * "a"}}}))


def unbounded(node: dict[str, Any], path: str) -> Iterator[str]:
    kind = node.get("type")
    text = kind == "string" and "enum" not in node and "format" not in node
    if (text or node.get("x-kubernetes-int-or-string")) and "maxLength" not in node:
        yield path
    if kind == "array" and "maxItems" not in node:
        yield path
    if "additionalProperties" in node and "maxProperties" not in node:
        yield path
    for name, child in node.get("properties", {}).items():
        yield from unbounded(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from unbounded(node[key], f"{path}.{key}")


def test_every_field_of_a_spec_has_a_bound() -> None:
    root = make_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert list(unbounded(root["properties"]["spec"], "spec")) == []
