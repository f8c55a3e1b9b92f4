"""Services of the real node: reached by address and by name, from other pods and from their own."""

from __future__ import annotations

import time
from typing import Any

import pytest

pytestmark = [
    pytest.mark.functional,
    pytest.mark.real_only("the local cluster has neither services nor names"),
]

_SERVE = "mkdir /tmp/w; echo served > /tmp/w/index.html; exec httpd -f -p 8080 -h /tmp/w"
# Not wget: that of Debian's static busybox ends with a segmentation fault.
_ASK = "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {host} 8080 | tail -1"


def _pod(name: str, command: str) -> dict[str, Any]:
    container = {"name": "base", "image": "busybox:1.36", "command": ["sh", "-c", command]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"name": name}},
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }


def _wait(cluster: Any, path: str, phase: str) -> None:
    end = time.monotonic() + 60
    while (answer := cluster.request("GET", path)[1])["status"]["phase"] != phase:
        assert time.monotonic() < end, answer["status"]
        time.sleep(0.1)


def test_a_service_is_reached_by_name_and_by_address(cluster: Any, namespace: str) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    asked = "\n".join(
        f"until {_ASK.format(host=host)} | grep served; do sleep 0.2; done"
        for host in ("web", f"web.{namespace}.svc.cluster.local", "$WEB_SERVICE_HOST")
    )
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"name": "web"}, "ports": [{"port": 8080}]},
    }
    status, answer = cluster.request("POST", f"/api/v1/namespaces/{namespace}/services", service)
    assert status == 201, answer
    # The server asks itself first: a packet that comes back to where it was sent from.
    own = f"({_SERVE}) & {asked}\ntouch /tmp/asked; wait"
    for name, command in (("web", own), ("asking", asked)):
        status, answer = cluster.request("POST", pods, _pod(name, command))
        assert status == 201, answer
    _wait(cluster, f"{pods}/asking", "Succeeded")
    end = time.monotonic() + 30
    for name in ("asking", "web"):
        while (said := cluster.request("GET", f"{pods}/{name}/log")[1]).count("served") < 3:
            assert time.monotonic() < end, said
            time.sleep(0.1)
