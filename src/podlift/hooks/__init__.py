"""Hooks: how a task reaches a cluster that an Airflow connection names."""
