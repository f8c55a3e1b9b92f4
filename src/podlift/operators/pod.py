"""``KubernetesPodOperator``: run a container image as a task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk.exceptions import AirflowSkipException

from podlift.operators.errors import (
    PodFailed,
    PodNotCreated,
    PodNotObserved,
    PodNotStarted,
    PodStopped,
    PodTaskError,
    ResultNotRead,
)
from podlift.operators.parameters import PodParameters, plain

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context

    from podlift.hooks.kubernetes import KubernetesHook
    from podlift.kube import Client
    from podlift.operators.calling_back import TaskListener
    from podlift.pods.labels import Identity
    from podlift.pods.plain import Manifest
    from podlift.runs import Outcome, RunOptions
    from podlift.runs.background import Background


class KubernetesPodOperator(PodParameters):
    __doc__ = f"""Run a container image as a task, in a pod of its own.

    The task succeeds when the container ends with exit code 0, and with nothing else. Its output
    becomes the task's log. When it fails, the error says why in words, and what to do about it.
    {(PodParameters.__doc__ or "").partition("can be.")[2]}"""

    template_fields: Sequence[str] = (*PodParameters.template_fields, "manifest")
    template_fields_renderers = PodParameters.template_fields_renderers | {"manifest": "yaml"}
    ui_color = "#326ce5"
    ui_fgcolor = "#ffffff"

    manifest: str | None = None
    """The pod's manifest in YAML, as the page of the rendered templates shows it."""

    def execute(self, context: Context) -> Any:
        """Run the pod to its end; returns its result. Raises a ``PodTaskError`` if it fails."""
        from podlift.runs.background import Background

        for parameter in self.without_effect:
            self.log.info("%s has no effect: nothing is polled.", parameter)
        self._background: Background[Outcome] | None = Background(lambda: self._run(context))
        try:
            return self._end(self._background.result())
        except CancelledError:
            raise PodStopped(self._what_became_of_it()) from None
        except PodTaskError as error:
            # The message says it all; where in Podlift it was raised is of no use in a task's log.
            raise error.with_traceback(None) from None
        finally:
            self._background = None

    def on_kill(self) -> None:
        """Stop waiting and delete the pod; ``execute`` then fails. Safe in a signal handler."""
        background = getattr(self, "_background", None)
        if background is not None:
            background.stop()

    def dry_run(self) -> None:
        """Print the pod's manifest. No cluster is needed."""
        from podlift.pods.labels import Identity

        nobody = Identity(dag_id=self.dag_id, task_id=self.task_id, run_id="dry-run", ti_id="none")
        print(_yaml(self._build(nobody, self.namespace or "default")))

    def hook(self) -> KubernetesHook:
        """The way to the cluster that the parameters name."""
        from podlift.hooks.kubernetes import KubernetesHook

        return KubernetesHook(
            self.kubernetes_conn_id,
            in_cluster=self.in_cluster,
            config_file=self.config_file,
            cluster_context=self.cluster_context,
        )

    # The run

    async def _run(self, context: Context) -> Outcome:
        from podlift import runs
        from podlift.kube import Client, ConfigurationError

        hook = self.hook()
        try:
            connection = await hook.load_connection()
        except ConfigurationError as error:
            raise PodNotCreated(f"There is no cluster to run the pod in: {error}") from error
        namespace = hook.namespace() or connection.namespace
        manifest = self._build(_identity(context), namespace, hook.xcom_sidecar())
        options = self._options()
        async with Client(connection) as client:
            listener = await self._listener(client, context, options)
            manifest = await listener.manifest_created(manifest)
            try:
                return await runs.PodRun(client, options, listener).run(manifest)
            except runs.PodNotCreated as error:
                raise PodNotCreated(str(error)) from error
            except runs.PodNotObserved as error:
                raise PodNotObserved(str(error)) from error
            except runs.ResultNotRead as error:
                raise ResultNotRead(str(error)) from error

    def _end(self, outcome: Outcome) -> Any:
        if outcome.succeeded:
            from podlift.runs.results import parsed

            return parsed(outcome.result)
        if outcome.exit_code is not None and outcome.exit_code in self._skip_codes():
            raise AirflowSkipException(
                f"Container {self.base_container_name!r} ended with exit code "
                f"{outcome.exit_code}, with which the task is to be skipped."
            )
        if self.log_pod_spec_on_failure and self.manifest:
            self.log.info("The pod's manifest was:\n%s", self.manifest)
        failure = PodFailed if outcome.started else PodNotStarted
        raise failure(outcome.name, outcome.sentence, outcome.diagnosis)

    def _skip_codes(self) -> Any:
        codes = self.skip_on_exit_code
        if codes is None:
            return ()
        return (codes,) if isinstance(codes, int) else codes

    def _what_became_of_it(self) -> str:
        fate = "was deleted" if self.on_kill_action == "delete_pod" else "goes on"
        return f"The task was told to stop, and its pod {fate}."

    def _options(self) -> RunOptions:
        from podlift.pods.quantities import bytes_of
        from podlift.runs import OnFinish, OnKill, RunOptions

        base, ceiling = self.base_container_name, self.out_of_memory_ceiling
        return RunOptions(
            base=base,
            schedule_timeout=self.schedule_timeout_seconds,
            startup_timeout=self.startup_timeout_seconds,
            logs_of=_containers(self.container_logs, (base,)) if self.get_logs else (),
            init_logs_of=_containers(self.init_container_logs, ()) if self.get_logs else (),
            tell_startup_events=self.log_events_on_startup,
            tell_failure_events=self.log_events_on_failure,
            infrastructure_retries=self.infrastructure_retries,
            memory_factor=self.out_of_memory_factor,
            memory_ceiling=None if ceiling is None else bytes_of(str(ceiling)),
            result=self.do_xcom_push,
            grace_period=self.termination_grace_period,
            on_finish=OnFinish(self.on_finish_action),
            on_kill=OnKill(self.on_kill_action),
        )

    async def _listener(
        self, client: Client, context: Context, options: RunOptions
    ) -> TaskListener:
        from podlift.operators.calling_back import TaskListener

        several = options.logs_of != (options.base,) or bool(options.init_logs_of)
        prefix = self.container_name_log_prefix_enabled
        listener = TaskListener(
            self.log,
            base=options.base,
            prefix=several if prefix is None else prefix,
            formatter=self.log_formatter,
            callbacks=self.callbacks,
            progress=self.progress_callback,
            client=client,
            operator=self,
            context=context,
        )
        await listener.client_created()
        return listener

    # The manifest

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: jinja2.Environment,
        seen_oids: set[int],
    ) -> None:
        # Mapped tasks come through here alone, not through render_template_fields.
        super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)
        if parent is self and context.get("ti") is not None:
            self._show_manifest(context)

    def _show_manifest(self, context: Context) -> None:
        try:
            self.manifest = _yaml(self._build(_identity(context), self.namespace or ""))
        except PodNotCreated as error:  # execute says it again, and fails
            self.manifest = f"# {error}"

    def _build(
        self, identity: Identity, namespace: str, sidecar: Mapping[str, Any] | None = None
    ) -> Manifest:
        from podlift.operators.manifest import operator_manifest
        from podlift.pods.errors import InvalidManifest

        try:
            manifest = operator_manifest(
                vars(self),
                identity=identity,
                namespace=namespace,
                default_name=self.task_id,
                base=self.base_container_name,
                templates=self._templates(),
            )
            return self._with_sidecar(manifest, sidecar or {}) if self.do_xcom_push else manifest
        except InvalidManifest as error:
            raise PodNotCreated(f"The task's parameters make no valid pod: {error}") from error

    def _with_sidecar(self, manifest: Manifest, sidecar: Mapping[str, Any]) -> Manifest:
        from podlift.runs.sidecar import with_sidecar

        own = plain(self.xcom_sidecar_container_security_context)
        given = dict(sidecar) | ({"security_context": own} if own is not None else {})
        return with_sidecar(manifest, self.base_container_name, **given)

    def _templates(self) -> list[Manifest]:
        from podlift.operators.templates import read_template
        from podlift.pods.plain import to_manifest

        templates = []
        if self.pod_template_file:
            templates.append(read_template(self.pod_template_file))
        elif self.pod_template_dict:
            templates.append(to_manifest(self.pod_template_dict))
        if self.full_pod_spec:
            templates.append(to_manifest(self.full_pod_spec))
        return templates


def _identity(context: Context) -> Identity:
    from podlift.pods.labels import Identity

    ti = context["ti"]
    return Identity(
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=ti.run_id,
        ti_id=str(ti.id),
        try_number=ti.try_number,
        map_index=-1 if ti.map_index is None else ti.map_index,
    )


def _containers(
    given: Iterable[str] | str | bool | None, default: tuple[str, ...]
) -> tuple[str, ...] | Literal[True]:
    if given is True:
        return True
    if not given:
        return default
    return (given,) if isinstance(given, str) else tuple(given)


def _yaml(manifest: Manifest) -> str:
    import yaml

    text: str = yaml.safe_dump(manifest, sort_keys=False)
    return text
