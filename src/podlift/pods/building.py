"""Put a task's pod together: template, settings, the task's own override, and Podlift's part.

In that order, each laid over what was there (see ``merging``). Podlift's part comes last, because
without it the pod could not be found again or would not run the task: its name, its labels and
annotations, the base container's arguments and the environment that carries the workload.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any

from podlift.pods.checking import check_pod, check_shape
from podlift.pods.errors import InvalidManifest
from podlift.pods.labels import Identity, annotations_of, labels_of
from podlift.pods.merging import merge_into
from podlift.pods.plain import Manifest, to_manifest

BASE = "base"
"""Name of the container that runs the task; logs, exit code and diagnosis are taken from it."""


@dataclass(frozen=True)
class BuiltPod:
    """A pod ready to be created."""

    manifest: Manifest
    notes: tuple[str, ...] = ()
    """What the author of a template or override should know, a sentence each."""

    @property
    def name(self) -> str:
        name: str = self.manifest["metadata"]["name"]
        return name

    @property
    def namespace(self) -> str:
        namespace: str = self.manifest["metadata"]["namespace"]
        return namespace


def build_task_pod(
    *,
    name: str,
    namespace: str,
    identity: Identity,
    template: object = None,
    pod_override: object = None,
    image: str | None = None,
    command: Sequence[str] = (),
    args: Sequence[str] = (),
    env: Sequence[Manifest] = (),
    service_account_name: str | None = None,
) -> BuiltPod:
    """Build the pod for one launch of a task instance.

    ``template`` and ``pod_override`` are dicts or a Kubernetes client's model objects; either may
    be missing. ``image`` and ``service_account_name`` replace the template's, and give way to the
    override's. ``command`` is used where neither has one; ``args`` and ``env`` (entries as in a
    container's ``env``) always hold. ``namespace`` is used unless the template or the override
    names another. The base container is the one called ``base``; where there is none, the first.

    Raises ``InvalidManifest`` with the field's path for what no pod can be made from.
    """
    notes: list[str] = []
    pod = _read(template, "the pod template", keep_nulls=False)
    _name_base(pod, "the pod template", notes)
    options = _options(image, service_account_name)
    override = _read(pod_override, "pod_override", keep_nulls=True)
    _name_base(override, "pod_override", notes, known=_names(pod))
    _note_replaced(override, notes)
    for layer in (options, override):
        pod = merge_into(pod, layer)
    pod = merge_into(pod, _default_command(pod, command))
    pod = merge_into(pod, _own_part(name, identity, args, env))
    pod["metadata"].setdefault("namespace", namespace)
    _check_restart_policy(pod)
    check_pod(pod)
    return BuiltPod(pod, tuple(notes))


def _read(value: object, what: str, *, keep_nulls: bool) -> Manifest:
    if value is None:
        return {}
    manifest = to_manifest(value, keep_nulls=keep_nulls)
    manifest.pop("status", None)  # model objects have one; it is the server's to write
    check_shape(manifest, what)
    return manifest


def _names(pod: Manifest) -> Set[str]:
    return {container["name"] for container in pod.get("spec", {}).get("containers") or []}


def _name_base(pod: Manifest, what: str, notes: list[str], known: Set[str] = frozenset()) -> None:
    """Call the first container ``base`` where none is, unless it is one of the ``known`` ones."""
    containers = pod.get("spec", {}).get("containers") or []
    if not containers or BASE in _names(pod):
        return
    first = containers[0]["name"]
    if first in known:
        return
    containers[0]["name"] = BASE
    notes.append(
        f"No container of {what} is called {BASE!r}, so its first one, {first!r}, is taken for it."
    )


def _note_replaced(override: Manifest, notes: list[str]) -> None:
    notes.extend(
        f"metadata.{field} of pod_override has no effect: Podlift names the pods."
        for field in ("name", "generateName")
        if override.get("metadata", {}).get(field)
    )


def _options(image: str | None, service_account_name: str | None) -> Manifest:
    base: Manifest = {"name": BASE} | ({"image": image} if image else {})
    spec: Manifest = {"containers": [base]}
    if service_account_name:
        spec["serviceAccountName"] = service_account_name
    return {"spec": spec}


def _default_command(pod: Manifest, command: Sequence[str]) -> Manifest:
    if not command or _base(pod).get("command"):
        return {}
    return {"spec": {"containers": [{"name": BASE, "command": list(command)}]}}


def _own_part(
    name: str, identity: Identity, args: Sequence[str], env: Sequence[Manifest]
) -> Manifest:
    base: dict[str, Any] = {"name": BASE}
    if args:
        base["args"] = list(args)
    if env:
        base["env"] = list(env)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "generateName": None,
            "labels": labels_of(identity),
            "annotations": annotations_of(identity),
        },
        "spec": {"containers": [base]},
    }


def _base(pod: Manifest) -> Manifest:
    containers = pod["spec"]["containers"]
    return next((each for each in containers if each.get("name") == BASE), {})


def _check_restart_policy(pod: Manifest) -> None:
    """Airflow retries a task; a kubelet that restarts it too would run it more often than asked."""
    policy = pod["spec"].setdefault("restartPolicy", "Never")
    if policy != "Never":
        raise InvalidManifest(
            "spec.restartPolicy",
            f"must be 'Never' for a task's pod, not {policy!r}: use the task's retries instead",
        )
