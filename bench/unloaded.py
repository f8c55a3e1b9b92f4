"""What the machine itself does to a short piece of work: the base line for heartbeats.

    python -m bench.unloaded

Fifty times a second it does what takes about as long as a heartbeat, in a process with nothing else
in it. To each line it answers with the times since the last one, in milliseconds, as JSON. Where
other processes want the cores too, these are what a heartbeat could be at best.
"""

from __future__ import annotations

import json
import sys
import threading
import time

from bench.driving import Beats

_PAUSE = 0.02
_WORK = range(3000)


def main() -> None:
    beats = [Beats()]

    def work() -> None:
        while True:
            began = time.perf_counter()
            sum(_WORK)
            beats[0].taken.append(time.perf_counter() - began)
            time.sleep(_PAUSE)

    threading.Thread(target=work, daemon=True).start()
    print("ready", flush=True)
    for _ in sys.stdin:
        taken, beats[0] = beats[0], Beats()
        print(json.dumps(taken.milliseconds()), flush=True)


if __name__ == "__main__":
    main()
