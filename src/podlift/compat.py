"""Every difference between the minor versions of Airflow that Podlift runs with, and the few
places where it leans on something that Airflow does not promise."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Mapping, MutableMapping
from configparser import ConfigParser
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from podlift.pods.errors import InvalidManifest
from podlift.pods.models import to_model
from podlift.pods.plain import Manifest, to_manifest

if TYPE_CHECKING:
    from airflow.sdk.api.client import Client


_logger = logging.getLogger(__name__)


def configured(section: str, option: str, team_name: str | None = None) -> str | None:
    """What a user set for an option, or None: the defaults of installed providers do not count.

    ``conf.get`` cannot tell the two apart, and the difference matters where one section stands in
    for another. Airflow gives a team its own environment variables and sections, and no fallback
    from those to the ones without a team.
    """
    from airflow.configuration import conf

    team = f"{team_name.upper()}___" if team_name else ""
    variable = f"AIRFLOW__{team}{section.upper()}__{option.upper()}"
    in_file = f"{team_name}={section}" if team_name else section
    # The base class knows only what was read from the file.
    if variable not in os.environ and not ConfigParser.has_option(conf, in_file, option):
        return None
    value: str | None = conf.get(section, option, team_name=team_name)
    return value


def has_pod_mutation_hook() -> bool:
    """Whether somebody's ``airflow_local_settings`` or policy plugin wants to change pods."""
    from airflow import policies
    from airflow.settings import get_policy_plugin_manager

    hook = get_policy_plugin_manager().hook.pod_mutation_hook
    return any(each.plugin is not policies.DefaultPolicy for each in hook.get_hookimpls())


def mutate_pod(manifest: Manifest) -> Manifest:
    """Let the deployment's ``pod_mutation_hook`` change a pod; without one, the same manifest.

    The hook gets a ``V1Pod`` of the ``kubernetes`` package, or of ``kubernetes_asyncio`` where that
    is not installed. Raises ``InvalidManifest`` when it fails, or when the package is too old to
    hold the pod.

    https://airflow.apache.org/docs/apache-airflow/stable/administration-and-deployment/cluster-policies.html
    """
    if not has_pod_mutation_hook():
        return manifest
    from airflow import settings

    hook: Any = settings.pod_mutation_hook
    client = _kubernetes_client()
    before = to_manifest(manifest)
    try:
        pod = to_model(before, "V1Pod", client)
    except ValueError as error:
        raise _not_for_the_hook(client, error) from error
    if to_manifest(pod) != before:
        raise _not_for_the_hook(client, "it does not know all of its fields")
    try:
        hook(pod)
    except Exception as error:  # users' code may raise anything
        what = f"{type(error).__name__}: {error}"
        raise InvalidManifest("", f"pod_mutation_hook failed with {what}") from error
    return to_manifest(pod)


def _kubernetes_client() -> Any:
    import importlib
    import importlib.util

    installed = importlib.util.find_spec("kubernetes") is not None
    return importlib.import_module(f"{'kubernetes' if installed else 'kubernetes_asyncio'}.client")


def _not_for_the_hook(client: Any, why: object) -> InvalidManifest:
    return InvalidManifest(
        "", f"pod_mutation_hook cannot be given this pod by {client.__name__}: {why}"
    )


EVERY_TRY: Mapping[str, Any] = {"include_all_attempts": True}
"""Options of a statement that is to find former tries as well: Airflow 3.4 has them in the table of
the present ones and hides them."""


def tables_of_tries() -> list[Any]:
    """The models that have a row for each try of a task, that of the present try first.

    Until 3.3 former tries have a table of their own. To be asked with ``EVERY_TRY``.
    """
    from airflow.models.taskinstance import TaskInstance

    try:
        from airflow.models.taskinstancehistory import TaskInstanceHistory
    except ModuleNotFoundError:
        return [TaskInstance]
    return [TaskInstance, TaskInstanceHistory]


def id_of_try(table: Any) -> Any:
    """The column of such a model that holds the UUID of the try."""
    return table.task_instance_id if hasattr(table, "task_instance_id") else table.id


def team_of_dag(dag_id: str) -> str | None:
    """The team that a DAG belongs to; None where Airflow does not serve several, and for no team.

    Asks Airflow's database.
    """
    from airflow.configuration import conf

    if not conf.getboolean("core", "multi_team", fallback=False):
        return None
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session

    with create_session(scoped=False) as session:
        team: str | None = DagModel.get_team_name(dag_id, session=session)
    return team


def airflow_stats() -> Any:
    """Airflow's metrics as its executors use them: a module with functions, in 3.2 a class.

    There are several copies of it; the base class has initialised this one.
    """
    from airflow.executors import base_executor

    return getattr(base_executor, "stats", None) or vars(base_executor)["Stats"]


def workload_key(workload: Any) -> Any:
    """By which Airflow counts a workload and is told of its end.

    Airflow 3.3 gave every workload a ``key``; in 3.2 a callback's is its id.
    """
    key = getattr(workload, "key", None)  # made anew at every look
    if key is not None:
        return key
    return workload.ti.key if hasattr(workload, "ti") else workload.callback.id


def callback_key(callback_id: str) -> Any:
    """The same for a callback of which only the id is known."""
    try:
        from airflow.models.callback import CallbackKey
    except ImportError:  # 3.2
        return callback_id
    return CallbackKey(callback_id)


def take_from_queue(executor: Any, workload: Any, key: Any) -> None:
    """Forget that the workload with this key is queued, because it is being run now.

    Airflow 3.4 keeps one queue for each type of workload; before, each had an attribute.
    """
    queues = getattr(executor, "executor_queues", None)
    if queues is not None:
        queues[workload.type].pop(executor.get_workload_key(workload), None)
        return
    for name in ("queued_tasks", "queued_callbacks", "queued_connection_tests"):
        getattr(executor, name, {}).pop(key, None)


def forget_queued_task(executor: Any, ti: Any) -> None:
    """Take a task instance out of the executor's queue, if it is in there."""
    queues = getattr(executor, "executor_queues", None)
    if queues is None:
        executor.queued_tasks.pop(ti.key, None)
    else:
        queues["ExecuteTask"].pop(executor.get_task_key(ti), None)


T = TypeVar("T", bound=type)


def runs_every_workload(executor: T) -> T:
    """Class decorator: tell Airflow that an executor runs callbacks and connection tests too.

    Airflow 3.4 asks for a set of types, and warns of the flags that 3.2 and 3.3 look at.
    """
    try:
        from airflow.executors.workloads import WorkloadType  # type: ignore[attr-defined]
    except ImportError:
        executor.supports_callbacks = True  # type: ignore[attr-defined]
        executor.supports_connection_test = True  # type: ignore[attr-defined]
    else:
        executor.supported_workload_types = frozenset(WorkloadType)  # type: ignore[attr-defined]
    return executor


def fresh_token(generator: Any, workload: Any, subject: str, valid_for: float) -> str:
    """The token with which a worker may begin a workload, valid for so many seconds.

    As ``BaseWorkloadSchema.generate_token``, whose lifetime counts from when the scheduler queued
    the workload. Airflow 3.4 gives other workloads than tasks another scope.
    """
    scope = getattr(workload, "token_scope", "workload")
    token: str = generator.generate(extras={"sub": subject, "scope": scope}, valid_for=valid_for)
    return token


def configured_names(section: str, team_name: str | None = None) -> list[str]:
    """The options of a section that somebody set, in a file or by environment variables."""
    from airflow.configuration import conf

    team = f"{team_name.upper()}___" if team_name else ""
    prefix = f"AIRFLOW__{team}{section.upper()}__"
    names = {name.removeprefix(prefix).lower() for name in os.environ if name.startswith(prefix)}
    in_file = f"{team_name}={section}" if team_name else section
    if ConfigParser.has_section(conf, in_file):
        names |= set(ConfigParser.options(conf, in_file))
    return sorted(names)


def execution_api_server_url(team_name: str | None = None) -> str:
    """The URL of Airflow's execution API as its own configuration has it."""
    from airflow.configuration import conf

    base = conf.get("api", "base_url", fallback="/", team_name=team_name) or "/"
    if base.startswith("/"):
        base = f"http://localhost:8080{base}"
    default = f"{base.rstrip('/')}/execution/"
    url = conf.get("core", "execution_api_server_url", fallback=default, team_name=team_name)
    return url or default


def client_for(server: str, client: type[Client]) -> type[Client]:
    """This class of the execution API's client, or one like it that is ready sooner.

    Airflow's reads all certificates of the system and of ``certifi`` first, 40 ms of work, for a
    server that is asked by plain HTTP as well.
    """
    if not server.startswith("http://"):
        return client
    return type(client.__name__, (client,), {"_get_ssl_context_cached": staticmethod(_no_trust)})


def _no_trust(*_files: str | None) -> Any:
    import ssl

    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def supervise(workload: Any, client: Client, server: str) -> int:
    """Run a task workload under Airflow's supervisor, which writes its log to standard output too.

    Returns the supervisor's exit code; what it raises is Airflow's. Airflow 3.3 renamed the
    function and deprecated the name that 3.2 knows.
    """
    from airflow.sdk.execution_time import supervisor

    run = getattr(supervisor, "supervise_task", None)
    if run is None:  # 3.2, which does not pass signals on either
        run = supervisor.supervise
        signal.signal(signal.SIGTERM, _tell_children)
    code: int = run(
        ti=workload.ti,
        bundle_info=workload.bundle_info,
        dag_rel_path=workload.dag_rel_path,
        token=workload.token,
        server=server,
        client=client,
        log_path=workload.log_path,
        subprocess_logs_to_stdout=True,
        sentry_integration=workload.sentry_integration,
    )
    return code


def supervise_other(workload: Any, server: str) -> bool:
    """Run a callback or a connection test; returns whether it ended well.

    A connection test tells Airflow its result itself. Airflow 3.2 knows only callbacks, and has no
    supervisor for them.
    """
    from airflow.executors.base_executor import BaseExecutor

    run = getattr(BaseExecutor, "run_workload", None)
    if run is None:
        return _call_back(workload)
    try:
        run(workload, server=server, subprocess_logs_to_stdout=True)
    except RuntimeError as error:  # that is how Airflow says that the callback's process failed
        _logger.error("The callback failed: %s", error)
        return False
    return True


def _call_back(workload: Any) -> bool:
    import structlog
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.executors.workloads import callback

    manager: Any = DagBundlesManager  # untyped
    bundle = manager().get_bundle(
        name=workload.bundle_info.name, version=workload.bundle_info.version
    )
    bundle.initialize()
    sys.path.append(str(bundle.path))
    execute: Any = getattr(callback, "execute_callback_workload")  # noqa: B009  gone since 3.3
    done: bool = execute(workload.callback, structlog.get_logger())[0]
    return done


def _tell_children(signum: int, _frame: FrameType | None) -> None:
    import psutil

    for child in psutil.Process().children():
        child.send_signal(signum)


def remote_task_log() -> Any:
    """Airflow's handler for logs that are kept elsewhere; None where none is configured."""
    from airflow.logging_config import get_remote_task_log

    return get_remote_task_log()


def set_remote_task_log(handler: Any) -> None:
    """Have Airflow read logs through this handler, in this process.

    Airflow's own providers install theirs in the same way, for want of a public one.
    """
    from airflow.logging_config import _ActiveLoggingConfig, get_default_remote_conn_id

    _ActiveLoggingConfig.set(handler, get_default_remote_conn_id())


def fetch_served_log(url: str, log_path: str) -> Any:
    """Ask another process's log server for a file, signed as Airflow signs it.

    Returns a streaming response of ``requests``, which raises its own errors.
    """
    from airflow.utils.log.file_task_handler import _fetch_logs_from_service

    return _fetch_logs_from_service(url, log_path)


def log_to_stdout() -> None:
    """Send the supervisor's log to standard output as JSON, the lines that it writes to files.

    The supervisor logs in its signal handler. If the signal comes while a line is being written,
    that waits for ever for a lock which its own thread holds, and the task is never told to stop;
    so that one line is dropped before it gets there.
    """
    import structlog
    from airflow.sdk.log import configure_logging

    configure_logging(output=sys.stdout.buffer, json_output=True)
    processors = structlog.get_config()["processors"]
    structlog.configure(processors=[_drop_line_of_signal_handler, *processors])


def _drop_line_of_signal_handler(
    logger: Any, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    import structlog

    if str(event.get("event", "")).startswith("Received signal, forwarding"):
        raise structlog.DropEvent
    return event


async def deferred_task_was_ended(trigger: Any) -> bool:
    """Whether a trigger ends because somebody ended its task; asked in its ``cleanup``.

    Airflow 3.3 calls a trigger's ``on_kill`` then, so that the answer is no. Airflow 3.2 does not
    tell it from the end of a triggerer, but knows the task's state; without an answer it is no too.
    """
    from airflow.triggers.base import BaseTrigger

    ti = trigger.task_instance
    if hasattr(BaseTrigger, "on_kill") or ti is None:
        return False
    state = await asyncio.to_thread(task_state, ti)
    return state not in ("deferred", UNKNOWN)


UNKNOWN = "unknown"


def task_state(ti: Any) -> str | None:
    """The state that Airflow has for a task instance now; ``UNKNOWN`` if it does not say.

    To be called by a task or in a thread of a triggerer.
    """
    from airflow.sdk.exceptions import AirflowRuntimeError
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    map_index = -1 if ti.map_index is None else ti.map_index
    try:
        found = RuntimeTaskInstance.get_task_states(
            dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=[ti.run_id], map_index=map_index
        )
    except (AirflowRuntimeError, OSError) as error:
        _logger.warning("Airflow does not tell the task's state: %s", error)
        return UNKNOWN
    key = ti.task_id if map_index < 0 else f"{ti.task_id}_{map_index}"
    state: str | None = found.get(ti.run_id, {}).get(key)
    return state


async def extra_of(connection: Any) -> dict[str, Any]:
    """The extra fields of an Airflow connection, without holding up the event loop.

    Airflow masks what is secret in them, which means a message to its supervisor; Airflow 3.3 can
    do that in async code.
    """
    if hasattr(connection, "aextra_dejson"):
        found: dict[str, Any] = await connection.aextra_dejson()
        return found
    from asgiref.sync import sync_to_async

    return dict(await sync_to_async(lambda: connection.extra_dejson)())


def bundle_version(version: str) -> Any:
    """The version of a DAG bundle as the bundle tells it: Airflow 3.3 wants more than its name."""
    from airflow.dag_processing.bundles import base

    wrapped = getattr(base, "BundleVersion", None)
    return version if wrapped is None else wrapped(version=version)
