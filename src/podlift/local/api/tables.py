"""The columns that kubectl shows, and each object's cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from podlift.local.api.words import duration, pod_ready, pod_restarts, pod_status, since
from podlift.local.kinds import (
    CONFIGMAP,
    EVENT,
    JOB,
    LEASE,
    LIMITRANGE,
    NAMESPACE,
    NODE,
    PERSISTENTVOLUMECLAIM,
    POD,
    RESOURCEQUOTA,
    SECRET,
    SERVICEACCOUNT,
    Kind,
    Obj,
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its title, how its cell is read, and whether only ``-o wide`` shows it."""

    name: str
    cell: Callable[[Obj], Any]
    wide: bool = False
    type: str = "string"


def columns_of(kind: Kind) -> list[Obj]:
    """The columnDefinitions of a Table."""
    return [
        {
            "name": column.name,
            "type": column.type,
            "format": "name" if column.name == "Name" else "",
            "description": "",
            "priority": 1 if column.wide else 0,
        }
        for column in _COLUMNS[kind]
    ]


def row_of(kind: Kind, obj: Obj) -> list[Any]:
    """The cells of one object."""
    return [column.cell(obj) for column in _COLUMNS[kind]]


def _name(obj: Obj) -> str:
    return str(obj["metadata"]["name"])


def _age(obj: Obj) -> str:
    return since(obj["metadata"].get("creationTimestamp"))


def _at(*path: str, default: Any = "<none>") -> Callable[[Obj], Any]:
    def cell(obj: Obj) -> Any:
        value: Any = obj
        for step in path:
            value = (value or {}).get(step)
        return default if value in (None, "") else value

    return cell


def _size(*path: str) -> Callable[[Obj], int]:
    def cell(obj: Obj) -> int:
        return len(_at(*path, default={})(obj))

    return cell


def _gates(pod: Obj) -> str:
    return "<none>" if not pod["spec"].get("readinessGates") else "0/1"


def _node_status(node: Obj) -> str:
    words = [
        "Ready" if condition["status"] == "True" else "NotReady"
        for condition in node["status"].get("conditions") or ()
        if condition["type"] == "Ready"
    ] or ["Unknown"]
    if node["spec"].get("unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)


def _node_roles(node: Obj) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = node["metadata"].get("labels") or {}
    roles = [label.removeprefix(prefix) for label in labels if label.startswith(prefix)]
    return ",".join(sorted(roles)) or "<none>"


def _node_address(node: Obj) -> str:
    for address in node["status"].get("addresses") or ():
        if address["type"] == "InternalIP":
            return str(address["address"])
    return "<none>"


def _event_object(event: Obj) -> str:
    about = event["involvedObject"]
    return f"{about.get('kind', '').lower()}/{about.get('name', '')}"


def _event_seen(event: Obj) -> str:
    return since(
        event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"].get("creationTimestamp")
    )


def _event_source(event: Obj) -> str:
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent") or ""
    return f"{component}, {source['host']}" if source.get("host") else component


def _job_status(job: Obj) -> str:
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition["status"] == "True" and condition["type"] in ("Complete", "Failed"):
            return str(condition["type"])
    return "Suspended" if job["spec"].get("suspend") else "Running"


def _job_completions(job: Obj) -> str:
    succeeded = (job.get("status") or {}).get("succeeded", 0)
    return f"{succeeded}/{job['spec'].get('completions', 1)}"


def _job_duration(job: Obj) -> str:
    status = job.get("status") or {}
    if not status.get("startTime"):
        return ""
    start = datetime.fromisoformat(status["startTime"].replace("Z", "+00:00"))
    end = datetime.now(UTC)
    if status.get("completionTime"):
        end = datetime.fromisoformat(status["completionTime"].replace("Z", "+00:00"))
    return duration((end - start).total_seconds())


def _modes(claim: Obj) -> str:
    short = {
        "ReadWriteOnce": "RWO",
        "ReadOnlyMany": "ROX",
        "ReadWriteMany": "RWX",
        "ReadWriteOncePod": "RWOP",
    }
    modes = (claim.get("status") or {}).get("accessModes") or ()
    return ",".join(short.get(mode, mode) for mode in modes)


def _quota(field: str) -> Callable[[Obj], str]:
    def cell(quota: Obj) -> str:
        status = quota.get("status") or {}
        hard, used = status.get("hard") or {}, status.get("used") or {}
        names = [name for name in sorted(hard) if name.startswith("limits.") is (field == "limits")]
        return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in names)

    return cell


_NAME = Column("Name", _name)
_AGE = Column("Age", _age)

_COLUMNS: dict[Kind, tuple[Column, ...]] = {
    POD: (
        _NAME,
        Column("Ready", pod_ready),
        Column("Status", pod_status),
        Column("Restarts", pod_restarts),
        _AGE,
        Column("IP", _at("status", "podIP"), wide=True),
        Column("Node", _at("spec", "nodeName"), wide=True),
        Column("Nominated Node", _at("status", "nominatedNodeName"), wide=True),
        Column("Readiness Gates", _gates, wide=True),
    ),
    NODE: (
        _NAME,
        Column("Status", _node_status),
        Column("Roles", _node_roles),
        _AGE,
        Column("Version", _at("status", "nodeInfo", "kubeletVersion", default="")),
        Column("Internal-IP", _node_address, wide=True),
        Column("External-IP", lambda node: "<none>", wide=True),
        Column("OS-Image", _at("status", "nodeInfo", "osImage"), wide=True),
        Column("Kernel-Version", _at("status", "nodeInfo", "kernelVersion"), wide=True),
        Column(
            "Container-Runtime", _at("status", "nodeInfo", "containerRuntimeVersion"), wide=True
        ),
    ),
    NAMESPACE: (_NAME, Column("Status", _at("status", "phase", default="")), _AGE),
    EVENT: (
        Column("Last Seen", _event_seen),
        Column("Type", _at("type", default="")),
        Column("Reason", _at("reason", default="")),
        Column("Object", _event_object),
        Column("Subobject", _at("involvedObject", "fieldPath", default=""), wide=True),
        Column("Source", _event_source, wide=True),
        Column("Message", lambda event: str(event.get("message", "")).strip()),
        Column("First Seen", _event_seen, wide=True),
        Column("Count", _at("count", default=1), wide=True),
        Column("Name", _name, wide=True),
    ),
    SECRET: (
        _NAME,
        Column("Type", _at("type")),
        Column("Data", _size("data"), type="integer"),
        _AGE,
    ),
    CONFIGMAP: (_NAME, Column("Data", _size("data"), type="integer"), _AGE),
    SERVICEACCOUNT: (_NAME, Column("Secrets", _size("secrets"), type="integer"), _AGE),
    PERSISTENTVOLUMECLAIM: (
        _NAME,
        Column("Status", _at("status", "phase", default="")),
        Column("Volume", _at("spec", "volumeName", default="")),
        Column("Capacity", _at("status", "capacity", "storage", default="")),
        Column("Access Modes", _modes),
        Column("StorageClass", _at("spec", "storageClassName", default="")),
        Column("VolumeAttributesClass", lambda claim: "<unset>"),
        _AGE,
        Column("VolumeMode", _at("spec", "volumeMode", default=""), wide=True),
    ),
    RESOURCEQUOTA: (
        _NAME,
        Column("Request", _quota("requests")),
        Column("Limit", _quota("limits")),
        _AGE,
    ),
    LIMITRANGE: (_NAME, Column("Created At", _at("metadata", "creationTimestamp"))),
    LEASE: (_NAME, Column("Holder", _at("spec", "holderIdentity", default="")), _AGE),
    JOB: (
        _NAME,
        Column("Status", _job_status),
        Column("Completions", _job_completions),
        Column("Duration", _job_duration),
        _AGE,
    ),
}
