"""``KubernetesHook``: from an Airflow connection to a Kubernetes cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

if TYPE_CHECKING:
    from podlift.kube import Connection


class KubernetesHook(BaseHook):
    """Reaches the cluster of an Airflow connection of type ``kubernetes``.

    Arguments win over what the connection says, which wins over what is found around the process:
    the service account of the pod it runs in, or a kubeconfig.

    :param conn_id: id of the connection. The default one need not exist.
    :param in_cluster: whether to use the service account of the pod that this runs in.
    :param config_file: path of a kubeconfig.
    :param cluster_context: context of the kubeconfig.
    """

    conn_name_attr = "kubernetes_conn_id"
    default_conn_name = "kubernetes_default"
    conn_type = "kubernetes"
    hook_name = "Kubernetes Cluster Connection (Podlift)"

    def __init__(
        self,
        conn_id: str | None = default_conn_name,
        *,
        in_cluster: bool | None = None,
        config_file: str | None = None,
        cluster_context: str | None = None,
    ) -> None:
        super().__init__()
        self.conn_id = conn_id
        self.in_cluster = in_cluster
        self.config_file = config_file
        self.cluster_context = cluster_context

    async def load_connection(self) -> Connection:
        """How to reach the cluster; no request is made. Raises ``ConfigurationError``."""
        from podlift.kube import load_connection

        extra = self._extra()
        return await load_connection(
            self.config_file or extra.get("kube_config_path"),
            self.cluster_context or extra.get("cluster_context"),
            extra.get("in_cluster") if self.in_cluster is None else self.in_cluster,
        )

    def namespace(self) -> str | None:
        """The namespace that the Airflow connection names."""
        return self._extra().get("namespace")

    def xcom_sidecar(self) -> dict[str, Any]:
        """What the Airflow connection says of the container that hands results over."""
        extra = self._extra()
        known = ("image", "resources", "security_context")
        found = {each: extra.get(f"xcom_sidecar_container_{each}") for each in known}
        return {name: value for name, value in found.items() if value}

    def _extra(self) -> dict[str, Any]:
        if not self.conn_id:
            return {}
        try:
            extra: dict[str, Any] = self.get_connection(self.conn_id).extra_dejson
        except AirflowNotFoundException:
            if self.conn_id != self.default_conn_name:
                raise
            return {}
        return {key.removeprefix("extra__kubernetes__"): value for key, value in extra.items()}
