"""Operators that run container images as Airflow tasks."""
