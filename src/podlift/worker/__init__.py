"""What runs inside a task's pod: unseal the workload, run it, tell the truth by exit code."""
