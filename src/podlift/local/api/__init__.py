"""The Kubernetes API over HTTPS: what a request means, what it may do, and the answer."""
