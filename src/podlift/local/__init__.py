"""The local cluster: a Kubernetes API server and a kubelet that runs containers as processes."""

from podlift.local.cluster import ClusterOptions, LocalCluster
from podlift.local.home import Endpoint

__all__ = ["ClusterOptions", "Endpoint", "LocalCluster"]
