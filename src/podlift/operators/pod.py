"""``KubernetesPodOperator``: run a container image as a task."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar

from airflow.sdk.exceptions import AirflowSkipException, AirflowTaskTimeout

from podlift.operators.errors import (
    PodFailed,
    PodNotCreated,
    PodNotObserved,
    PodNotStarted,
    PodStopped,
    PodTaskError,
)
from podlift.operators.parameters import PodParameters, plain

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context

    from podlift.operators.running import OperatorRun
    from podlift.pods.labels import Identity
    from podlift.pods.plain import Manifest
    from podlift.runs import Outcome, RunOptions
    from podlift.runs.background import Background

T = TypeVar("T")

_TRIGGER_FAILED = "__fail__"
"""What Airflow calls the method of a task whose trigger failed or took too long."""


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
        """Run the pod to its end; returns its result. Raises a ``PodTaskError`` if it fails.

        With ``deferrable``, which may be decided as late as now, the triggerer waits for the end.
        """
        for parameter in self.without_effect:
            self.log.info("%s has no effect: nothing is polled.", parameter)
        if self.deferrable:
            self._defer(context)
        return self._end(self._wait_for(context, lambda run: run.run()))

    def trigger_reentry(self, context: Context, event: dict[str, Any]) -> Any:
        """The pod has ended while the task was deferred; goes on as ``execute`` does then."""
        from podlift.operators.deferring import telling_of

        late = self.get_logs and telling_of(self, self.base_container_name) is None
        outcome = self._wait_for(context, lambda run: run.go_on(event, tell_logs=late))
        if outcome is not None:
            return self._end(outcome)
        if event["status"] == "timeout":
            raise AirflowTaskTimeout(event["message"])
        raise (PodNotCreated if event.get("kind") == "PodNotCreated" else PodNotObserved)(
            event["message"]
        )

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context
    ) -> Any:
        """Airflow's way back into a deferred task, also when its trigger failed."""
        if next_method == _TRIGGER_FAILED:
            try:
                self._wait_for(context, lambda run: run.give_up())
            except PodTaskError as error:  # that the trigger failed is what must be told
                self.log.warning("%s", error)
        return super().resume_execution(next_method, next_kwargs, context)

    def on_kill(self) -> None:
        """Stop waiting; ``execute`` then fails. Safe in a signal handler.

        The pod is deleted, unless the worker is only drained and another try may go on with it.
        """
        background, run = getattr(self, "_background", None), getattr(self, "_running", None)
        if background is not None and run is not None:
            run.is_told_to_stop = True
            background.stop()

    def dry_run(self) -> None:
        """Print the pod's manifest. No cluster is needed."""
        from podlift.pods.labels import Identity

        nobody = Identity(dag_id=self.dag_id, task_id=self.task_id, run_id="dry-run", ti_id="none")
        print(_yaml(self.build(nobody, self.namespace or "default")))

    # The run

    def _wait_for(
        self, context: Context, part: Callable[[OperatorRun], Coroutine[Any, Any, T]]
    ) -> T:
        """Run a part of the task in an event loop. Raises a ``PodTaskError``."""
        from podlift.operators.running import OperatorRun
        from podlift.runs.background import Background

        run = self._running = OperatorRun(self, context)
        background: Background[T] = Background(lambda: part(run))
        self._background: Background[Any] | None = background
        try:
            return background.result()
        except CancelledError:
            raise PodStopped(self._what_became_of_it(run)) from None
        except PodTaskError as error:
            # The message says it all; where in Podlift it was raised is of no use in a task's log.
            raise error.with_traceback(None) from None
        finally:
            self._background = None

    def _defer(self, context: Context) -> NoReturn:
        from podlift.operators.deferring import trigger_for

        begun = self._wait_for(context, lambda run: run.begin())
        started = getattr(context["ti"], "start_date", None)
        since = time.time() if started is None else started.timestamp()
        trigger, timeout = trigger_for(self, begun, since)
        self.defer(trigger=trigger, method_name="trigger_reentry", timeout=timeout)

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

    def _what_became_of_it(self, run: OperatorRun) -> str:
        if run.is_pod_left:
            return "The worker must stop. The pod goes on, and the next try goes on with it."
        fate = "was deleted" if self.on_kill_action == "delete_pod" else "goes on"
        return f"The task was told to stop, and its pod {fate}."

    def run_options(self) -> RunOptions:
        """The parameters that say how the pod is run."""
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
            durable=self.durable,
        )

    def has_prefix(self, options: RunOptions) -> bool:
        """Whether each line of the log begins with its container's name."""
        several = options.logs_of != (options.base,) or bool(options.init_logs_of)
        given = self.container_name_log_prefix_enabled
        return several if given is None else given

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
        from podlift.operators.running import identity_in

        try:
            self.manifest = _yaml(self.build(identity_in(context), self.namespace or ""))
        except PodNotCreated as error:  # execute says it again, and fails
            self.manifest = f"# {error}"

    def build(
        self, identity: Identity, namespace: str, sidecar: Mapping[str, Any] | None = None
    ) -> Manifest:
        """The pod's manifest. Raises ``PodNotCreated`` for parameters that make none."""
        from podlift.operators.manifest import operator_manifest
        from podlift.operators.policies import after_policies
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
            if self.do_xcom_push:
                manifest = self._with_sidecar(manifest, sidecar or {})
            return after_policies(manifest, identity)
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
