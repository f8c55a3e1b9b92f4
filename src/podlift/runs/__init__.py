"""Run one pod from its creation to its deletion: the path that every operator and trigger takes.

    creating ─▶ starting ─▶ following the logs ─▶ ending ─▶ cleaning up

Nothing here knows Airflow. What is said on the way, a ``Listener`` hears; how it ended is an
``Outcome``, plain data that can go from one process to another.
"""

from podlift.runs.errors import PodNotCreated, PodNotObserved, ResultNotRead, RunError
from podlift.runs.listening import LineFormat, Listener, Moment
from podlift.runs.options import OnFinish, OnKill, RunOptions
from podlift.runs.outcome import Outcome
from podlift.runs.run import PodRun

__all__ = [
    "LineFormat",
    "Listener",
    "Moment",
    "OnFinish",
    "OnKill",
    "Outcome",
    "PodNotCreated",
    "PodNotObserved",
    "PodRun",
    "ResultNotRead",
    "RunError",
    "RunOptions",
]
