"""Chaos: real executors, a real Airflow database and a cluster, with everything going wrong.

``python -m tests.chaos`` plays runs with fixed seeds and judges them; ``docs/chaos.md`` says how.
"""
