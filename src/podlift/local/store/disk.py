"""The objects on disk: one SQLite file, written in batches beside the work.

A change reaches the file within :data:`FLUSH_SECONDS`; what a crash of the whole machine loses is
less than that. A clean stop loses nothing.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from podlift.local.errors import StateUnreadable

FLUSH_SECONDS = 0.25

#: Versions handed out since the last flush are lost in a crash. Skipping this many makes sure
#: that none is ever given twice, which would make a client's watch miss a change.
VERSION_GAP = 100_000

Key = tuple[str, str, str]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (kind, namespace, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""


class Disk:
    """A table of encoded objects by (kind, namespace, name)."""

    def __init__(self, path: Path) -> None:
        """Open or make the file.

        Raises :class:`~podlift.local.errors.StateUnreadable` where it is not a database.
        """
        self._path = path
        self._pending: dict[Key, bytes | None] = {}
        self._version = 0
        try:
            # Written from a worker thread, one flush at a time.
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=OFF")
            self._db.execute("PRAGMA cache_size=-1024")
            self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            raise StateUnreadable(
                f"The cluster's saved objects in {path} cannot be read ({error}); "
                "move the file away to start with an empty cluster."
            ) from error

    def version(self) -> int:
        """A resourceVersion that is higher than any that was ever given out; 0 in a new file."""
        row = self._db.execute("SELECT value FROM facts WHERE name = 'version'").fetchone()
        return row[0] + VERSION_GAP if row else 0

    def load(self) -> Iterator[tuple[Key, bytes]]:
        """Every object that was there at the last flush."""
        for kind, namespace, name, data in self._db.execute(
            "SELECT kind, namespace, name, data FROM objects"
        ):
            yield (kind, namespace, name), data

    def put(self, key: Key, data: bytes | None, version: int) -> None:
        """Note an object (None: its removal) for the next flush; never waits."""
        self._pending[key] = data
        self._version = version

    def flush(self) -> None:
        """Write what is noted, in one transaction."""
        if not self._pending:
            return
        pending, self._pending = self._pending, {}
        saved = [(*key, data) for key, data in pending.items() if data is not None]
        removed = [key for key, data in pending.items() if data is None]
        with self._db:
            self._db.execute("BEGIN")
            self._db.executemany("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", saved)
            self._db.executemany(
                "DELETE FROM objects WHERE kind = ? AND namespace = ? AND name = ?", removed
            )
            self._db.execute("INSERT OR REPLACE INTO facts VALUES ('version', ?)", (self._version,))

    async def run(self) -> None:
        """Flush again and again, off the loop, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            if self._pending:
                await asyncio.to_thread(self.flush)

    def close(self) -> None:
        """Write what is left and close the file."""
        self.flush()
        self._db.close()
