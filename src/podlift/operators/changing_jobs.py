"""Tasks that delete a Job, or change one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from podlift.operators.cluster_task import ClusterTask
from podlift.operators.errors import ResourceFailed
from podlift.operators.parameters import plain

if TYPE_CHECKING:
    from airflow.sdk import Context

    from podlift.kube import Client

_PATIENCE = 60.0
"""Seconds for which a server that is busy or away is asked again."""


class KubernetesDeleteJobOperator(ClusterTask):
    """Delete a Job and its pods. One that is not there is no failure.

    :param name: the Job's name. (templated)
    :param delete_on_status: ``Complete`` or ``Failed``, to delete only a Job that has ended so;
        default is any.
    :param wait_for_completion: whether to wait for the end of its work first.
    :param propagation_policy: ``Foreground``, ``Background`` or ``Orphan`` (its pods stay).

    ``poll_interval`` is taken and changes nothing: nothing is polled.
    """

    template_fields: Sequence[str] = (*ClusterTask.template_fields, "name")

    def __init__(
        self,
        *,
        name: str,
        delete_on_status: Literal["Complete", "Failed"] | None = None,
        wait_for_completion: bool = False,
        propagation_policy: Literal["Foreground", "Background", "Orphan"] = "Background",
        poll_interval: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if delete_on_status not in ("Complete", "Failed", None):
            raise ValueError(
                f"delete_on_status is {delete_on_status!r}, but must be Complete, Failed or None."
            )
        self.name = name
        self.delete_on_status = delete_on_status
        self.wait_for_completion = wait_for_completion
        self.propagation_policy = propagation_policy
        self.without_effect = [] if poll_interval is None else ["poll_interval"]
        """Parameters that were given and change nothing; the task's log says so."""

    def execute(self, context: Context) -> None:
        """Delete the Job. Raises ``ResourceFailed``."""
        for parameter in self.without_effect:
            self.log.info("%s has no effect: nothing is polled.", parameter)
        self.log.info("%s", self.do_in_cluster(self._delete, ResourceFailed))

    async def _delete(self, client: Client, namespace: str) -> str:
        from podlift.kube import JOBS, NotFound
        from podlift.kube.pacing import repeated
        from podlift.runs.judging import verdict_of
        from podlift.runs.kinds import JOB
        from podlift.runs.object_run import ObjectRun
        from podlift.runs.objects import ObjectOptions, reference_to

        what = f"Job {namespace}/{self.name}"
        try:
            job = await repeated(lambda: client.get(JOBS, self.name, namespace), _PATIENCE)
            if self.wait_for_completion:
                run = ObjectRun(client, ObjectOptions(judgement=JOB))
                found = (await run.see_to_its_end(reference_to(job, JOBS))).object
                if found is None:
                    return f"{what} is not there."
                job = found
            verdict = verdict_of(job, JOB)
            ended = None if verdict is None else ("Complete" if verdict.succeeded else "Failed")
            if self.delete_on_status not in (None, ended):
                return f"{what} stays: its status is {ended or 'that it still runs'}."
            uid, policy = job["metadata"]["uid"], self.propagation_policy
            await repeated(
                lambda: client.delete(
                    JOBS, self.name, namespace, uid=uid, propagation_policy=policy
                ),
                _PATIENCE,
            )
        except NotFound:
            return f"{what} is not there."
        return f"Deleted {what}."


class KubernetesPatchJobOperator(ClusterTask):
    """Change a Job: resume it, for example, with ``{"spec": {"suspend": False}}``.

    :param name: the Job's name. (templated)
    :param body: what is to be changed, as a dict of the shape of a Job, or ``V1Job``. (templated)
    """

    template_fields: Sequence[str] = (*ClusterTask.template_fields, "name", "body")

    def __init__(self, *, name: str, body: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.body = plain(body)

    def execute(self, context: Context) -> dict[str, Any]:
        """Change the Job; returns it as it is then. Raises ``ResourceFailed``."""
        return self.do_in_cluster(self._patch, ResourceFailed)

    async def _patch(self, client: Client, namespace: str) -> dict[str, Any]:
        from podlift.kube import JOBS
        from podlift.kube.pacing import repeated

        job = await repeated(lambda: client.patch(JOBS, self.name, namespace, self.body), _PATIENCE)
        self.log.info("Changed Job %s/%s.", namespace, self.name)
        return job
