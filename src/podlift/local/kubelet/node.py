"""The one node: this machine, and the sign that it is alive.

See https://kubernetes.io/docs/concepts/architecture/nodes/.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path

import podlift
from podlift.local.kinds import LEASE, NODE
from podlift.local.kubelet.contract import Obj
from podlift.local.kubelet.recording import timestamp
from podlift.local.kubelet.status import POD_IP
from podlift.local.store import Store

_LEASES = "kube-node-lease"
_LEASE_SECONDS = 40
_RENEW_SECONDS = 10.0

#: Processes of one machine; more would be no help to anybody.
_MOST_PODS = 500

_CONDITIONS = (
    (
        "MemoryPressure",
        "False",
        "KubeletHasSufficientMemory",
        "kubelet has sufficient memory available",
    ),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)


def register(store: Store, name: str, home: Path, runtime: str) -> None:
    """Write the node's object with what the machine has; *runtime* says how containers run."""
    status = _status(name, home, runtime)

    def renew(node: Obj) -> None:
        node["status"] = status

    if store.modify(NODE, None, name, renew) is None:
        machine = platform.machine()
        arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
        labels = {
            "kubernetes.io/arch": arch,
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
        }
        node = {"metadata": {"name": name, "labels": labels}, "spec": {}, "status": status}
        store.create(NODE, node)


async def keep_alive(store: Store, name: str) -> None:
    """Renew the node's Lease until cancelled."""
    while True:
        renew(store, name)
        await asyncio.sleep(_RENEW_SECONDS)


def renew(store: Store, name: str) -> None:
    """Write the present time into the node's Lease, which is made if needed."""
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def change(lease: Obj) -> None:
        lease.setdefault("spec", {})["renewTime"] = moment

    if store.modify(LEASE, _LEASES, name, change) is None:
        spec = {
            "holderIdentity": name,
            "leaseDurationSeconds": _LEASE_SECONDS,
            "renewTime": moment,
        }
        store.create(LEASE, {"metadata": {"name": name, "namespace": _LEASES}, "spec": spec})


def _status(name: str, home: Path, runtime: str) -> Obj:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    room = {
        "cpu": str(os.cpu_count() or 1),
        "ephemeral-storage": f"{shutil.disk_usage(home).total // 1024}Ki",
        "memory": f"{memory // 1024}Ki",
        "pods": str(_MOST_PODS),
    }
    now = timestamp()
    machine = str(uuid.uuid5(uuid.NAMESPACE_URL, str(home)))
    return {
        "capacity": room,
        "allocatable": room,
        "conditions": [
            {
                "type": type_,
                "status": status,
                "lastHeartbeatTime": now,
                "lastTransitionTime": now,
                "reason": reason,
                "message": message,
            }
            for type_, status, reason, message in _CONDITIONS
        ],
        "addresses": [
            {"type": "InternalIP", "address": POD_IP},
            {"type": "Hostname", "address": name},
        ],
        "nodeInfo": {
            "machineID": machine,
            "systemUUID": machine,
            "bootID": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
            "kernelVersion": platform.release(),
            "osImage": "processes of this machine",
            "containerRuntimeVersion": runtime,
            "kubeletVersion": f"v{podlift.__version__}",
            "kubeProxyVersion": "",
            "operatingSystem": "linux",
            "architecture": platform.machine(),
        },
    }
