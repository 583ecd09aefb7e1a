"""How busy others keep the machine that measures."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

BUSY = 0.1


class Watch:
    """Who else used the processor between its making and `record`.

    Finished child processes count as ours, running ones do not: ask when none is running.
    """

    def __init__(self) -> None:
        self._load = os.getloadavg()[0]
        self._all, self._ours, self._wall = _all_seconds(), _our_seconds(), time.monotonic()

    def record(self) -> dict[str, Any]:
        """Load averages, cores used by others on average, and `busy`: those were more than a tenth of all.

        `others_cores` and `busy` are None where the system does not tell.
        """
        others = None
        everyone = _all_seconds()
        if everyone is not None and self._all is not None:
            wall = time.monotonic() - self._wall
            others = max(0.0, everyone - self._all - (_our_seconds() - self._ours)) / max(wall, 1e-9)
        return {
            "load_before": self._load,
            "load_after": os.getloadavg()[0],
            "others_cores": others,
            "busy": None if others is None else others > BUSY * (os.cpu_count() or 1),
        }


def _all_seconds() -> float | None:
    """CPU seconds that everybody on this machine has used, time stolen by other machines included."""
    try:
        fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _our_seconds() -> float:
    return sum(os.times()[:4])
