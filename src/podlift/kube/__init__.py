"""Talks to a Kubernetes API server: connection, verbs, watch, logs, exec and attach, errors.

connection = await load_connection()
async with Client(connection) as client:
    async for event in watch(client, PODS, "default"):
        ...
"""

from podlift.kube.client import Client
from podlift.kube.connection import Connection, load_connection
from podlift.kube.errors import (
    AlreadyExists,
    ApiError,
    BadRequest,
    ConfigurationError,
    Conflict,
    ConnectionFailed,
    Forbidden,
    Gone,
    Invalid,
    KubeError,
    NotFound,
    ServerError,
    StreamError,
    TooManyRequests,
    Unauthorized,
    UnexpectedAnswer,
)
from podlift.kube.frames import Channel, Frame
from podlift.kube.reading import Listing
from podlift.kube.resources import (
    CONFIGMAPS,
    EVENTS,
    JOBS,
    LEASES,
    NAMESPACES,
    NODES,
    PODS,
    PVCS,
    RESOURCE_QUOTAS,
    SECRETS,
    SELF_SUBJECT_ACCESS_REVIEWS,
    SERVICE_ACCOUNTS,
    SERVICES,
    Resource,
)
from podlift.kube.streaming import Completed, RemoteStream
from podlift.kube.view import WatchEvent
from podlift.kube.watching import watch
from podlift.kube.writing import Patch

__all__ = [
    "CONFIGMAPS",
    "EVENTS",
    "JOBS",
    "LEASES",
    "NAMESPACES",
    "NODES",
    "PODS",
    "PVCS",
    "RESOURCE_QUOTAS",
    "SECRETS",
    "SELF_SUBJECT_ACCESS_REVIEWS",
    "SERVICES",
    "SERVICE_ACCOUNTS",
    "AlreadyExists",
    "ApiError",
    "BadRequest",
    "Channel",
    "Client",
    "Completed",
    "ConfigurationError",
    "Conflict",
    "Connection",
    "ConnectionFailed",
    "Forbidden",
    "Frame",
    "Gone",
    "Invalid",
    "KubeError",
    "Listing",
    "NotFound",
    "Patch",
    "RemoteStream",
    "Resource",
    "ServerError",
    "StreamError",
    "TooManyRequests",
    "Unauthorized",
    "UnexpectedAnswer",
    "WatchEvent",
    "load_connection",
    "watch",
]
