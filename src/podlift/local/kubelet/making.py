"""Making runs of containers: from the pod's objects and volumes to something that can start."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from podlift.local.kinds import CONFIGMAP, NODE, SECRET
from podlift.local.kubelet.containers import ContainerRun
from podlift.local.kubelet.contract import KubeletOptions, Obj
from podlift.local.kubelet.environment import Surroundings
from podlift.local.kubelet.launching import prepare
from podlift.local.kubelet.logs import LogWriter
from podlift.local.kubelet.memory import MemoryLimits
from podlift.local.kubelet.places import (
    container_folder,
    credentials_folder,
    message_file,
    pod_folder,
)
from podlift.local.kubelet.processes import Processes
from podlift.local.kubelet.sandbox import Sandbox
from podlift.local.kubelet.volumes import Sources, set_up
from podlift.local.store import Store


@dataclass(frozen=True, slots=True)
class Means:
    """What all pods of a kubelet share."""

    store: Store
    options: KubeletOptions
    processes: Processes
    limits: MemoryLimits
    sandbox: Sandbox | None
    inherited: dict[str, str]


class Maker:
    """Makes the volumes of one pod and the runs of its containers."""

    def __init__(self, means: Means, pod: Obj) -> None:
        self._means = means
        self._namespace = pod["metadata"]["namespace"]
        self._folder = pod_folder(means.options.home, pod["metadata"]["uid"])
        self._volumes: dict[str, Path] | None = None

    def set_up_volumes(self, pod: Obj) -> None:
        """Raises :class:`~podlift.local.kubelet.volumes.VolumeError`, and may be tried again.

        Without a mount namespace nothing can be shown to a container, and what can be run
        without it has been admitted.
        """
        if self._means.sandbox is not None:
            self._volumes = set_up(pod, self._folder / "volumes", self._sources())

    def make(self, pod: Obj, container: Obj, number: int) -> ContainerRun:
        """The run *number* of a container, not started yet.

        Raises :class:`~podlift.local.kubelet.launching.CannotCreate`.
        """
        folder = container_folder(self._folder, container["name"])
        folder.mkdir(parents=True, exist_ok=True)
        work = self._folder / "work"
        work.mkdir(exist_ok=True)
        container_id = secrets.token_hex(32)
        launch = prepare(
            pod,
            container,
            container_id=container_id,
            around=self._surroundings(),
            volumes=self._volumes,
            message_file=message_file(folder, number, container_id),
            work=work,
        )
        means = self._means
        return ContainerRun(
            launch,
            LogWriter(folder, number),
            processes=means.processes,
            limits=means.limits,
            sandbox=means.sandbox,
        )

    def _secret(self, name: str) -> Obj | None:
        return self._means.store.find(SECRET, self._namespace, name)

    def _config_map(self, name: str) -> Obj | None:
        return self._means.store.find(CONFIGMAP, self._namespace, name)

    def _surroundings(self) -> Surroundings:
        means = self._means
        return Surroundings(
            self._secret,
            self._config_map,
            self._allocatable(),
            means.options.service,
            means.inherited,
        )

    def _sources(self) -> Sources:
        options, namespace = self._means.options, self._namespace
        return Sources(
            self._secret,
            self._config_map,
            claim_folder=lambda name: options.claims / namespace / name,
            credentials=credentials_folder(options.home) / namespace,
            token=lambda account: options.issue_token(namespace, account),
            ca_certificate=options.ca_certificate,
            allocatable=self._allocatable(),
        )

    def _allocatable(self) -> dict[str, str]:
        node = self._means.store.find(NODE, None, self._means.options.node_name)
        return dict(((node or {}).get("status") or {}).get("allocatable") or {})
