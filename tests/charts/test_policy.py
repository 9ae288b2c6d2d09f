"""What the chart's admission policy holds, the API server refuses, in a sentence that says what to do."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.charts.conftest import Site, installing
from tests.charts.helm import CHART, Helm
from tests.cluster.api import Json
from tests.cluster.system import sample
from tests.cluster.waiting import wait_for

ENDPOINT = "https://s3.example.com"
CONSENT = {"reference": "REL-0001"}
FACES = [{"source": ["s3://studio/faces/ada.png"]}]


def values_for(site: Site) -> dict[str, Any]:
    """Buckets and endpoints for the first team; the second may use AWS and no bucket."""
    return {
        "crd": {"install": False},
        "watchNamespaces": list(site.teams),
        "admissionPolicy": {
            "enabled": True,
            "consent": {"required": True, "pattern": "^REL-[0-9]{4}$"},
            "namespaces": {
                site.teams[0]: {"buckets": ["studio", "shared/one/"], "endpoints": [f"{ENDPOINT}/"]},
                "*": {"buckets": [], "endpoints": ["aws"]},
            },
        },
    }


@pytest.fixture(scope="module")
def policed(helm: Helm, site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose policy is in force."""
    with installing(helm, site, tmp_path_factory.mktemp("policed")) as installer:
        installer.run("install", "faces", str(CHART), "--namespace", site.system, values=values_for(site))
        wait_for(lambda: refusal(site, job(consent=None)), "the policy is in force")
        yield site


def job(**changes: Any) -> Json:
    """A job that the first team may create, but for these changes of its spec; None takes a field away."""
    made = sample("job", source={"uri": "s3://studio/in/a.mov"}, consent=CONSENT)
    made["spec"]["storage"] = {"endpoint": ENDPOINT, "scratch": "s3://shared/one"}
    for name, value in changes.items():
        if value is None:
            del made["spec"][name]
        elif isinstance(value, dict) and name == "storage":
            made["spec"][name] = {k: v for k, v in (made["spec"][name] | value).items() if v is not None}
        else:
            made["spec"][name] = value
    return made


def refusal(site: Site, made: Json, team: int = 0) -> str:
    """What the API server says against a job; empty where it takes it."""
    done = site.cluster.kubectl(
        "create",
        "--dry-run=server",
        "--namespace",
        site.teams[team],
        "-f",
        "-",
        stdin=yaml.safe_dump(made),
        check=False,
    )
    if not done.returncode:
        return ""
    _, denied, why = done.stderr.partition("denied request: ")
    return (why if denied else done.stderr).strip()


def uri_cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """A foreign bucket at each place of a spec that names one."""
    foreign = "s3://foreign/x.png"
    of_model: dict[str, Any] = {"name": "InSwapper", "models": "s3://foreign/models"}
    own_model: dict[str, Any] = {"name": "Mesh"}
    reference = {"source": ["s3://studio/a.png"], "target": {"select": "Reference", "reference": foreign}}
    yield "source", {"source": {"uri": "s3://foreign/in.mov"}}
    yield "output", {"output": {"uri": "s3://foreign/out.mp4"}}
    yield "scratch", {"storage": {"scratch": "s3://foreign/scratch"}}
    yield "models", {"engine": of_model, "faces": FACES}
    yield "content check", {"contentCheck": {"model": "s3://foreign/nsfw.onnx", "threshold": 0.5}}
    yield "face", {"engine": own_model, "faces": [*FACES, {"source": ["s3://studio/a.png", foreign]}]}
    yield "reference", {"engine": own_model, "faces": [*FACES, reference]}


def test_the_policy_holds_what_it_says(policed: Site) -> None:
    team = policed.teams[0]
    allowed = "allowed: s3://studio/, s3://shared/one/"
    assert refusal(policed, job()) == ""
    assert refusal(policed, job(engine={"name": "Mesh"}, faces=FACES)) == ""
    for place, changes in uri_cases():
        said = refusal(policed, job(**copy.deepcopy(changes)))
        assert said.startswith(f"bucket foreign is not allowed in namespace {team} (s3://foreign/"), place
        assert said.endswith(allowed), place
    for uri in ("s3://shared/other/in.mov", "s3://shared/one-more/in.mov", "s3://studio-2/in.mov"):
        said = refusal(policed, job(source={"uri": uri}))
        assert f"is not allowed in namespace {team} ({uri}); {allowed}" in said
    for uri in ("s3://shared/one/../two/in.mov", "s3://shared/one/..", "s3://studio/./in.mov"):
        # The CRD does, before the policy is asked.
        assert "spec.source.uri in body should match" in refusal(policed, job(source={"uri": uri}))
    assert refusal(policed, job(source={"uri": "s3://studio/a..b/.c./...mov"})) == ""
    for endpoint, named in ((None, "aws"), ("https://elsewhere.example.com", "https://elsewhere.example.com")):
        said = refusal(policed, job(storage={"endpoint": endpoint}))
        assert said == f"endpoint {named} is not allowed in namespace {team}; allowed: {ENDPOINT}"
    assert refusal(policed, job(storage={"endpoint": f"{ENDPOINT}/"})) == ""
    assert refusal(policed, job(storage={"endpoint": f"{ENDPOINT}@evil.example.com"})) != ""
    assert refusal(policed, job(consent=None)) == f"consent is required of every job in namespace {team}"
    said = refusal(policed, job(consent={"reference": "anything"}))
    assert said == f"consent.reference must match ^REL-[0-9]{{4}}$ in namespace {team}"


def test_consent_may_be_left_out_where_only_its_form_is_asked_for(installer: Helm, own_site: Site) -> None:
    values = values_for(own_site)
    values["admissionPolicy"]["consent"]["required"] = False
    installer.run("install", "faces", str(CHART), "--namespace", own_site.system, values=values)
    wait_for(lambda: refusal(own_site, job(consent={"reference": "anything"})), "the policy is in force")
    assert refusal(own_site, job(consent=None)) == ""


def test_a_namespace_that_is_not_listed_has_the_rule_of_all_others(policed: Site) -> None:
    team = policed.teams[1]
    said = refusal(policed, job(), team=1)
    assert said == f"bucket studio is not allowed in namespace {team} (s3://studio/in/a.mov); allowed: none"


def test_namespaces_that_the_release_does_not_watch_are_left_alone(policed: Site) -> None:
    policed.cluster.kubectl(
        "create", "--dry-run=server", "--namespace", policed.system, "-f", "-",
        stdin=yaml.safe_dump(job(source={"uri": "s3://foreign/in.mov"}, consent=None)),
    )  # fmt: skip


def test_the_api_server_finds_no_fault_with_its_expressions(policed: Site) -> None:
    path = f"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/faces-recast.{policed.system}"

    def checked() -> Json | None:
        status: Json = policed.cluster.api.get(path).get("status", {})
        return status if "typeChecking" in status else None

    assert wait_for(checked, "its types are checked")["typeChecking"] == {}


def test_a_job_that_is_there_may_be_ended_whatever_the_policy_says_since(installer: Helm, own_site: Site) -> None:
    team = own_site.teams[0]
    path = f"/apis/recast.video/v1alpha1/namespaces/{team}/faceswapjobs"
    made = job(source={"uri": "s3://foreign/in.mov"})
    made["metadata"]["finalizers"] = ["recast.video/scratch"]
    own_site.cluster.api.create(path, made)
    installer.run("install", "faces", str(CHART), "--namespace", own_site.system, values=values_for(own_site))
    wait_for(lambda: refusal(own_site, job(consent=None)), "the policy is in force")
    own_site.cluster.api.merge(f"{path}/job", {"spec": {"suspend": True}})
    own_site.cluster.api.merge(f"{path}/job", {"metadata": {"finalizers": []}})
    own_site.cluster.api.delete(f"{path}/job")
    assert own_site.cluster.api.find(f"{path}/job") is None
