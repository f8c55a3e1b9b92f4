"""The parameters of ``KubernetesPodOperator``: their names, their defaults and what they mean.

Nothing here may import what talks to a cluster: every DAG that uses the operator is parsed again
and again, and would pay for it each time.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.sdk import BaseOperator

from podlift.operators.reaching import DEFAULT_CONNECTION, ReachesCluster

if TYPE_CHECKING:
    from podlift.callbacks import KubernetesPodOperatorCallback
    from podlift.operators.manifest import EnvVars

ON_FINISH_ACTIONS = ("keep_pod", "delete_pod", "delete_active_pod", "delete_succeeded_pod")
ON_KILL_ACTIONS = ("delete_pod", "keep_pod")


class PodParameters(ReachesCluster, BaseOperator):
    """What ``KubernetesPodOperator`` can be told. All of it is checked as far as a DAG can be.

    Where a parameter takes an object of the ``kubernetes`` package, a dict of the same shape as in
    a manifest does as well. Sources of the pod, each laid over the one before: the template (file
    or dict), ``full_pod_spec``, the single parameters.

    The pod:

    :param image: image of the container. (templated)
    :param name: what the pod's name begins with; default is the template's, or the task's id.
        (templated)
    :param random_name_suffix: with True the name ends with letters and numbers of its own for each
        try; with False it is ``name`` exactly.
    :param namespace: where the pod is created; default is the template's, or the namespace of the
        cluster connection. (templated)
    :param labels: labels beside Podlift's own. (templated)
    :param annotations: annotations beside Podlift's own. (templated)
    :param pod_template_file: YAML file with a pod, on the worker. (templated)
    :param pod_template_dict: the same as a dict; not together with the file. (templated)
    :param full_pod_spec: a whole pod, ``V1Pod`` or dict.
    :param init_containers: init containers, ``V1Container`` or dicts.
    :param volumes: ``V1Volume`` or dicts. (templated)
    :param node_selector: labels that the node must have. (templated)
    :param affinity: ``V1Affinity`` or dict.
    :param tolerations: ``V1Toleration`` or dicts.
    :param host_aliases: ``V1HostAlias`` or dicts.
    :param image_pull_secrets: ``V1LocalObjectReference``, dicts, names, or names in one text with
        commas between.
    :param service_account_name: the service account that the pod acts as.
    :param automount_service_account_token: whether its token is in the container.
    :param security_context: the pod's, ``V1PodSecurityContext`` or dict.
    :param hostnetwork: whether the pod uses its node's network.
    :param dnspolicy: DNS policy; with ``hostnetwork`` usually ``ClusterFirstWithHostNet``.
    :param dns_config: ``V1PodDNSConfig`` or dict.
    :param hostname: the pod's host name. (templated)
    :param subdomain: the pod's subdomain.
    :param schedulername: which scheduler finds a node.
    :param priority_class_name: the pod's priority class.
    :param runtime_class_name: the pod's runtime class.
    :param active_deadline_seconds: after this time Kubernetes ends the pod.
    :param termination_grace_period: seconds the container gets to end when it is told to.

    The container:

    :param cmds: its command, instead of the image's entrypoint. (templated)
    :param arguments: arguments of the command, instead of the image's. (templated)
    :param env_vars: ``{"NAME": "value"}``, or entries as in ``env``. (templated)
    :param env_from: sources of variables, ``V1EnvFromSource`` or dicts. (templated)
    :param configmaps: names of ConfigMaps whose entries become variables. (templated)
    :param secrets: ``podlift.operators.secret.Secret`` objects.
    :param pod_runtime_info_envs: variables with facts of the pod, ``V1EnvVar`` or dicts.
    :param ports: ``V1ContainerPort`` or dicts.
    :param volume_mounts: ``V1VolumeMount`` or dicts. (templated)
    :param container_resources: ``V1ResourceRequirements`` or dict. (templated)
    :param container_security_context: ``V1SecurityContext`` or dict.
    :param image_pull_policy: ``Always``, ``IfNotPresent`` or ``Never``.
    :param termination_message_policy: ``File`` or ``FallbackToLogsOnError``.
    :param base_container_name: what the container is called; default ``base``. (templated)

    The cluster:

    :param kubernetes_conn_id: Airflow connection of type kubernetes. (templated)
    :param in_cluster: whether to use the service account of the pod that the worker runs in.
    :param config_file: path of a kubeconfig. (templated)
    :param cluster_context: context of the kubeconfig. (templated)

    The run:

    :param startup_timeout_seconds: within this time from its scheduling the container must have
        started.
    :param schedule_timeout_seconds: within this time a node must have been found; default is
        ``startup_timeout_seconds``.
    :param get_logs: whether the output becomes the task's log.
    :param container_logs: containers whose output that is: a name, names, or True for all;
        default is the base container.
    :param init_container_logs: likewise for init containers; default is none.
    :param container_name_log_prefix_enabled: whether lines begin with their container's name; by
        default they do where more than one container is told.
    :param log_formatter: ``f(container, line)`` gives the line as it is to be logged.
    :param log_events_on_startup: whether the log says what the pod waits for.
    :param log_events_on_failure: whether the pod's warning events are logged when it fails.
    :param log_pod_spec_on_failure: whether its manifest is logged then.
    :param do_xcom_push: whether ``/airflow/xcom/return.json`` becomes the task's result.
    :param xcom_sidecar_container_security_context: security context of the container that reads
        it; default is the connection's.
    :param infrastructure_retries: how many more pods may be started for what is not the task's
        fault: evicted, preempted, node lost, deleted by hand. The task's own ``retries`` are not
        touched.
    :param out_of_memory_factor: with more than 1, a pod that ran out of memory is started again,
        with so many times the memory.
    :param out_of_memory_ceiling: the most memory that it may get so, for example ``16Gi``.
    :param skip_on_exit_code: an exit code, or several, with which the task is skipped.
    :param on_finish_action: ``delete_pod``, ``delete_succeeded_pod``, ``delete_active_pod`` (only
        one in which something still runs) or ``keep_pod``. A pod that has not ended when the task
        gives up on it is deleted in any case.
    :param on_kill_action: what becomes of the pod when somebody ends the task: ``delete_pod`` or
        ``keep_pod``.
    :param durable: whether a later try goes on with the pod of one whose worker died.
    :param reattach_on_restart: the older name of ``durable``.
    :param callbacks: classes made from ``podlift.callbacks.KubernetesPodOperatorCallback``.
    :param progress_callback: ``f(line)``, called with every line of the base container.
    :param deferrable: whether the triggerer waits for the pod, so that no worker has to. Default
        is Airflow's ``[operators] default_deferrable``.
    :param trigger_kwargs: goes to the trigger as it is, for triggers of your own. (templated)

    ``startup_check_interval_seconds``, ``base_container_status_polling_interval``,
    ``poll_interval`` and ``logging_interval`` are taken and change nothing, because nothing is
    polled: Kubernetes tells every change at once. Neither does ``is_delete_operator_pod`` exist any
    more: it is refused, with what to write instead.
    """

    BASE_CONTAINER_NAME: ClassVar[str] = "base"
    """The default of ``base_container_name``, for subclasses to change."""

    template_fields: Sequence[str] = (
        "image",
        "name",
        "namespace",
        "hostname",
        "cmds",
        "arguments",
        "env_vars",
        "env_from",
        "configmaps",
        "labels",
        "annotations",
        "config_file",
        "cluster_context",
        "kubernetes_conn_id",
        "pod_template_file",
        "pod_template_dict",
        "container_resources",
        "volumes",
        "volume_mounts",
        "node_selector",
        "base_container_name",
        "trigger_kwargs",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "cmds": "py",
        "arguments": "py",
        "env_vars": "py",
        "labels": "py",
        "annotations": "py",
        "pod_template_dict": "json",
        "container_resources": "json",
        "volumes": "json",
        "volume_mounts": "json",
        "env_from": "json",
    }

    def __init__(
        self,
        *,
        image: str | None = None,
        name: str | None = None,
        random_name_suffix: bool = True,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        pod_template_file: str | None = None,
        pod_template_dict: Mapping[str, Any] | None = None,
        full_pod_spec: Any = None,
        init_containers: Sequence[Any] | None = None,
        volumes: Sequence[Any] | None = None,
        node_selector: Mapping[str, str] | None = None,
        affinity: Any = None,
        tolerations: Sequence[Any] | None = None,
        host_aliases: Sequence[Any] | None = None,
        image_pull_secrets: Sequence[Any] | str | None = None,
        service_account_name: str | None = None,
        automount_service_account_token: bool | None = None,
        security_context: Any = None,
        hostnetwork: bool = False,
        dnspolicy: str | None = None,
        dns_config: Any = None,
        hostname: str | None = None,
        subdomain: str | None = None,
        schedulername: str | None = None,
        priority_class_name: str | None = None,
        runtime_class_name: str | None = None,
        active_deadline_seconds: int | None = None,
        termination_grace_period: int | None = None,
        cmds: Sequence[str] | None = None,
        arguments: Sequence[str] | None = None,
        env_vars: EnvVars | None = None,
        env_from: Sequence[Any] | None = None,
        configmaps: Sequence[str] | None = None,
        secrets: Sequence[Any] | None = None,
        pod_runtime_info_envs: Sequence[Any] | None = None,
        ports: Sequence[Any] | None = None,
        volume_mounts: Sequence[Any] | None = None,
        container_resources: Any = None,
        container_security_context: Any = None,
        image_pull_policy: str | None = None,
        termination_message_policy: str | None = None,
        base_container_name: str | None = None,
        kubernetes_conn_id: str | None = DEFAULT_CONNECTION,
        in_cluster: bool | None = None,
        config_file: str | None = None,
        cluster_context: str | None = None,
        startup_timeout_seconds: float = 120,
        schedule_timeout_seconds: float | None = None,
        startup_check_interval_seconds: float | None = None,
        get_logs: bool = True,
        container_logs: Iterable[str] | str | Literal[True] | None = None,
        init_container_logs: Iterable[str] | str | Literal[True] | None = None,
        container_name_log_prefix_enabled: bool | None = None,
        log_formatter: Callable[[str, str], str] | None = None,
        log_events_on_startup: bool = True,
        log_events_on_failure: bool = True,
        log_pod_spec_on_failure: bool = True,
        base_container_status_polling_interval: float | None = None,
        do_xcom_push: bool = False,
        xcom_sidecar_container_security_context: Any = None,
        infrastructure_retries: int = 3,
        out_of_memory_factor: float = 1,
        out_of_memory_ceiling: str | int | None = None,
        skip_on_exit_code: int | Container[int] | None = None,
        on_finish_action: str = "delete_pod",
        on_kill_action: str = "delete_pod",
        is_delete_operator_pod: bool | None = None,
        durable: bool | None = None,
        reattach_on_restart: bool | None = None,
        callbacks: Sequence[type[KubernetesPodOperatorCallback]]
        | type[KubernetesPodOperatorCallback]
        | None = None,
        progress_callback: Callable[[str], None] | None = None,
        deferrable: bool | None = None,
        poll_interval: float | None = None,
        logging_interval: float | None = None,
        trigger_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(do_xcom_push=do_xcom_push, **kwargs)
        if is_delete_operator_pod is not None:
            action = "delete_pod" if is_delete_operator_pod else "keep_pod"
            raise ValueError(
                f"is_delete_operator_pod was replaced by on_finish_action: write "
                f"on_finish_action={action!r}."
            )
        if pod_template_file and pod_template_dict:
            raise ValueError("Give pod_template_file or pod_template_dict, not both.")
        self.image = image
        self.name = name
        self.random_name_suffix = random_name_suffix
        self.namespace = namespace
        self.labels = labels
        self.annotations = annotations
        self.pod_template_file = pod_template_file
        self.pod_template_dict = plain(pod_template_dict)
        self.full_pod_spec = full_pod_spec
        self.init_containers = init_containers
        self.volumes = plain(volumes)
        self.node_selector = node_selector
        self.affinity = affinity
        self.tolerations = tolerations
        self.host_aliases = host_aliases
        self.image_pull_secrets = image_pull_secrets
        self.service_account_name = service_account_name
        self.automount_service_account_token = automount_service_account_token
        self.security_context = security_context
        self.hostnetwork = hostnetwork
        self.dnspolicy = dnspolicy
        self.dns_config = dns_config
        self.hostname = hostname
        self.subdomain = subdomain
        self.schedulername = schedulername
        self.priority_class_name = priority_class_name
        self.runtime_class_name = runtime_class_name
        self.active_deadline_seconds = active_deadline_seconds
        self.termination_grace_period = termination_grace_period
        self.cmds = cmds
        self.arguments = arguments
        self.env_vars = plain(env_vars)
        self.env_from = plain(env_from)
        self.configmaps = configmaps
        self.secrets = secrets
        self.pod_runtime_info_envs = pod_runtime_info_envs
        self.ports = ports
        self.volume_mounts = plain(volume_mounts)
        self.container_resources = plain(container_resources)
        self.container_security_context = container_security_context
        self.image_pull_policy = image_pull_policy
        self.termination_message_policy = termination_message_policy
        self.base_container_name = base_container_name or self.BASE_CONTAINER_NAME
        self.kubernetes_conn_id = kubernetes_conn_id
        self.in_cluster = in_cluster
        self.config_file = config_file
        self.cluster_context = cluster_context
        self.startup_timeout_seconds = startup_timeout_seconds
        self.schedule_timeout_seconds = schedule_timeout_seconds or startup_timeout_seconds
        self.get_logs = get_logs
        self.container_logs = container_logs
        self.init_container_logs = init_container_logs
        self.container_name_log_prefix_enabled = container_name_log_prefix_enabled
        self.log_formatter = log_formatter
        self.log_events_on_startup = log_events_on_startup
        self.log_events_on_failure = log_events_on_failure
        self.log_pod_spec_on_failure = log_pod_spec_on_failure
        self.xcom_sidecar_container_security_context = xcom_sidecar_container_security_context
        if out_of_memory_ceiling is not None:
            from podlift.pods.quantities import bytes_of

            bytes_of(out_of_memory_ceiling)
        self.infrastructure_retries = infrastructure_retries
        self.out_of_memory_factor = out_of_memory_factor
        self.out_of_memory_ceiling = out_of_memory_ceiling
        self.skip_on_exit_code = skip_on_exit_code
        self.on_finish_action = one_of(ON_FINISH_ACTIONS, on_finish_action, "on_finish_action")
        self.on_kill_action = one_of(ON_KILL_ACTIONS, on_kill_action, "on_kill_action")
        self.durable = next(
            (each for each in (durable, reattach_on_restart) if each is not None), True
        )
        self.callbacks = _listed(callbacks)
        self.progress_callback = progress_callback
        self.deferrable = default_deferrable() if deferrable is None else deferrable
        self.trigger_kwargs = trigger_kwargs
        polled = {
            "startup_check_interval_seconds": startup_check_interval_seconds,
            "base_container_status_polling_interval": base_container_status_polling_interval,
            "poll_interval": poll_interval,
            "logging_interval": logging_interval,
        }
        self.without_effect = [each for each, value in polled.items() if value is not None]
        """Parameters that were given and change nothing; the task's log says so."""


def plain(value: Any) -> Any:
    """Make model objects plain, because Airflow does not render what is inside them.

    What cannot be made plain is left for ``execute`` to refuse, where the error reaches the task.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if not hasattr(type(value), "openapi_types"):
        return value
    from podlift.pods.plain import to_manifest

    return to_manifest(value)


def one_of(allowed: Sequence[str], value: str, name: str) -> str:
    given = str(getattr(value, "value", value))  # an enum of the same words does as well
    if given not in allowed:
        raise ValueError(f"{name} is {given!r}, but must be one of {', '.join(allowed)}.")
    return given


def _listed(callbacks: Any) -> list[Any]:
    if callbacks is None:
        return []
    return list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]


def default_deferrable() -> bool:
    from airflow.sdk.configuration import conf

    default: bool = conf.getboolean("operators", "default_deferrable", fallback=False)
    return default
