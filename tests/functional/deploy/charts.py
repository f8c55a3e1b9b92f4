"""Renders the chart, and judges what comes out as the API server would."""

from __future__ import annotations

import copy
import json
import subprocess
import tempfile
from collections.abc import Hashable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator

ROOT = Path(__file__).parents[3]
CHART = ROOT / "deploy" / "helm" / "podlift"
_SCHEMAS = ROOT / "tests" / "data" / "kube-schemas.json"
"""From /openapi/v3 of kube-apiserver 1.36.2: the kinds that the chart makes, no descriptions."""

Object = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """Refuses a key that a mapping has twice, as the API server does."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        assert not twice, f"{sorted(twice)} twice at {node.start_mark}"
        return super().construct_mapping(node, deep=deep)


def parse(text: str) -> list[Object]:
    """The objects of a YAML text."""
    return [each for each in yaml.load_all(text, _Loader) if each is not None]


def template(helm: str, values: Any = None, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``helm template`` for release ``airflow`` in namespace ``airflow``."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(values or {}, file)
        file.flush()
        command = [helm, "template", "airflow", str(CHART), "--namespace", "airflow"]
        command += ["--kube-version", "1.29", "--values", file.name, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)


def pods_of(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """Every pod that these objects lead to, by the name of what makes it; the tasks' too.

    A StatefulSet's pod has a stand-in for each volume that it gets a claim for.
    """
    for each in objects:
        name = f"{each['kind']}/{each['metadata']['name']}"
        if each["kind"] == "Pod":
            yield name, each
        elif "template" in each.get("spec", {}):
            pod = copy.deepcopy(each["spec"]["template"])
            for claim in each["spec"].get("volumeClaimTemplates", []):
                pod["spec"]["volumes"].append({"name": claim["metadata"]["name"], "emptyDir": {}})
            yield name, pod
        elif text := each.get("data", {}).get("pod_template_file.yaml"):
            yield name, parse(text)[0]


def containers_of(pod: Object) -> list[Object]:
    """All containers of a pod, init containers first."""
    return [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]


def complaints(manifest: Object) -> list[str]:
    """What the API server's strict validation would say."""
    group, _, version = manifest["apiVersion"].rpartition("/")
    errors = _validator(group, version, manifest["kind"]).iter_errors(manifest)
    return [f"{error.json_path}: {error.message}" for error in errors]


@cache
def _validator(group: str, version: str, kind: str) -> Validator:
    document = _strict(json.loads(_SCHEMAS.read_text()))
    wanted = {"group": group, "version": version, "kind": kind}
    schemas = document["components"]["schemas"]
    names = [
        name
        for name, schema in schemas.items()
        if wanted in schema.get("x-kubernetes-group-version-kind", [])
    ]
    assert len(names) == 1, f"tests/data/kube-schemas.json has no schema for {wanted}"
    return Draft202012Validator({"$ref": f"#/components/schemas/{names[0]}", **document})


def _strict(schema: Any) -> Any:
    """The schema with every field refused that it does not know."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _strict(value) for key, value in schema.items()}
    if "properties" in made and isinstance(made.get("type"), str):
        made.setdefault("additionalProperties", False)
    return made
