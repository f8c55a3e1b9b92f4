"""The objects of the cluster: their versions, the history that watches read, and the disk."""

from podlift.local.store.changes import Change, ChangeType, Event, Subscription
from podlift.local.store.deletion import (
    begin_deletion,
    drop_finalizer,
    finish_deletion,
    is_held,
    remove_released,
)
from podlift.local.store.disk import Disk
from podlift.local.store.facts import Facts
from podlift.local.store.objects import Store, now

__all__ = [
    "Change",
    "ChangeType",
    "Disk",
    "Event",
    "Facts",
    "Store",
    "Subscription",
    "begin_deletion",
    "drop_finalizer",
    "finish_deletion",
    "is_held",
    "now",
    "remove_released",
]
