"""``airflow podlift render``: the pod that a task would get."""

from __future__ import annotations

import asyncio
import copy
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from podlift.commands.explaining.records import Key
from podlift.commands.printing import as_json, say
from podlift.commands.provenance import Layers, Path, annotated, base_name
from podlift.commands.running import settings_for, with_cluster
from podlift.commands.workloads import workload_for
from podlift.executor.blueprints import Blueprints, Deployment
from podlift.executor.deployment import deployment_of
from podlift.executor.execution import execution_for
from podlift.executor.seals import Seals
from podlift.executor.templates import TemplateFiles
from podlift.executor.workloads import facts_of
from podlift.kube.client import Client
from podlift.kube.resources import PODS
from podlift.pods.building import BASE, BuiltPod
from podlift.pods.plain import Manifest, to_manifest
from podlift.sealing import WORKLOAD_VARIABLE, new_key
from podlift.settings import Settings

if TYPE_CHECKING:
    from podlift.executor.workloads import Workload

_HIDDEN = "(the task's workload, sealed)"
_NO_TOKEN = ""


class _KeyForNothing(Seals):
    """Seals what nobody is going to open, without asking the cluster for its key."""

    def __init__(self, secret_name: str) -> None:
        super().__init__(None, secret_name)  # type: ignore[arg-type]

    async def key(self, namespace: str) -> str:
        return new_key()


@dataclass(frozen=True)
class Rendered:
    """The pod, and what it was made from."""

    built: BuiltPod
    layers: Layers
    template_path: str


def render(args: Namespace) -> None:
    """Print the pod's manifest; with ``--server-dry-run``, let the API server judge it first."""
    settings = settings_for(args.team)
    key = Key(args.dag_id, args.task_id, args.run_id or "", args.map_index)
    rendered = asyncio.run(rendered_pod(settings, workload_for(key), args.team))
    for note in rendered.built.notes:
        say(note)
    if args.server_dry_run:
        with_cluster(settings, lambda client: dry_run(client, rendered.built))
        say("The API server would take this pod.")
    shown = without_secrets(rendered.built.manifest)
    if args.output == "json":
        print(as_json(shown, indent=2))
        return
    origin = rendered.template_path or "the built-in template"
    print(f"# From {origin}, unless a remark names another source.")
    print(annotated(shown, rendered.layers.source_of), end="")


async def rendered_pod(settings: Settings, workload: Workload, team: str | None) -> Rendered:
    """What the executor would create for this workload. Raises ``PodError``, ``TemplateError``."""
    deployment = deployment_for(settings, team)
    execution = execution_for(1, workload, settings.namespace, deployment.team)
    built = await Blueprints(deployment, _KeyForNothing(settings.seal_secret_name)).build(execution)
    config = facts_of(workload).config
    named = config.get("pod_template_file") or settings.pod_template_file
    path = str(deployment.home / named) if named else ""
    template = copy.deepcopy(await TemplateFiles().load(path or None))
    layers = Layers(
        template=_with_base(template),
        override=_override(config),
        options=_options(settings, template, deployment),
    )
    return Rendered(built, layers, path)


def deployment_for(settings: Settings, team: str | None) -> Deployment:
    """What pods have in common, for pods that never do anything with a token."""
    return deployment_of(settings, "rendered", team, lambda *_: _NO_TOKEN)


async def dry_run(client: Client, built: BuiltPod) -> Manifest:
    """Have the server check the pod, and keep nothing. Raises ``KubeError`` with its words."""
    return await client.create(PODS, built.manifest, built.namespace, dry_run=True)


def without_secrets(manifest: Manifest) -> Manifest:
    """The manifest with the sealed workload replaced by words."""
    shown = copy.deepcopy(manifest)
    for container in shown["spec"]["containers"]:
        kept = []
        for variable in container.get("env") or ():
            if variable["name"] == WORKLOAD_VARIABLE:
                variable["value"] = _HIDDEN
            if not variable["name"].startswith(f"{WORKLOAD_VARIABLE}_"):
                kept.append(variable)
        if kept:
            container["env"] = kept
    return shown


def _override(config: Mapping[str, Any]) -> Manifest:
    override = config.get("pod_override")
    return {} if override is None else to_manifest(override)


def _with_base(template: Manifest) -> Manifest:
    """The template with the container called ``base`` that Podlift takes for it."""
    name = base_name(template)
    for container in (template.get("spec") or {}).get("containers") or ():
        if container.get("name") == name:
            container["name"] = BASE
    return template


def _options(settings: Settings, template: Manifest, deployment: Deployment) -> dict[Path, str]:
    containers = (template.get("spec") or {}).get("containers") or [{}]
    base = ("spec", "containers", f"name={BASE}")
    api = (*base, "env", "name=AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "value")
    options: dict[Path, str] = {}
    if not (template.get("metadata") or {}).get("namespace"):
        options["metadata", "namespace"] = "namespace"
    if settings.worker_container_repository:
        options[*base, "image"] = "worker_container_repository"
    elif not containers[0].get("image"):
        options[*base, "image"] = "worker_container_repository (not set)"
    if settings.execution_api_server_url:
        options[api] = "execution_api_server_url"
    key = (*base, "env", "name=PODLIFT_SEAL_KEY", "valueFrom", "secretKeyRef", "name")
    options[key] = "seal_secret_name"
    return options
