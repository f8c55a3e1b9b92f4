"""The deployment's own policy for pods, applied to those that operators make."""

from __future__ import annotations

from podlift.compat import mutate_pod
from podlift.pods.labels import Identity, annotations_of, labels_of
from podlift.pods.plain import Manifest


def after_policies(pod: Manifest, identity: Identity, component: str = "operator") -> Manifest:
    """The pod as the deployment's ``pod_mutation_hook`` leaves it; without one, the same.

    Its name and place, and the labels and annotations by which it is found, stay as they are.
    Raises ``InvalidManifest`` in a sentence when the hook fails.
    """
    before = dict(pod["metadata"])
    changed = mutate_pod(pod)
    if changed is pod:
        return pod
    metadata = changed.setdefault("metadata", {})
    for field in ("name", "namespace"):
        if field in before:
            metadata[field] = before[field]
    metadata["labels"] = metadata.get("labels", {}) | labels_of(identity, component)
    metadata["annotations"] = metadata.get("annotations", {}) | annotations_of(identity)
    return changed
