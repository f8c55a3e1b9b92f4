"""Services on the node: kube-proxy gives them their addresses, CoreDNS their names.

Both run in the node's namespace, as the kubelet does, and not in pods. Nothing enforces network
policies: the CNI plugins of the distribution do not know them.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import yaml
from tests.real import processes
from tests.real.network import NAMES, NODE, PODS
from tests.real.paths import KUBECONFIG, RUN

PROXY = "kube-proxy"
DNS = "coredns"
DOMAIN = "cluster.local"

_PROXY_HEALTH = f"{NODE}:10256"
_DNS_HEALTH = f"{NODE}:8181"


def start(programs: Path, coredns: Path) -> None:
    """Start both; they come up while the kubelet does. ``programs`` holds kube-proxy."""
    settings = RUN / "proxy.yaml"
    settings.write_text(yaml.safe_dump(_proxy()))
    processes.start(PROXY, [str(programs / "kube-proxy"), f"--config={settings}"])
    corefile = RUN / "Corefile"
    corefile.write_text(_corefile())
    processes.start(DNS, [str(coredns / "coredns"), f"-conf={corefile}"])


def addresses_are_known() -> bool:
    """kube-proxy has written its rules once, and is not behind since."""
    return _is_well(f"http://{_PROXY_HEALTH}/healthz")


def names_are_known() -> bool:
    """CoreDNS has read the services."""
    return _is_well(f"http://{_DNS_HEALTH}/ready")


def _proxy() -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(RUN / f"{PROXY}.kubeconfig")},
        "mode": "iptables",  # nftables came with 1.29 as alpha only
        "clusterCIDR": PODS,
        "hostnameOverride": "node",
        "healthzBindAddress": _PROXY_HEALTH,
        "metricsBindAddress": "127.0.0.1:10249",
        # The kernel's table of connections is the whole machine's: it stays as it is.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    }


def _corefile() -> str:
    """Names of the cluster and no others: the node reaches nothing beyond this machine."""
    return f"""{DOMAIN} {{
    bind {NAMES}
    errors
    ready {_DNS_HEALTH}
    kubernetes {{
        kubeconfig {KUBECONFIG}
    }}
}}
"""


def _is_well(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
