"""The kubelet: runs the pods that are bound to the local cluster's one node, as processes."""

from podlift.local.kubelet.kubelet import Kubelet

__all__ = ["Kubelet"]
