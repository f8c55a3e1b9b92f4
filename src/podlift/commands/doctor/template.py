"""The pod template: whether a task's pod can be made from it, and what the server says of that."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from airflow.executors.workloads import ExecuteTask, TaskInstanceDTO
from airflow.executors.workloads.base import BundleInfo

from podlift.commands.doctor.checks import Check, bad, doubtful, good, skipped
from podlift.commands.doctor.server import judge_clock
from podlift.commands.rendering import Rendered, dry_run, rendered_pod
from podlift.executor.errors import TemplateError
from podlift.kube.client import Client
from podlift.kube.errors import ApiError
from podlift.pods.errors import PodError
from podlift.settings import Settings

WHAT = "pod template"


async def render_sample(settings: Settings, team: str | None) -> Rendered | Check:
    """The pod of a task that does not exist, or what keeps it from being made."""
    try:
        return await rendered_pod(settings, _sample(), team)
    except (PodError, TemplateError) as error:
        remedy = "Correct the file; `airflow podlift render` shows what comes of it."
        return bad(WHAT, f"No pod can be made: {error}", remedy)


async def check_template(client: Client, rendered: Rendered) -> list[Check]:
    """Have the server judge the pod. Raises ``KubeError`` when it cannot be asked."""
    where = rendered.template_path or "The built-in template"
    checks = [doubtful(WHAT, note) for note in rendered.built.notes]
    before = datetime.now(UTC)
    try:
        answer = await dry_run(client, rendered.built)
    except ApiError as error:
        checks.append(
            bad(WHAT, f"{where}: the API server refuses the pod: {error}", _remedy(error))
        )
        return [*checks, skipped("clock", "The server's time is in its answer to that pod.")]
    checks.append(good(WHAT, f"{where}: the API server would take the pod."))
    created = str(answer["metadata"]["creationTimestamp"])
    return [*checks, judge_clock(created, before, datetime.now(UTC))]


def check_path(rendered: Rendered) -> Iterator[Check]:
    """Whether the image is one that somebody chose."""
    base = rendered.built.manifest["spec"]["containers"]
    image = next(each for each in base if each["name"] == "base").get("image", "")
    if image.startswith("apache/airflow:"):
        yield doubtful(
            "image",
            f"Tasks run in {image}, which has no Podlift in it.",
            "Build an image with Podlift and your DAGs, and name it in the pod template.",
        )
    else:
        yield good("image", f"Tasks run in {image}.")


def _remedy(error: ApiError) -> str:
    if error.status == 403:
        return "Check the executor's role, quotas and the admission rules of the namespace."
    return "Correct the template; the API server names the field."


def _sample() -> ExecuteTask:
    ti = TaskInstanceDTO(
        id=uuid.uuid4(),
        dag_version_id=uuid.uuid4(),
        dag_id="podlift",
        task_id="doctor",
        run_id="doctor",
        try_number=1,
        map_index=-1,
        pool_slots=1,
        queue="default",
        priority_weight=1,
    )
    return ExecuteTask(
        ti=ti,
        dag_rel_path=Path("podlift.py"),
        token="",
        log_path=None,
        bundle_info=BundleInfo(name="podlift"),
    )
