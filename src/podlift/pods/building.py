"""Put a task's pod together: template, settings, the task's own override, and Podlift's part.

In that order, each laid over what was there (see ``merging``). Podlift's part comes last, because
without it the pod could not be found again or would not run the task: its name, its labels and
annotations, the base container's arguments and the environment that carries the workload.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from podlift.pods.checking import check_pod, check_shape
from podlift.pods.errors import InvalidManifest
from podlift.pods.labels import Identity, annotations_of, labels_of
from podlift.pods.merging import copied, merge_into, strategic_merge
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


@dataclass(frozen=True)
class Groundwork:
    """What the pods of many tasks have in common, put together once; see ``lay_ground``.

    It never changes: every pod is made of a copy.
    """

    namespace: str
    command: Sequence[str]
    _template: Manifest
    """With the settings laid over it."""
    _own: Manifest
    """What always holds, whatever an override says."""
    _notes: tuple[str, ...]

    def build(
        self,
        name: str,
        identity: Identity,
        pod_override: object = None,
        env: Sequence[Manifest] = (),
    ) -> BuiltPod:
        """The pod for one launch of a task instance, with variables of its own.

        ``pod_override`` is a dict or a Kubernetes client's model object. Raises
        ``InvalidManifest`` with the field's path for what no pod can be made from.
        """
        notes = list(self._notes)
        if pod_override is None:
            pod = copied(self._without_override)
        else:
            pod = self._overridden(pod_override, notes)
        if env:
            pod = merge_into(pod, _base_with(env=list(env)))
        return BuiltPod(merge_into(pod, _signature(name, identity)), tuple(notes))

    @cached_property
    def _without_override(self) -> Manifest:
        return self._completed(copied(self._template))

    def _overridden(self, pod_override: object, notes: list[str]) -> Manifest:
        override = _read(pod_override, "pod_override", keep_nulls=True)
        _name_base(override, "pod_override", notes, known=_names(self._template))
        _note_replaced(override, notes)
        return self._completed(strategic_merge(self._template, override))

    def _completed(self, pod: Manifest) -> Manifest:
        pod = merge_into(pod, _default_command(pod, self.command))
        pod = merge_into(pod, self._own)
        pod.setdefault("metadata", {}).setdefault("namespace", self.namespace)
        _check_restart_policy(pod)
        check_pod(pod)
        return pod


def lay_ground(
    *,
    namespace: str,
    template: object = None,
    image: str | None = None,
    command: Sequence[str] = (),
    args: Sequence[str] = (),
    env: Sequence[Manifest] = (),
    service_account_name: str | None = None,
) -> Groundwork:
    """Put together what pods made from one template have in common.

    ``template`` is a dict or a Kubernetes client's model object; it may be missing. ``image`` and
    ``service_account_name`` replace the template's, and give way to an override's. ``command`` is
    used where neither has one; ``args`` and ``env`` (entries as in a container's ``env``) always
    hold. ``namespace`` is used unless the template or the override names another. The base
    container is the one called ``base``; where there is none, the first.

    Raises ``InvalidManifest`` with the field's path for a template that is none.
    """
    notes: list[str] = []
    pod = _read(template, "the pod template", keep_nulls=False)
    _name_base(pod, "the pod template", notes)
    pod = merge_into(pod, _options(image, service_account_name))
    own: dict[str, Any] = {"args": list(args)} if args else {}
    if env:
        own["env"] = list(env)
    return Groundwork(namespace, command, pod, _base_with(**own), tuple(notes))


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
    return _base_with(command=list(command))


def _base_with(**fields: Any) -> Manifest:
    return {"spec": {"containers": [{"name": BASE, **fields}]}}


def _signature(name: str, identity: Identity) -> Manifest:
    """What tells the pod from all others."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "generateName": None,
            "labels": labels_of(identity),
            "annotations": annotations_of(identity),
        },
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
