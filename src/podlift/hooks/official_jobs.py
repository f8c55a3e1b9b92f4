"""What DAG authors do with Jobs and Deployments through the clients of the package ``kubernetes``.

All of them wait for the answer. To run a Job as a task, ``KubernetesJobOperator`` is the way.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from podlift.hooks.official import OfficialClients


class OfficialJobs(OfficialClients):
    """Calls about Jobs, and about objects from YAML."""

    def create_job(self, job: Any, **more: Any) -> Any:
        """Create a ``V1Job``, or a dict of its shape, in its own namespace or the connection's;
        ``more`` goes to ``create_namespaced_job``.
        """
        body = self.api_client.sanitize_for_serialization(job)
        namespace = self._namespace((body.get("metadata") or {}).get("namespace"))
        return self.batch_v1_client.create_namespaced_job(namespace, body, **more)

    def get_job(self, job_name: str, namespace: str) -> Any:
        """A ``V1Job``."""
        return self.batch_v1_client.read_namespaced_job(name=job_name, namespace=namespace)

    get_job_status = get_job

    def patch_namespaced_job(self, job_name: str, namespace: str, body: object) -> Any:
        """Change a Job; returns it as it is then."""
        return self.batch_v1_client.patch_namespaced_job(job_name, namespace, body)

    def list_jobs_from_namespace(self, namespace: str) -> Any:
        """A ``V1JobList``."""
        return self.batch_v1_client.list_namespaced_job(namespace)

    def list_jobs_all_namespaces(self) -> Any:
        """A ``V1JobList``; needs the right to list Jobs in the whole cluster."""
        return self.batch_v1_client.list_job_for_all_namespaces()

    def wait_until_job_complete(
        self, job_name: str, namespace: str, job_poll_interval: float = 10
    ) -> Any:
        """The Job when it has ended, well or not; asked for every so many seconds."""
        while not self.is_job_complete(job := self.get_job(job_name, namespace)):
            time.sleep(job_poll_interval)
        return job

    @staticmethod
    def is_job_complete(job: Any) -> bool:
        """Whether the Job has ended, well or not."""
        return bool(_condition(job, "Complete") or _condition(job, "Failed"))

    @staticmethod
    def is_job_successful(job: Any) -> bool:
        """Whether the Job has ended well."""
        return _condition(job, "Complete") is not None

    @staticmethod
    def is_job_failed(job: Any) -> str | bool:
        """The reason why the Job failed; False if it did not."""
        failed = _condition(job, "Failed")
        return False if failed is None else failed.reason or True

    def get_deployment_status(self, name: str, namespace: str = "default", **more: Any) -> Any:
        """A ``V1Deployment``; ``more`` goes to ``read_namespaced_deployment_status``."""
        return self.apps_v1_client.read_namespaced_deployment_status(name, namespace, **more)

    def apply_from_yaml_file(
        self,
        api_client: Any = None,
        yaml_file: str | None = None,
        yaml_objects: Sequence[dict[str, Any]] | None = None,
        verbose: bool = False,
        namespace: str = "default",
    ) -> Any:
        """Create the objects of a YAML file, or of a list. One that is there already is an error:
        ``KubernetesApplyResourceOperator`` changes what is there.
        """
        return import_module("kubernetes.utils").create_from_yaml(
            api_client or self.api_client,
            yaml_file=yaml_file,
            yaml_objects=yaml_objects,
            verbose=verbose,
            namespace=namespace,
        )


def _condition(job: Any, kind: str) -> Any:
    """What the Job's status says of this kind, if it holds."""
    for each in (job.status and job.status.conditions) or ():
        if each.type == kind and each.status == "True":
            return each
    return None
