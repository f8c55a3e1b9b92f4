"""The mark by which Kueue knows what belongs into which of its queues.

https://kueue.sigs.k8s.io/docs/tasks/run/plain_pods/
"""

QUEUE = "kueue.x-k8s.io/queue-name"
"""A label of pods, Jobs and other objects. Its value is a LocalQueue in their namespace."""
