"""What selectors look at, kept beside each object so that filtering decodes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from podlift.local.kinds import EVENT, JOB, NAMESPACE, NODE, POD, SECRET, Kind, Obj


@dataclass(frozen=True, slots=True)
class Facts:
    """An object's name, labels and the fields that a field selector may name."""

    namespace: str
    name: str
    labels: dict[str, str]
    #: Without metadata.name and metadata.namespace, which every kind has.
    fields: dict[str, str]


_EMPTY: dict[str, str] = {}


def facts_of(kind: Kind, obj: Obj) -> Facts:
    """Read the facts of an object."""
    meta = obj["metadata"]
    reader = _READERS.get(kind)
    return Facts(
        meta.get("namespace", ""),
        meta["name"],
        meta.get("labels") or _EMPTY,
        reader(obj) if reader else _EMPTY,
    )


def field_names(kind: Kind) -> frozenset[str]:
    """The fields by which objects of *kind* can be selected.

    See https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/
    """
    names = {"metadata.name"} | ({"metadata.namespace"} if kind.namespaced else set())
    reader = _READERS.get(kind)
    return frozenset(names | set(reader({"metadata": {}}) if reader else ()))


def _pod(pod: Obj) -> dict[str, str]:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    return {
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.restartPolicy": spec.get("restartPolicy", ""),
        "spec.schedulerName": spec.get("schedulerName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "spec.hostNetwork": "true" if spec.get("hostNetwork") else "false",
        "status.phase": status.get("phase", ""),
        "status.podIP": status.get("podIP", ""),
        "status.nominatedNodeName": status.get("nominatedNodeName", ""),
    }


def _event(event: Obj) -> dict[str, str]:
    about = event.get("involvedObject") or {}
    source = event.get("source") or {}
    fields = {
        f"involvedObject.{name}": about.get(name, "")
        for name in (
            "kind",
            "namespace",
            "name",
            "uid",
            "apiVersion",
            "resourceVersion",
            "fieldPath",
        )
    }
    fields["reason"] = event.get("reason", "")
    fields["type"] = event.get("type", "")
    fields["reportingComponent"] = event.get("reportingComponent", "")
    fields["source"] = source.get("component", "") or event.get("reportingComponent", "")
    return fields


def _secret(secret: Obj) -> dict[str, str]:
    return {"type": secret.get("type", "")}


def _namespace(namespace: Obj) -> dict[str, str]:
    return {"status.phase": (namespace.get("status") or {}).get("phase", "")}


def _node(node: Obj) -> dict[str, str]:
    unschedulable = (node.get("spec") or {}).get("unschedulable")
    return {"spec.unschedulable": "true" if unschedulable else "false"}


def _job(job: Obj) -> dict[str, str]:
    return {"status.successful": str((job.get("status") or {}).get("succeeded", 0))}


_READERS: dict[Kind, Callable[[Obj], dict[str, str]]] = {
    POD: _pod,
    EVENT: _event,
    SECRET: _secret,
    NAMESPACE: _namespace,
    NODE: _node,
    JOB: _job,
}
