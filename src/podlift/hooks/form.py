"""The form in which an Airflow connection of type ``kubernetes`` is filled in.

Airflow asks for it when it reads the metadata of providers, so nothing is imported here.
"""

from __future__ import annotations

from typing import Any


def _field(label: str, kind: str = "string", **more: str) -> dict[str, Any]:
    return {"label": label, "schema": {"type": [kind, "null"], **more}}


CONNECTION_TYPE: dict[str, Any] = {
    "connection-type": "kubernetes",
    "hook-class-name": "podlift.hooks.kubernetes.KubernetesHook",
    "hook-name": "Kubernetes Cluster Connection",
    "conn-fields": {
        "in_cluster": _field("In cluster configuration", "boolean"),
        "kube_config_path": _field("Kube config path"),
        "kube_config": _field("Kube config (JSON)", format="password"),
        "namespace": _field("Namespace"),
        "cluster_context": _field("Cluster context"),
        "disable_verify_ssl": _field("Do not verify the server's certificate", "boolean"),
        "disable_tcp_keepalive": _field("Disable TCP keepalive", "boolean"),
        "xcom_sidecar_container_image": _field("XCom sidecar image"),
        "xcom_sidecar_container_resources": _field("XCom sidecar resources (JSON)"),
        "xcom_sidecar_container_security_context": _field("XCom sidecar security context (JSON)"),
    },
    "ui-field-behaviour": {
        "hidden-fields": ["host", "schema", "login", "password", "port", "extra"],
        "relabeling": {},
    },
}
"""The connection's form, as Airflow's provider metadata describes it (Airflow 3.2 and later)."""
