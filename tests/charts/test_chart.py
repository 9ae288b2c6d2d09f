"""Helm and the API server take the chart, whatever of its values is set; a wrong value is refused."""

import json
import re
from typing import Any

import pytest
import yaml

from controller.planning.objects import PodSettings, make_job
from controller.planning.observed import Resource
from controller.planning.poddefaults import parse_pod_defaults
from controller.settings import read_settings
from recast.kube.names import STAGES, SWAP
from recast.spec import JobSpec
from tests.charts.conftest import Site
from tests.charts.helm import CHART, ROOT, Helm, Refused, container_of
from tests.cluster.api import Json
from tests.cluster.system import sample
from tests.cluster.waiting import wait_for
from tests.controller.builders import BEGAN, IMAGES, RUN

DIGEST = f"sha256:{'ab' * 32}"
TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}

CASES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "two-namespaces": {"watchNamespaces": ["TEAM-A", "TEAM-B"]},
    "bare": {
        "crd": {"install": False},
        "rbac": {"create": False},
        "serviceAccount": {"create": False, "name": "somebody"},
        "networkPolicy": {"enabled": False},
        "controller": {"replicas": 1, "podDisruptionBudget": {"enabled": False}, "topologySpreadConstraints": []},
    },
    "placed": {
        "commonLabels": {"team": "render"},
        "fullnameOverride": "faces",
        "fixedUser": False,
        "serviceAccount": {"annotations": {"note": "x"}},
        "controller": {
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "tolerations": [TOLERATION],
            "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
            "priorityClassName": "system-cluster-critical",
            "podLabels": {"a": "b"},
            "podAnnotations": {"c": "d"},
            "logLevel": "debug",
            "env": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
            "podDisruptionBudget": {"maxUnavailable": "50%"},
        },
        "podDefaults": {
            "labels": {"e": "f"},
            "env": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
            "stage": {"nodeSelector": {"pool": "$(HOME)"}},
            "gpuWorker": {
                "tolerations": [TOLERATION],
                "runtimeClassName": "nvidia",
                "resourceClaimTemplateName": "gpu",
            },
        },
        "image": {"pullSecrets": [{"name": "registry"}], "controller": {"digest": DIGEST}},
    },
    "watched": {
        "metrics": {
            "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "prometheusRule": {"enabled": True, "alertLabels": {"team": "render"}},
            "dashboard": {"enabled": True, "annotations": {"folder": "video"}},
        }
    },
    "fenced": {
        "networkPolicy": {
            "apiServer": {"cidrs": ["10.0.0.1/32"], "ports": [7443]},
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
            "stagePods": {"namespaces": ["TEAM-A", "TEAM-B"], "s3": [{"ports": [{"port": 8333}]}]},
        },
        "admissionPolicy": {
            "enabled": True,
            "consent": {"pattern": "^REL-[0-9]{4}$"},
            "namespaces": {
                "TEAM-A": {"buckets": ["studio", "shared/studio/"], "endpoints": ["https://s3.example.com/", "aws"]},
                "*": {"buckets": []},
            },
        },
    },
    "fenced-off": {"networkPolicy": {"stagePods": {"namespaces": ["TEAM-A"], "dns": None, "s3": None}}},
    "only-consent": {"admissionPolicy": {"enabled": True, "validationActions": ["Warn", "Audit"]}},
    "no-demands": {"admissionPolicy": {"enabled": True, "consent": {"required": False}}},
    "queued": {"kueue": {"enabled": True, "namespaces": ["TEAM-A"], "nodeLabels": {"pool": "gpu"}}},
}


def values_of(case: str, teams: tuple[str, str] = ("team-a", "team-b")) -> dict[str, Any]:
    """The values of a case, with namespaces that there are."""
    text = json.dumps(CASES[case]).replace("TEAM-A", teams[0]).replace("TEAM-B", teams[1])
    values: dict[str, Any] = json.loads(text)
    return values


def test_helm_finds_nothing_wrong(helm: Helm) -> None:
    helm.run("lint", "--strict", str(CHART))


@pytest.mark.parametrize("case", CASES)
def test_the_api_server_takes_all_objects(case: str, helm: Helm, site: Site) -> None:
    text = helm.template(values_of(case, site.teams), namespace=site.system)
    assert site.dry_run(text) == "", "it warns"


@pytest.mark.parametrize("case", CASES)
def test_all_objects_say_whose_they_are(case: str, helm: Helm) -> None:
    objects = [each for each in helm.objects(values_of(case)) if each["kind"] != "CustomResourceDefinition"]
    assert len(
        {(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in objects}
    ) == len(objects)
    for each in objects:
        labels = each["metadata"]["labels"]
        assert (labels["app.kubernetes.io/name"], labels["app.kubernetes.io/managed-by"]) == ("recast", "Helm")
        assert labels["helm.sh/chart"].startswith("recast-") and labels["app.kubernetes.io/component"]
        assert labels.get("team") == ("render" if case == "placed" else None)


def test_a_namespace_may_be_named_by_a_number(helm: Helm) -> None:
    objects = helm.objects(values_of("watched"), namespace="123")
    assert {each["metadata"].get("namespace", "123") for each in objects} == {"123"}


def test_labels_that_are_given_twice_are_there_once_and_none_takes_the_charts_place(helm: Helm) -> None:
    whose = {f"app.kubernetes.io/{key}": "mine" for key in ("name", "instance", "component", "managed-by")}
    own = {"team": "render", "app.kubernetes.io/part-of": "studio", **whose}
    on = {"enabled": True, "labels": own | {"team": "video"}}
    objects = helm.objects(
        {
            "commonLabels": own,
            "controller": {"podLabels": own | {"team": "video"}},
            "metrics": {"serviceMonitor": on, "prometheusRule": on, "dashboard": on},
        }
    )
    deployment = objects.one("Deployment")
    labels = deployment["metadata"]["labels"]
    assert labels["team"] == "render" and labels["app.kubernetes.io/part-of"] == "studio"
    selector = deployment["spec"]["selector"]["matchLabels"]
    pods = deployment["spec"]["template"]["metadata"]["labels"]
    assert selector.items() <= pods.items() and pods["team"] == "video"
    assert "mine" not in selector.values()
    for kind in ("ServiceMonitor", "PrometheusRule", "ConfigMap"):
        labels = objects.one(kind)["metadata"]["labels"]
        assert (labels["team"], labels["app.kubernetes.io/managed-by"]) == ("video", "Helm")
    service = objects.one("Service")["metadata"]["labels"]
    assert objects.one("ServiceMonitor")["spec"]["selector"]["matchLabels"].items() <= service.items()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"watchNamespace": ["a"]}, "'watchNamespace' not allowed"),
        ({"image": {"controller": {"tags": "1"}}}, "'tags' not allowed"),
        ({"image": {"controller": {"digest": "sha256:12"}}}, "/image/controller/digest"),
        ({"image": {"pullPolicy": "always"}}, "/image/pullPolicy"),
        ({"image": {"pullSecrets": ["registry"]}}, "/image/pullSecrets/0"),
        ({"watchNamespaces": ["Studio"]}, "/watchNamespaces/0"),
        ({"watchNamespaces": ["a", "a"]}, "/watchNamespaces"),
        ({"controller": {"replicas": "two"}}, "/controller/replicas"),
        ({"controller": {"resources": {"limit": {}}}}, "'limit' not allowed"),
        ({"podDefaults": {"worker": {"resourceClaimTemplateName": "gpu"}}}, "'resourceClaimTemplateName' not allowed"),
        ({"podDefaults": {"env": [{"name": "A", "valueFrom": {}}]}}, "'valueFrom' not allowed"),
        ({"podDefaults": {"stage": {"tolerations": [{"operator": "Is"}]}}}, "/podDefaults/stage/tolerations/0"),
        ({"networkPolicy": {"apiServer": {"ports": ["https"]}}}, "/networkPolicy/apiServer/ports/0"),
        ({"admissionPolicy": {"namespaces": {"a": {"bucket": []}}}}, "'bucket' not allowed"),
        (
            {"admissionPolicy": {"namespaces": {"a": {"buckets": ["s3://a"]}}}},
            "/admissionPolicy/namespaces/a/buckets/0",
        ),
        ({"admissionPolicy": {"namespaces": {"A": {}}}}, "'A' not allowed"),
        ({"metrics": {"serviceMonitor": {"interval": "30"}}}, "/metrics/serviceMonitor/interval"),
    ],
)
def test_a_wrong_value_is_refused_and_named(values: dict[str, Any], said: str, helm: Helm) -> None:
    with pytest.raises(Refused) as refusal:
        helm.template(values)
    assert said in str(refusal.value).replace("additional properties ", "")


def test_the_readmes_examples_are_values(helm: Helm) -> None:
    examples = re.findall(r"```yaml\n(.*?)```", (CHART / "README.md").read_text(), re.DOTALL)
    assert len(examples) >= 4
    for example in examples:
        helm.template(yaml.safe_load(example))


def test_as_a_part_of_another_chart_it_takes_what_all_parts_get(helm: Helm) -> None:
    assert helm.objects({"global": {"any": 1}}).of("Deployment")


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({}, "ghcr.io/recast-video/recast-{}:0.1.0"),
        ({"tag": "edge"}, "ghcr.io/recast-video/recast-{}:edge"),
        ({"tag": "edge", "digest": DIGEST}, f"ghcr.io/recast-video/recast-{{}}@{DIGEST}"),
    ],
)
def test_images_are_named_by_tag_or_digest(image: dict[str, str], expected: str, helm: Helm) -> None:
    values = {"image": {"controller": image, "segmentWorker": image}}
    container = container_of(helm.objects(values).one("Deployment"))
    environment = {each["name"]: each.get("value") for each in container["env"]}
    assert container["image"] == environment["RECAST_STAGE_IMAGE"] == expected.format("controller")
    assert environment["RECAST_WORKER_IMAGE"] == expected.format("segment-worker")


def test_images_of_a_registry_of_ones_own(helm: Helm) -> None:
    values = {
        "image": {
            "registry": "localhost:5000/",
            "pullPolicy": "Never",
            "controller": {"repository": "recast/controller"},
        }
    }
    container = container_of(helm.objects(values).one("Deployment"))
    assert (container["image"], container["imagePullPolicy"]) == ("localhost:5000/recast/controller:0.1.0", "Never")
    bare = helm.objects({"image": {"registry": ""}})
    assert container_of(bare.one("Deployment"))["image"] == "recast-video/recast-controller:0.1.0"


def stage_job(stage: str, namespace: str, defaults: dict[str, Any], **worker: Any) -> Json:
    """The Job that the controller makes for a stage."""
    settings = PodSettings(IMAGES, defaults=parse_pod_defaults(json.dumps(defaults)))
    owner = Resource(namespace, "job", "b1522a53-0000-4000-8000-000000000000", BEGAN)
    checked = JobSpec.model_validate(sample("job", worker=worker)["spec"])
    return make_job(owner, checked, stage, attempt=0, run=RUN, segments=9, settings=settings)


def test_selectors_tell_controllers_from_stage_pods(helm: Helm) -> None:
    objects = helm.objects({"networkPolicy": {"stagePods": {"namespaces": ["team-a"]}}})
    controller = objects.one("Deployment")["spec"]["template"]["metadata"]["labels"]
    test = objects.one("Pod")["metadata"]["labels"]
    stages = [stage_job(each, "team-a", {})["spec"]["template"]["metadata"]["labels"] for each in STAGES]
    fence = objects.one("NetworkPolicy", namespace="team-a")["spec"]["podSelector"]["matchLabels"]
    assert all(fence.items() <= labels.items() for labels in stages)
    assert not fence.items() <= controller.items() and not fence.items() <= test.items()
    for own in (
        objects.one("Service")["spec"]["selector"],
        objects.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        objects.one("NetworkPolicy", namespace="recast-system")["spec"]["podSelector"]["matchLabels"],
    ):
        assert own.items() <= controller.items()
        assert not any(own.items() <= labels.items() for labels in (*stages, test))


def test_the_api_server_takes_workers_that_claim_their_gpus(site: Site) -> None:
    defaults = values_of("placed")["podDefaults"]
    made = stage_job(SWAP, site.teams[0], defaults, gpus=1)
    made["metadata"].pop("ownerReferences")
    assert len(made["spec"]["template"]["spec"]["resourceClaims"]) == 1
    assert site.dry_run(yaml.safe_dump(made)) == ""


def as_handed_on(value: str) -> str:
    """A variable's value as Kubernetes gives it to a container."""
    return re.sub(r"\$\$|\$\(\w+\)", lambda found: "$" if found[0] == "$$" else "expanded", value)


def test_the_controller_understands_what_it_is_told(helm: Helm, monkeypatch: pytest.MonkeyPatch) -> None:
    values = values_of("placed") | {"watchNamespaces": ["team-a", "team-b"]}
    container = container_of(helm.objects(values).one("Deployment"))
    for each in container["env"]:
        monkeypatch.setenv(each["name"], as_handed_on(each.get("value", "from-a-field")))
    settings = read_settings(container["args"])
    assert settings.namespaces == ("team-a", "team-b")
    assert settings.lease_namespace == settings.identity == "from-a-field"
    assert settings.pods.images.controller == container["image"]
    defaults = settings.pods.defaults
    assert [(each.name, each.value) for each in defaults.env] == [("HTTPS_PROXY", "http://proxy:3128")]
    assert defaults.labels == {"e": "f"} and defaults.image_pull_secrets[0].name == "registry"
    assert defaults.stage.node_selector == {"pool": "$(HOME)"}
    assert defaults.gpu_worker.resource_claim_template_name == "gpu"
    assert defaults.gpu_worker.tolerations[0].model_dump(by_alias=True, exclude_none=True) == TOLERATION
    assert container["ports"][0]["containerPort"] == settings.health[1] == 8080


@pytest.mark.parametrize("fixed", [True, False])
def test_pods_have_recasts_user_unless_the_cluster_is_to_give_one(fixed: bool, helm: Helm) -> None:
    objects = helm.objects({"fixedUser": fixed})
    container = container_of(objects.one("Deployment"))
    told = [as_handed_on(each["value"]) for each in container["env"] if each["name"] == "RECAST_POD_DEFAULTS"]
    pods = [objects.one("Deployment")["spec"]["template"]["spec"], objects.one("Pod")["spec"]]
    defaults = json.loads(told[0]) if told else {}
    pods += [stage_job(each, "team-a", defaults)["spec"]["template"]["spec"] for each in STAGES]
    for pod in pods:
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True and context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert (context.get("runAsUser"), context.get("runAsGroup")) == ((10001, 10001) if fixed else (None, None))
        assert fixed or "fsGroup" not in context


def test_the_roles_are_those_of_the_manifests(helm: Helm) -> None:
    controller, lease = yaml.safe_load_all((ROOT / "manifests" / "rbac" / "role.yaml").read_text())
    whole, two = helm.objects(), helm.objects(values_of("two-namespaces"))
    assert whole.one("ClusterRole", name="recast-controller")["rules"] == controller["rules"]
    assert whole.one("Role")["rules"] == lease["rules"]
    for namespace in ("team-a", "team-b"):
        assert two.one("Role", namespace=namespace)["rules"] == controller["rules"]
        assert two.one("RoleBinding", namespace=namespace)["subjects"][0]["namespace"] == "recast-system"
    assert two.one("Role", namespace="recast-system")["rules"] == lease["rules"]
    assert not two.kinds() & {"ClusterRole", "ClusterRoleBinding"}


@pytest.mark.parametrize(("role", "may"), [("admin", "yes"), ("edit", "yes"), ("view", "no")])
def test_who_may_edit_a_namespace_may_make_jobs_there(role: str, may: str, helm: Helm, site: Site) -> None:
    objects = helm.objects()
    users = [objects.one("ClusterRole", name=name) for name in ("recast-edit", "recast-view")]
    site.cluster.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(users))
    team = site.teams[0]
    site.cluster.kubectl("create", "rolebinding", role, f"--clusterrole={role}", f"--user={role}", "--namespace", team)

    def can(verb: str) -> str:
        return site.cluster.kubectl(
            "auth", "can-i", verb, "fsj", "--namespace", team, f"--as={role}", check=False
        ).stdout.strip()

    wait_for(lambda: can("list") == "yes", f"{role} has its part")
    wait_for(lambda: can("create") == may, f"{role} has its part")


def test_the_crd_is_that_of_the_manifests_and_is_kept(helm: Helm) -> None:
    crd = helm.objects().one("CustomResourceDefinition")
    assert crd["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert crd == yaml.safe_load((ROOT / "manifests" / "crd" / "faceswapjobs.yaml").read_text())


def test_the_notes_name_the_next_command_and_a_namespace_that_is_watched(installer: Helm, own_site: Site) -> None:
    values = {"crd": {"install": False}, "watchNamespaces": list(own_site.teams)}
    said = installer.run("install", "faces", str(CHART), "--namespace", own_site.system, values=values)
    assert f"helm test faces --namespace {own_site.system}" in said
    assert f"pipeline:\n\n  kubectl create secret generic studio-s3 --namespace {own_site.teams[0]}" in said
    assert f"kubectl apply --namespace {own_site.teams[0]}" in said
    job = said.partition("<<EOF\n")[2].partition("  EOF")[0].replace("BUCKET", "studio")
    assert (
        "created"
        in own_site.cluster.kubectl(
            "apply", "--dry-run=server", "--namespace", own_site.teams[0], "-f", "-", stdin=job
        ).stdout
    )
