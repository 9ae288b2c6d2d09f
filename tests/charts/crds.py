"""CRDs of others that the chart makes objects of: as much of them as these objects use, and nothing unknown allowed.

The chart's objects were applied to the real ones, too: Prometheus operator 0.85, Kueue of August 2026.
"""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
LABELS: Schema = {"type": "object", "additionalProperties": TEXT}
QUANTITY: Schema = {"x-kubernetes-int-or-string": True}
SELECTOR: Schema = {
    "type": "object",
    "properties": {
        "matchLabels": LABELS,
        "matchExpressions": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["key", "operator"],
                "properties": {"key": TEXT, "operator": TEXT, "values": {"type": "array", "items": TEXT}},
            },
        },
    },
}


def fields(*required: str, **properties: Schema) -> Schema:
    """An object with these fields."""
    return {"type": "object", "properties": properties} | ({"required": list(required)} if required else {})


def many(item: Schema) -> Schema:
    """A list of at least one."""
    return {"type": "array", "minItems": 1, "items": item}


RULE = fields("alert", "expr", alert=TEXT, expr=TEXT, **{"for": TEXT}, labels=LABELS, annotations=LABELS)
ENDPOINT = fields("port", port=TEXT, path=TEXT, interval={"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"})
FLAVOR = fields(
    "name",
    "resources",
    name=TEXT,
    resources=many(fields("name", "nominalQuota", name=TEXT, nominalQuota=QUANTITY)),
)
GROUP = fields("coveredResources", "flavors", coveredResources=many(TEXT), flavors=many(FLAVOR))

SPECS = (
    (
        "monitoring.coreos.com",
        "v1",
        "ServiceMonitor",
        True,
        fields("selector", "endpoints", selector=SELECTOR, endpoints=many(ENDPOINT)),
    ),
    (
        "monitoring.coreos.com",
        "v1",
        "PrometheusRule",
        True,
        fields(groups=many(fields("name", name=TEXT, rules=many(RULE)))),
    ),
    ("kueue.x-k8s.io", "v1beta2", "ResourceFlavor", False, fields(nodeLabels=LABELS)),
    (
        "kueue.x-k8s.io",
        "v1beta2",
        "ClusterQueue",
        False,
        fields(namespaceSelector=SELECTOR, resourceGroups=many(GROUP)),
    ),
    ("kueue.x-k8s.io", "v1beta2", "LocalQueue", True, fields(clusterQueue=TEXT)),
)


def others_crds() -> Iterator[Schema]:
    """The CRDs, to be applied."""
    for group, version, kind, namespaced, spec in SPECS:
        plural = f"{kind.lower()}s"
        schema = fields(apiVersion=TEXT, kind=TEXT, metadata={"type": "object"}, spec=spec)
        yield {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}"},
            "spec": {
                "group": group,
                "scope": "Namespaced" if namespaced else "Cluster",
                "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
                "versions": [{"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
            },
        }
