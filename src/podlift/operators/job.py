"""``KubernetesJobOperator``: run a Kubernetes Job as a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk.exceptions import AirflowSkipException

from podlift.operators.changing_jobs import KubernetesDeleteJobOperator, KubernetesPatchJobOperator
from podlift.operators.errors import ObjectFailed, PodNotCreated
from podlift.operators.object_task import ObjectTask
from podlift.operators.parameters import plain
from podlift.operators.pod import KubernetesPodOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from podlift.hooks.kubernetes import KubernetesHook
    from podlift.kube import Client, Resource
    from podlift.pods.labels import Identity
    from podlift.pods.plain import Manifest
    from podlift.pods.reading import Pod
    from podlift.runs import Listener, RunOptions
    from podlift.runs.members import ListenerOf
    from podlift.runs.object_run import ObjectRun
    from podlift.runs.objects import ObjectOptions, ObjectOutcome, Reference
    from podlift.triggers.telling import Telling

_NOT_FOR_JOBS = {
    "infrastructure_retries": "pod_failure_policy, with a rule for DisruptionTarget",
    "out_of_memory_factor": "out_of_memory_factor of KubernetesPodOperator",
    "out_of_memory_ceiling": "out_of_memory_ceiling of KubernetesPodOperator",
    "trigger_kwargs": "a trigger of your own, in an operator of your own",
}
_NOTE_EVERY = 15.0
_NO_LIMIT = 10 * 365 * 86_400.0


class KubernetesJobOperator(ObjectTask, KubernetesPodOperator):
    """Run a Kubernetes Job: several pods of one kind, started again by Kubernetes where they fail.

    It takes the parameters of ``KubernetesPodOperator`` for its pods, and these:

    :param wait_until_job_complete: whether the task waits for the Job's end, tells its pods' logs
        and fails when the Job does. Without, the task ends when the Job was created.
    :param parallelism: how many pods run at once; Kubernetes' default is 1.
    :param completions: how many of them must succeed.
    :param completion_mode: ``NonIndexed`` or ``Indexed``.
    :param backoff_limit: how many pods may fail before the Job does; Kubernetes' default is 6.
    :param pod_failure_policy: which failures count, and which end the Job: ``V1PodFailurePolicy``
        or dict.
    :param suspend: whether the Job waits for somebody to resume it, as Kueue does.
    :param active_deadline_seconds: after this time Kubernetes ends the whole Job.
    :param ttl_seconds_after_finished: after this time Kubernetes deletes the Job that has ended.
    :param selector: see Kubernetes; ``V1LabelSelector`` or dict.
    :param manual_selector: see Kubernetes.
    :param job_template_file: YAML file with a Job, on the worker; what it says is laid below the
        other parameters. (templated)
    :param full_job_spec: the same as ``V1Job`` or dict.
    :param on_kill_propagation_policy: in which order a Job that is deleted goes: ``Foreground``,
        ``Background`` or ``Orphan`` (its pods stay).
    :param unwrap_single: whether the result of a single pod is not put into a list.
    :param startup_timeout_seconds: within this time a pod must have been given a node, and within
        it again have started. There is no limit unless one is given: a queue may hold the Job.
    :param on_finish_action: what becomes of the Job's pods when it has ended; the Job itself stays
        for ``ttl_seconds_after_finished``, or until ``KubernetesDeleteJobOperator`` deletes it.

    ``job_poll_interval`` and ``discover_pods_retry_number`` are taken and change nothing, because
    nothing is polled. Kubernetes starts a Job's pods again itself, so ``infrastructure_retries``
    and growth of memory are refused.
    """

    template_fields: Sequence[str] = (
        *KubernetesPodOperator.template_fields,
        "job_template_file",
    )

    def __init__(
        self,
        *,
        wait_until_job_complete: bool = False,
        parallelism: int | None = None,
        completions: int | None = None,
        completion_mode: str | None = None,
        backoff_limit: int | None = None,
        pod_failure_policy: Any = None,
        suspend: bool | None = None,
        ttl_seconds_after_finished: int | None = None,
        selector: Any = None,
        manual_selector: bool | None = None,
        job_template_file: str | None = None,
        full_job_spec: Any = None,
        on_kill_propagation_policy: Literal["Foreground", "Background", "Orphan"] = "Foreground",
        unwrap_single: bool = True,
        startup_timeout_seconds: float | None = None,
        job_poll_interval: float | None = None,
        discover_pods_retry_number: int | None = None,
        **kwargs: Any,
    ) -> None:
        for name, instead in _NOT_FOR_JOBS.items():
            if kwargs.get(name) is not None:
                raise ValueError(f"{name} is not for Jobs. Use {instead}.")
        if job_template_file and full_job_spec:
            raise ValueError("Give job_template_file or full_job_spec, not both.")
        super().__init__(startup_timeout_seconds=startup_timeout_seconds or _NO_LIMIT, **kwargs)
        if on_kill_propagation_policy not in ("Foreground", "Background", "Orphan"):
            raise ValueError(
                f"on_kill_propagation_policy is {on_kill_propagation_policy!r}, but must be "
                "Foreground, Background or Orphan."
            )
        self.waits = self.wait_until_job_complete = wait_until_job_complete
        self.parallelism = parallelism
        self.completions = completions
        self.completion_mode = completion_mode
        self.backoff_limit = backoff_limit
        self.pod_failure_policy = pod_failure_policy
        self.suspend = suspend
        self.ttl_seconds_after_finished = ttl_seconds_after_finished
        self.selector = selector
        self.manual_selector = manual_selector
        self.job_template_file = job_template_file
        self.full_job_spec = full_job_spec
        self.on_kill_propagation_policy = on_kill_propagation_policy
        self.unwrap_single = unwrap_single
        polled = {
            "job_poll_interval": job_poll_interval,
            "discover_pods_retry_number": discover_pods_retry_number,
        }
        self.without_effect += [each for each, value in polled.items() if value is not None]

    def execute(self, context: Context) -> Any:
        """Run the Job; returns its pods' results. Raises a ``PodTaskError`` if it fails."""
        for parameter in self.without_effect:
            self.log.info("%s has no effect: nothing is polled.", parameter)
        if not self.waits:
            self.log.info(
                "The task does not wait for the Job: set wait_until_job_complete=True for its "
                "logs, its results and its failures."
            )
        return self.execute_object(context)

    # What ObjectTask asks

    async def _described(
        self, context: Context, client: Client, namespace: str, hook: KubernetesHook
    ) -> tuple[Resource, Manifest]:
        from podlift.kube import JOBS
        from podlift.operators.job_manifest import pod_of, with_pod
        from podlift.operators.running import identity_in

        listener, _ = self._listeners(client, context)
        await listener.client_created()
        manifest = self.build(identity_in(context), namespace, hook.xcom_sidecar())
        pod = await listener.manifest_created(pod_of(manifest["spec"]["template"]))
        return JOBS, with_pod(manifest, pod)

    def build(
        self, identity: Identity, namespace: str, sidecar: Mapping[str, Any] | None = None
    ) -> Manifest:
        """The Job's manifest. Raises ``PodNotCreated`` for parameters that make none."""
        from podlift.operators.job_manifest import COMPONENT_JOB, job_manifest, pod_of, with_pod
        from podlift.operators.policies import after_policies
        from podlift.pods.errors import InvalidManifest

        try:
            manifest = job_manifest(
                vars(self),
                identity=identity,
                namespace=namespace,
                default_name=self.task_id,
                base=self.base_container_name,
                template=self._job_template(),
                pod_templates=self._templates(),
                labels=self.job_labels(),
            )
            pod = pod_of(manifest["spec"]["template"])
            if self.do_xcom_push:
                pod = self._with_sidecar(pod, sidecar or {})
            return with_pod(manifest, after_policies(pod, identity, COMPONENT_JOB))
        except InvalidManifest as error:
            raise PodNotCreated(f"The task's parameters make no valid Job: {error}") from error

    def job_labels(self) -> dict[str, str]:
        """Labels that only the Job carries, and not its pods."""
        return {}

    def _job_template(self) -> Any:
        if not self.job_template_file:
            return self.full_job_spec
        from pathlib import Path

        import yaml

        try:
            return yaml.safe_load(Path(self.job_template_file).read_text("utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise PodNotCreated(f"job_template_file cannot be read: {error}") from error

    def _is_selector_manual(self) -> bool:
        if self.manual_selector is not None:
            return self.manual_selector
        from podlift.runs.judging import value_at

        template = plain(self._job_template())
        return isinstance(template, dict) and bool(value_at(template, "spec.manualSelector"))

    def _object_options(self) -> ObjectOptions:
        from podlift.operators.job_manifest import PODS_OF_JOB, PODS_OF_MANUAL_JOB
        from podlift.runs import OnKill
        from podlift.runs.kinds import JOB
        from podlift.runs.objects import ObjectOptions, Propagation

        return ObjectOptions(
            judgement=JOB,
            pods=PODS_OF_MANUAL_JOB if self._is_selector_manual() else PODS_OF_JOB,
            of_pods=self.run_options(),
            durable=self.durable,
            on_kill=OnKill(self.on_kill_action),
            propagation=Propagation(self.on_kill_propagation_policy),
        )

    def run_options(self) -> RunOptions:
        """The parameters that say how the Job's pods are seen to."""
        import msgspec

        every = _NOTE_EVERY if self.durable else None
        # Results are read when the Job has ended, and Kubernetes starts pods again itself.
        given: dict[str, Any] = {"result": False, "note_every": every, "infrastructure_retries": 0}
        return msgspec.structs.replace(super().run_options(), **given)

    def _created(self, context: Context, of: Reference) -> None:
        context["ti"].xcom_push(key="job_name", value=of.name)
        context["ti"].xcom_push(key="job_namespace", value=of.namespace)

    async def _value(self, run: ObjectRun, outcome: ObjectOutcome) -> Any:
        from podlift.runs.results import parsed

        if not self.do_xcom_push:
            return None
        values = [parsed(each) for each in await run.results(outcome.of)]
        return values[0] if self.unwrap_single and len(values) == 1 else values

    def _failure(self, outcome: ObjectOutcome) -> Exception:
        codes = set(outcome.exit_codes)
        if codes and all(code in self._skip_codes() for code in codes):
            said = ", ".join(map(str, sorted(codes)))
            return AirflowSkipException(
                f"{outcome.of} failed with exit code {said}, with which the task is to be skipped."
            )
        if self.log_pod_spec_on_failure and self.manifest:
            self.log.info("The Job's manifest was:\n%s", self.manifest)
        return ObjectFailed(f"{outcome.of}: {outcome.sentence}")

    def _listeners(self, client: Client, context: Any) -> tuple[Any, ListenerOf]:
        from podlift.operators.calling_back import TaskListener
        from podlift.runs.members import label_of

        given: dict[str, Any] = {
            "base": self.base_container_name,
            "prefix": self.has_prefix(self.run_options()),
            "formatter": self.log_formatter,
            "callbacks": self.callbacks,
            "progress": self.progress_callback,
            "client": client,
            "operator": self,
            "context": context,
        }

        def of_pod(pod: Pod) -> Listener:
            label = label_of(pod) if self._labels_pods else ""
            return TaskListener(self.log, label=label, **given)

        return TaskListener(self.log, **given), of_pod

    def _telling(self) -> Telling | None:
        from podlift.operators.deferring import telling_of

        return None if self.callbacks else telling_of(self, self.base_container_name)

    @property
    def _labels_pods(self) -> bool:
        """Whether lines begin with what tells one pod from another."""
        template = self.job_template_file or self.full_job_spec
        several = template or (self.parallelism or 1) > 1 or (self.completions or 1) > 1
        return bool(several) and self.container_name_log_prefix_enabled is not False


__all__ = [
    "KubernetesDeleteJobOperator",
    "KubernetesJobOperator",
    "KubernetesPatchJobOperator",
]
