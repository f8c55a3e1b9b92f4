"""Operators that run container images as Airflow tasks."""

from podlift.operators.pod import KubernetesPodOperator

__all__ = ["KubernetesPodOperator"]
