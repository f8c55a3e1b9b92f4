"""Connections, variables and configuration out of Kubernetes Secrets."""
