"""Another pod for what the infrastructure took away, or what ran out of memory. Pure."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass

from podlift.pods.causes import Cause
from podlift.pods.labels import LAUNCH, identity_of
from podlift.pods.memory import give_more, grown
from podlift.pods.plain import Manifest
from podlift.pods.reading import Pod, read_pod
from podlift.runs.options import RunOptions
from podlift.runs.outcome import Outcome


@dataclass(frozen=True)
class Launch:
    """One of the pods of a run. The first has number 1, one of an earlier try 0."""

    first: Manifest
    options: RunOptions
    number: int = 1
    replaced: int = 0
    grown: int = 0

    @property
    def manifest(self) -> Manifest:
        """The pod of this launch: the first one's, with a name and perhaps memory of its own."""
        if self.number <= 1:
            return self.first
        manifest = copy.deepcopy(self.first)
        metadata = manifest["metadata"]
        # A name that ends with the launch number was made by us; another is to be kept exactly.
        metadata["name"] = re.sub(r"-1$", f"-{self.number}", metadata["name"])
        metadata["annotations"][LAUNCH] = str(self.number)
        if self.grown:
            options = self.options
            give_more(
                _base(manifest, options), options.memory_factor, options.memory_ceiling, self.grown
            )
        return manifest

    def at(self, pod: Pod) -> Launch:
        """The launch that a pod belongs to which was found: of this try, or before its first."""
        found, own = identity_of(pod), identity_of(read_pod(self.first))
        of_this_try = found is not None and own is not None and found.ti_id == own.ti_id
        number = found.launch if found is not None and of_this_try else 0
        return Launch(self.first, self.options, number)

    def after(self, outcome: Outcome) -> Launch | None:
        """The launch that follows this one's end; None if that end is the run's."""
        if outcome.succeeded or not outcome.ended or outcome.diagnosis is None:
            return None
        retries, cause = self.options.infrastructure_retries, outcome.diagnosis.cause
        # Who ends a task does that in Airflow; a pod that was deleted by hand is meant to run.
        if outcome.diagnosis.infrastructure or cause is Cause.DELETED:
            return self._next(replaced=self.replaced + 1) if self.replaced < retries else None
        if cause is Cause.OUT_OF_MEMORY and self.grown < retries and self._can_grow(outcome):
            return self._next(grown=self.grown + 1)
        return None

    def _next(self, *, replaced: int | None = None, grown: int | None = None) -> Launch:
        return Launch(
            self.first,
            self.options,
            self.number + 1,
            self.replaced if replaced is None else replaced,
            self.grown if grown is None else grown,
        )

    def _can_grow(self, outcome: Outcome) -> bool:
        options = self.options
        if outcome.memory is None or options.memory_factor <= 1:
            return False
        return grown(outcome.memory, options.memory_factor, options.memory_ceiling) > outcome.memory


def _base(manifest: Manifest, options: RunOptions) -> Manifest:
    containers: list[Manifest] = manifest["spec"]["containers"]
    return next(each for each in containers if each["name"] == options.base)
