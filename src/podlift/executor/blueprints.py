"""From a task's workload to the pod that will run it."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from podlift.compat import has_pod_mutation_hook, mutate_pod
from podlift.executor.errors import TemplateError
from podlift.executor.execution import MEMORY, Execution
from podlift.executor.seals import Seals
from podlift.executor.templates import TemplateFiles
from podlift.executor.workloads import facts_of
from podlift.exit_codes import MEMORY_GROWS
from podlift.kube.errors import KubeError
from podlift.pods.building import BASE, BuiltPod, Groundwork, lay_ground
from podlift.pods.checking import check_pod
from podlift.pods.labels import BUNDLE_VERSION
from podlift.pods.memory import give_more
from podlift.pods.plain import Manifest
from podlift.sealing import SealError, seal, to_variables
from podlift.settings import Settings

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from podlift.executor.workloads import Workload

WORKER = ("python", "-m", "podlift.worker")
DEFAULT_REPOSITORY = "apache/airflow"
API_VARIABLE = "AIRFLOW__CORE__EXECUTION_API_SERVER_URL"


Mint: TypeAlias = "Callable[[Workload, str, bool], str]"
"""Makes a token for a workload and its id, valid for as long as the pod may pend from now; at the
last argument's wish another one than the workload came with."""


@dataclass(frozen=True)
class Deployment:
    """What every pod of this executor has in common."""

    settings: Settings
    executor_id: str
    api_url: str
    airflow_version: str
    home: Path = Path()
    """Airflow's home folder, below which relative paths of templates are looked for."""
    team: str = ""
    """Name of the team that the executor serves, where Airflow knows several."""
    queued_timeout: float = 600.0
    """``[scheduler] task_queued_timeout``: seconds after which Airflow takes a task back."""
    mint: Mint = field(kw_only=True, repr=False)


class _Ground(NamedTuple):
    template: Manifest
    groundwork: Groundwork


class Blueprints:
    """Builds pods. The template is read from disk, and the seal's key from the cluster, once; what
    all pods of a template have in common is put together once, too."""

    def __init__(self, deployment: Deployment, seals: Seals) -> None:
        self._deployment = deployment
        self._seals = seals
        self._files = TemplateFiles()
        self._grounds: dict[str | None, _Ground] = {}

    async def build(self, execution: Execution) -> BuiltPod:
        """The pod for the execution's current launch.

        Raises ``InvalidManifest`` and ``TemplateError`` for what can never become a pod, and
        ``KubeError`` and ``SealError`` when the key cannot be had.
        """
        assert execution.workload is not None
        facts = facts_of(execution.workload)
        config = facts.config
        path = config.get("pod_template_file") or self._deployment.settings.pod_template_file
        path = os.path.join(self._deployment.home, path) if path else None
        groundwork = await self._groundwork(path)
        built = groundwork.build(
            execution.name_pod(),
            execution.identity(self._deployment.executor_id),
            config.get("pod_override"),
            _trace(facts.trace),
        )
        if self._has_hook:
            built = await asyncio.to_thread(_mutate, built)
        if self._out_of_sight(built.namespace):
            raise TemplateError(
                f"The pod would be in namespace {built.namespace}, which is not watched: set "
                "multi_namespace_mode, and name it in multi_namespace_mode_namespace_list."
            )
        key = await self._seals.key(built.namespace)
        base = _base(built.manifest)
        sealed = to_variables(seal(self._workload(execution), key))
        base["env"] += [{"name": name, "value": value} for name, value in sealed.items()]
        annotations = built.manifest["metadata"]["annotations"]
        annotations.update(execution.annotations())
        if facts.bundle_version:
            annotations[BUNDLE_VERSION] = facts.bundle_version
        if execution.record.grown:
            settings = self._deployment.settings
            annotations[MEMORY] = give_more(
                base,
                settings.out_of_memory_factor,
                settings.out_of_memory_ceiling,
                execution.record.grown,
            )
        return built

    @cached_property
    def _has_hook(self) -> bool:
        return has_pod_mutation_hook()

    def forget_key(self, namespace: str) -> None:
        """Read the seal's key anew before the next pod: a worker could not use the one we know."""
        self._seals.forget(namespace)

    async def restore_key(self, namespace: str) -> None:
        """Bring back a Secret that a pod waits for, because somebody deleted it."""
        try:
            await self._seals.restore(namespace)
        except (KubeError, SealError) as error:
            logger.warning("The key for the pods of namespace %s: %s", namespace, error)

    def _workload(self, execution: Execution) -> bytes:
        """As JSON, without the task's executor_config.

        A pod that takes the place of another one gets another token.
        """
        workload, record = execution.workload, execution.record
        assert workload is not None  # it is rebuilt before another pod of an adopted one is made
        anew = record.replaced > 0 or record.grown > 0
        token = self._deployment.mint(workload, execution.ti_id, anew)
        if token != workload.token:
            workload = workload.model_copy(update={"token": token})
        return workload.model_dump_json().encode("utf-8")

    async def _groundwork(self, path: str | None) -> Groundwork:
        template = await self._files.load(path)
        known = self._grounds.get(path)
        if known is None or known.template is not template:  # the file has changed
            known = self._grounds[path] = _Ground(template, self._lay_ground(template))
        return known.groundwork

    def _lay_ground(self, template: Manifest) -> Groundwork:
        return lay_ground(
            namespace=self._deployment.settings.namespace,
            template=template,
            image=self._image(template),
            command=() if _base(template).get("args") else WORKER,
            env=self._environment(template),
        )

    def _image(self, template: Manifest) -> str | None:
        settings = self._deployment.settings
        repository = settings.worker_container_repository
        if not repository and _base(template).get("image"):
            return None
        tag = settings.worker_container_tag or self._deployment.airflow_version
        return f"{repository or DEFAULT_REPOSITORY}:{tag}"

    def _environment(self, template: Manifest) -> list[Manifest]:
        environment: list[Manifest] = [self._seals.variable()]
        given = {variable.get("name") for variable in _base(template).get("env") or ()}
        if self._deployment.settings.execution_api_server_url or API_VARIABLE not in given:
            environment.append({"name": API_VARIABLE, "value": self._deployment.api_url})
        if self._deployment.settings.out_of_memory_factor > 1:
            environment.append({"name": MEMORY_GROWS, "value": "1"})
        return environment

    def _out_of_sight(self, namespace: str) -> bool:
        watched = self._deployment.settings.namespaces
        return watched is not None and namespace not in watched


def _trace(carrier: Mapping[str, str]) -> list[Manifest]:
    """The task's trace for programs that it starts; the task itself has it in its workload.

    https://opentelemetry.io/docs/specs/otel/context/env-carriers/
    """
    names = [name for name in ("traceparent", "tracestate") if carrier.get(name)]
    return [{"name": name.upper(), "value": carrier[name]} for name in names]


def _mutate(built: BuiltPod) -> BuiltPod:
    """Let the deployment's hook change the pod, but not whose it is."""
    own = built.manifest["metadata"]
    changed = mutate_pod(built.manifest)
    metadata = changed.setdefault("metadata", {})
    metadata["name"] = own["name"]
    metadata.setdefault("namespace", own["namespace"])
    for part in ("labels", "annotations"):
        metadata[part] = (metadata.get(part) or {}) | own[part]
    check_pod(changed)
    return replace(built, manifest=changed)


def _base(template: Manifest) -> Manifest:
    containers = (template.get("spec") or {}).get("containers") or [{}]
    return next((each for each in containers if each.get("name") == BASE), containers[0])
