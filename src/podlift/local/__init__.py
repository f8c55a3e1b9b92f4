"""The local cluster: a Kubernetes API server and a kubelet that runs containers as processes."""
