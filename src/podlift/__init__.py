"""Podlift: Apache Airflow on Kubernetes, a pod for every task."""

__version__ = "0.1.0"
