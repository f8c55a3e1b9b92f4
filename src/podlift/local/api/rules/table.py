"""The rules of each kind, in one table."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass

from podlift.local.api.rules.jobs import check_job, check_job_update, fill_job
from podlift.local.api.rules.names import forbidden_value, invalid_value, required, unsupported
from podlift.local.api.rules.pod_defaults import fill_pod
from podlift.local.api.rules.pods import check_pod, check_pod_update
from podlift.local.errors import Cause
from podlift.local.kinds import (
    CONFIGMAP,
    EVENT,
    JOB,
    LIMITRANGE,
    NAMESPACE,
    NODE,
    PERSISTENTVOLUMECLAIM,
    POD,
    RESOURCEQUOTA,
    SECRET,
    Kind,
    Obj,
)

MOST_DATA_BYTES = 1024 * 1024


def _nothing(obj: Obj) -> None:
    return None


def _no_causes(obj: Obj) -> list[Cause]:
    return []


def _no_update_causes(new: Obj, old: Obj) -> list[Cause]:
    return []


@dataclass(frozen=True, slots=True)
class Rules:
    """How a kind's objects are completed and checked.

    ``settle`` runs on every write, ``fill`` on a creation only.
    """

    fill: Callable[[Obj], None] = _nothing
    settle: Callable[[Obj], None] = _nothing
    check: Callable[[Obj], list[Cause]] = _no_causes
    check_update: Callable[[Obj, Obj], list[Cause]] = _no_update_causes


def rules_of(kind: Kind) -> Rules:
    """The rules of a kind; kinds without any take what they are given."""
    return _RULES.get(kind, _PLAIN)


def _fill_namespace(namespace: Obj) -> None:
    namespace["spec"] = {"finalizers": ["kubernetes"]}
    namespace["status"] = {"phase": "Active"}


def _fill_node(node: Obj) -> None:
    node.setdefault("spec", {})
    node.setdefault("status", {})


def _settle_secret(secret: Obj) -> None:
    plain = secret.pop("stringData", None)
    if plain:
        coded = {key: base64.b64encode(text.encode()).decode() for key, text in plain.items()}
        secret["data"] = {**(secret.get("data") or {}), **coded}
    # The type comes last in what a real server answers.
    secret["type"] = secret.pop("type", None) or "Opaque"


def _check_secret(secret: Obj) -> list[Cause]:
    causes, size = [], 0
    for key, text in (secret.get("data") or {}).items():
        try:
            size += len(base64.b64decode(text or "", validate=True))
        except ValueError:
            causes.append(invalid_value(f"data[{key}]", "", "must be base64 encoded"))
    return causes + _check_size("data", size)


def _check_config_map(config_map: Obj) -> list[Cause]:
    size = sum(len(text.encode()) for text in (config_map.get("data") or {}).values())
    size += sum(len(base64.b64decode(t)) for t in (config_map.get("binaryData") or {}).values())
    return _check_size("[]", size)


def _check_size(field: str, size: int) -> list[Cause]:
    """The data of a Secret or ConfigMap: without its keys, and decoded."""
    if size <= MOST_DATA_BYTES:
        return []
    return [
        Cause("FieldValueTooLong", field, f"Too long: may not be more than {MOST_DATA_BYTES} bytes")
    ]


def _check_immutable(new: Obj, old: Obj) -> list[Cause]:
    if not old.get("immutable"):
        return []
    text = "field is immutable when `immutable` is set"
    changed = [key for key in ("data", "binaryData") if new.get(key) != old.get(key)]
    return [forbidden_value(key, text) for key in changed]


def _check_secret_update(new: Obj, old: Obj) -> list[Cause]:
    causes = _check_immutable(new, old)
    if new.get("type") != old.get("type"):
        causes.append(invalid_value("type", new.get("type", ""), "field is immutable"))
    return causes


def _fill_claim(claim: Obj) -> None:
    spec = claim["spec"]
    spec.setdefault("volumeMode", "Filesystem")
    meta = claim["metadata"]
    protection = "kubernetes.io/pvc-protection"
    if protection not in (meta.get("finalizers") or ()):
        meta["finalizers"] = [*(meta.get("finalizers") or ()), protection]
    claim["status"] = {"phase": "Pending"}


def _check_claim(claim: Obj) -> list[Cause]:
    spec = claim["spec"]
    modes = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")
    causes = []
    if not spec.get("accessModes"):
        causes.append(required("spec.accessModes", "at least 1 access mode is required"))
    causes += [
        unsupported("spec.accessModes", mode, modes)
        for mode in spec.get("accessModes") or ()
        if mode not in modes
    ]
    if "storage" not in ((spec.get("resources") or {}).get("requests") or {}):
        causes.append(required("spec.resources[storage]"))
    return causes


def _fill_event(event: Obj) -> None:
    for key, value in (("source", {}), ("firstTimestamp", None), ("lastTimestamp", None)):
        event.setdefault(key, value)
    event["type"] = event.pop("type", "")
    event.setdefault("eventTime", None)
    event.setdefault("reportingComponent", "")
    event.setdefault("reportingInstance", "")


def _check_event(event: Obj) -> list[Cause]:
    about = (event.get("involvedObject") or {}).get("namespace") or ""
    namespace = event["metadata"].get("namespace", "")
    if about and about != namespace:
        text = "does not match event.namespace"
        return [invalid_value("involvedObject.namespace", about, text)]
    return []


def _fill_quota(quota: Obj) -> None:
    quota.setdefault("spec", {})
    quota["status"] = {}


def _fill_limits(limits: Obj) -> None:
    for item in (limits.get("spec") or {}).get("limits") or ():
        if item.get("type") != "Container":
            continue
        if item.get("max"):
            item["default"] = {**item["max"], **(item.get("default") or {})}
        if item.get("default"):
            item["defaultRequest"] = {**item["default"], **(item.get("defaultRequest") or {})}


_PLAIN = Rules()
_RULES: dict[Kind, Rules] = {
    POD: Rules(fill=fill_pod, check=check_pod, check_update=check_pod_update),
    JOB: Rules(fill=fill_job, check=check_job, check_update=check_job_update),
    NAMESPACE: Rules(fill=_fill_namespace),
    NODE: Rules(fill=_fill_node),
    SECRET: Rules(settle=_settle_secret, check=_check_secret, check_update=_check_secret_update),
    CONFIGMAP: Rules(check=_check_config_map, check_update=_check_immutable),
    PERSISTENTVOLUMECLAIM: Rules(fill=_fill_claim, check=_check_claim),
    EVENT: Rules(fill=_fill_event, check=_check_event),
    RESOURCEQUOTA: Rules(fill=_fill_quota),
    LIMITRANGE: Rules(fill=_fill_limits),
}
