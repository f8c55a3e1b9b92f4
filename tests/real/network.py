"""The node's own network namespace, joined to this machine by a pair of virtual interfaces.

Everything of the node listens inside it, so nothing is added to the machine's own loopback and no
port of the machine is taken. Pods reach this machine at ``HOST``, tests reach the node at ``NODE``.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.real.errors import RealClusterError

NAMESPACE = "podlift-real"
HOST = "10.201.0.1"
NODE = "10.201.0.2"
SERVICE = "10.96.0.1"
"""First address of the service range: the service ``kubernetes``. It is put on the namespace's
loopback, where the API server listens, so that pods find it before kube-proxy runs."""
NAMES = "10.96.0.10"
"""Where CoreDNS listens, on the same loopback. Addresses so low are never given to a service that
does not ask for one, see https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/"""
PODS = "10.244.0.0/16"

_ENTER = ("nsenter", f"--net=/run/netns/{NAMESPACE}")


def inside(*command: str) -> list[str]:
    """The command line that runs ``command`` in the namespace, other namespaces being shared."""
    return [*_ENTER, *command]


def up() -> None:
    """Make the namespace, its interfaces and routes; what is left of an earlier one goes first."""
    down()
    _run("ip", "netns", "add", NAMESPACE)
    _run(
        "ip", "link", "add", "podlift0", "type", "veth", "peer", "name", "eth0", "netns", NAMESPACE
    )
    _run("ip", "addr", "add", f"{HOST}/30", "dev", "podlift0")
    _run("ip", "link", "set", "podlift0", "up")
    for command in (
        "ip link set lo up",
        f"ip addr add {SERVICE}/32 dev lo",
        f"ip addr add {NAMES}/32 dev lo",
        f"ip addr add {NODE}/30 dev eth0",
        "ip link set eth0 up",
        f"ip route add default via {HOST}",
        "sysctl -q -w net.ipv4.ip_forward=1",
        "sysctl -q -w net.bridge.bridge-nf-call-iptables=1",
    ):
        _run(*inside(*command.split()))
    _run("ip", "route", "replace", PODS, "via", NODE)


def down() -> None:
    """Remove the namespace, if there is one; its interfaces and routes go with it."""
    if Path(f"/run/netns/{NAMESPACE}").exists():
        _run("ip", "netns", "del", NAMESPACE)
    subprocess.run(["ip", "link", "del", "podlift0"], capture_output=True, check=False)


def write_cni(folder: Path) -> None:
    """Write the configuration by which containerd gives each pod an address."""
    folder.mkdir(parents=True, exist_ok=True)
    bridge = {
        "type": "bridge",
        "bridge": "pods0",
        "isGateway": True,
        "hairpinMode": True,
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": PODS}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": str(folder.parent / "cni-addresses"),
        },
    }
    config = {"cniVersion": "0.4.0", "name": "podlift", "plugins": [bridge, {"type": "loopback"}]}
    (folder / "10-podlift.conflist").write_text(json.dumps(config))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RealClusterError(
            f"`{' '.join(command)}` failed: {done.stderr.strip()}. The node needs root, iproute2 "
            "and a kernel with network namespaces."
        )
