"""An object that makes pods, a Job say, from its creation to its end: plain data about it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from podlift.kube import Resource
from podlift.pods.plain import Manifest
from podlift.runs.judging import Judgement
from podlift.runs.options import OnKill, RunOptions


class Propagation(StrEnum):
    """What becomes of the pods when their object is deleted.

    https://kubernetes.io/docs/concepts/architecture/garbage-collection/#cascading-deletion
    """

    FOREGROUND = "Foreground"
    """They go first, then the object."""
    BACKGROUND = "Background"
    """The object goes at once, its pods afterwards."""
    ORPHAN = "Orphan"
    """They stay."""


class ObjectOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How an object is run. Times are in seconds."""

    judgement: Judgement
    pods: str = ""
    """Label selector of its pods, ``{name}`` and ``{uid}`` filled in; empty for none to be seen."""
    of_pods: RunOptions = RunOptions()
    patience: float = 120.0
    """For how long a server that is busy is asked again to create the object."""
    durable: bool = True
    """Whether the object of an earlier try, whose worker died, is gone on with."""
    on_kill: OnKill = OnKill.DELETE_POD
    propagation: Propagation = Propagation.FOREGROUND
    delete_finished: bool = False
    """Whether the object is deleted when its work has ended."""


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """One very object of the cluster."""

    api_version: str
    kind: str
    plural: str
    namespace: str
    name: str
    uid: str

    @property
    def resource(self) -> Resource:
        return Resource(self.api_version, self.kind, self.plural)

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"

    def selector(self, template: str) -> str:
        """A label selector with this object's name and UID in it."""
        return template.replace("{name}", self.name).replace("{uid}", self.uid)


def reference_to(manifest: Manifest, resource: Resource) -> Reference:
    """What names this object, as the server has it."""
    metadata = manifest["metadata"]
    return Reference(
        api_version=resource.api_version,
        kind=resource.kind,
        plural=resource.plural,
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
    )


class ObjectOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How the work of an object has ended."""

    of: Reference
    sentence: str = ""
    """What went wrong, with what its pods say of it; empty for success."""
    exit_codes: tuple[int, ...] = ()
    """Those other than 0 with which the base containers of its pods ended."""
    object: dict[str, Any] | None = None
    """The object as last seen; None where it is gone."""

    @property
    def succeeded(self) -> bool:
        return not self.sentence
