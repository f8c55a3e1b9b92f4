"""DAGs that git-sync brings, with the commit that they are of.

To Airflow a folder that git-sync fills is just a folder: a run has no version, and its tasks get
whatever is newest when their pods start. git-sync keeps each commit in a folder that is called
after it, and moves a link (https://github.com/kubernetes/git-sync). That is all it takes to tell
Airflow the version of what the DAG processor reads; the executor then writes the version that a run
began with on its task pods (``podlift.pods.labels.BUNDLE_VERSION``), from where their git-sync
takes what to fetch.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from airflow.dag_processing.bundles.base import BaseDagBundle

from podlift.compat import bundle_version

logger = logging.getLogger(__name__)


class GitSyncDagBundle(BaseDagBundle):
    """The commit that git-sync's link leads to; for a run, the one with which the run began.

    What is read stays the same until the next ``refresh``, although git-sync moves the link in the
    meantime: no DAG is ever read half of one commit and half of another. So git-sync has to keep a
    commit for longer than ``refresh_interval`` (``GITSYNC_STALE_WORKTREE_TIMEOUT``).

    Args:
        link: path of the link, ``GITSYNC_ROOT/GITSYNC_LINK``.
        subdir: folder of the repository that holds the DAGs.
        **options: what every bundle of Airflow takes: ``name``, ``refresh_interval`` in seconds, …
    """

    supports_versioning = True

    def __init__(self, *, link: str, subdir: str = "", **options: Any) -> None:
        super().__init__(**options)
        self._link = Path(link)
        self._subdir = subdir
        self._commit: Path | None = None

    def initialize(self) -> None:
        """Settle on the commit. Raises ``OSError`` where git-sync has not made the link yet.

        Where git-sync does not have the version that is asked for, the one that it has takes its
        place, and a warning says so: the DAG processor runs the callbacks of DAGs, which may be of
        a run that began long ago.
        """
        self._commit = self._newest()
        if self.version and self._commit.name != self.version:
            self._take(self.version)
        super().initialize()

    def _take(self, version: str) -> None:
        newest = self._newest()
        wanted = newest.with_name(version)
        if wanted.is_dir():
            self._commit = wanted
            # What Airflow removes when it thinks that this version has not been used for long.
            (self.versions_dir / version).mkdir(parents=True, exist_ok=True)
            return
        logger.warning(
            "The run began with commit %s, which git-sync has not fetched here: using %s.",
            version,
            newest.name,
        )

    @property
    def path(self) -> Path:
        """Folder of the DAGs: in the commit that was settled on, or else behind the link."""
        return (self._commit or self._link) / self._subdir

    def get_current_version(self) -> Any:
        """The whole hash of the commit that is read, in the form that this Airflow wants it in."""
        return bundle_version((self._commit or self._newest()).name)

    def refresh(self) -> None:
        """Go on to the commit that git-sync's link leads to by now. Raises ``OSError``."""
        self._commit = self._newest()

    def _newest(self) -> Path:
        return self._link.parent / os.readlink(self._link)
