"""Talks to a Kubernetes API server: connection, verbs, watch, logs, exec and attach, errors."""
