"""The pod that an operator's parameters describe. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from podlift.pods.checking import check_pod
from podlift.pods.errors import InvalidManifest
from podlift.pods.labels import Identity, annotations_of, labels_of
from podlift.pods.naming import pod_name
from podlift.pods.plain import Manifest, to_manifest

BASE = "base"

EnvVars: TypeAlias = Mapping[str, object] | Sequence[object]
"""``{"NAME": "value"}``, or entries as in a container's ``env``, dicts or ``V1EnvVar``."""


def operator_manifest(
    *,
    name: str,
    namespace: str,
    identity: Identity,
    image: str,
    cmds: Sequence[str] = (),
    arguments: Sequence[str] = (),
    env_vars: EnvVars = (),
    labels: Mapping[str, str] | None = None,
) -> Manifest:
    """Build the manifest. Raises ``InvalidManifest`` for parameters that make no pod.

    The pod's name begins with ``name`` and is the same whenever the same try of the task asks.
    Podlift's labels win over the user's: the pod is found by them.
    """
    container: Manifest = {"name": BASE, "image": image}
    if cmds:
        container["command"] = _strings(cmds, "cmds")
    if arguments:
        container["args"] = _strings(arguments, "arguments")
    if env_vars:
        container["env"] = env_entries(env_vars)
    manifest: Manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            # The salt keeps it apart from the pod in which an executor runs the same try.
            "name": pod_name([name], f"operator:{identity.ti_id}", identity.try_number),
            "namespace": namespace,
            "labels": dict(labels or {}) | labels_of(identity, component="operator"),
            "annotations": annotations_of(identity),
        },
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }
    check_pod(manifest)
    return manifest


def env_entries(env_vars: EnvVars) -> list[Manifest]:
    """A container's ``env`` list. Raises ``InvalidManifest`` for what is no variable."""
    if isinstance(env_vars, Mapping):
        return [
            {"name": name, "value": _text(value, f"env_vars.{name}")}
            for name, value in env_vars.items()
        ]
    if isinstance(env_vars, str):
        raise InvalidManifest("env_vars", "must be a mapping or a list, not text")
    entries = [to_manifest(entry) for entry in env_vars]
    for index, entry in enumerate(entries):
        if not entry.get("name"):
            raise InvalidManifest(f"env_vars[{index}].name", "a variable needs a name")
    return entries


def _strings(values: Sequence[object], field: str) -> list[str]:
    if isinstance(values, str):
        raise InvalidManifest(field, f"must be a list of strings, for example [{values!r}]")
    return [_text(value, f"{field}[{index}]") for index, value in enumerate(values)]


def _text(value: object, path: str) -> str:
    """Kubernetes takes only strings here; a number that a template made means its digits."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise InvalidManifest(path, f"must be a string, not {value!r}")
