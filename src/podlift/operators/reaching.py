"""How an operator's parameters lead to a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podlift.hooks.kubernetes import KubernetesHook

DEFAULT_CONNECTION = "kubernetes_default"


class ReachesCluster:
    """For operators with the parameters below: the way to the cluster that they name."""

    kubernetes_conn_id: str | None
    in_cluster: bool | None
    config_file: str | None
    cluster_context: str | None

    def hook(self) -> KubernetesHook:
        """The way to the cluster that the parameters name."""
        from podlift.hooks.kubernetes import KubernetesHook

        return KubernetesHook(
            self.kubernetes_conn_id,
            in_cluster=self.in_cluster,
            config_file=self.config_file,
            cluster_context=self.cluster_context,
        )
