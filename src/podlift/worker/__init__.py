"""What runs inside a task's pod: unseal the workload, run it, tell the truth by exit code.

``python -m podlift.worker`` is the whole interface. It imports Airflow as late as it can, because
starting up is what a task waits for.
"""
