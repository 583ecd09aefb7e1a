"""How busy others keep the machine that measures, and what it does to its own speed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from theseus_plugin.cores import CGROUPS

BUSY = 0.1
CPUS = Path("/sys/devices/system/cpu")


class Watch:
    """Who else used the processor between its making and `record`.

    Finished child processes count as ours, running ones do not: ask when none is running.
    """

    def __init__(self) -> None:
        self._load = os.getloadavg()[0]
        self._all, self._ours, self._wall = _all_seconds(), _our_seconds(), time.monotonic()
        self._stolen, self._counters = _stolen_seconds(), _throttles()

    def record(self) -> dict[str, Any]:
        """Load averages, cores used by others on average, and `busy`: those were more than a tenth of all.

        Also `steal_share`, the part of the cores' time that other virtual machines took; the frequency `governor` of
        the cores; and how often meanwhile a core was slowed down for heat (`thermal_throttles`) or this process was
        stopped for its quota (`quota_throttles`). Each is None where the system does not tell.
        """
        wall = max(time.monotonic() - self._wall, 1e-9)
        cores = os.cpu_count() or 1
        everyone, stolen = _since(self._all, _all_seconds()), _since(self._stolen, _stolen_seconds())
        others = None if everyone is None else max(0.0, everyone - (_our_seconds() - self._ours)) / wall
        return {
            "load_before": self._load,
            "load_after": os.getloadavg()[0],
            "others_cores": others,
            "busy": None if others is None else others > BUSY * cores,
            "steal_share": None if stolen is None else stolen / (wall * cores),
            "governor": governor(),
            **{name: _since(self._counters[name], count) for name, count in _throttles().items()},
        }


def governor(cpus: Path = CPUS) -> str | None:
    """The frequency governor of the cores, `a, b` where they differ; None where the system does not tell."""
    found = {_read(file) for file in cpus.glob("cpu[0-9]*/cpufreq/scaling_governor")} - {None}
    return ", ".join(sorted(map(str, found))) or None


def _throttles(cpus: Path = CPUS, group: Path = CGROUPS) -> dict[str, float | None]:
    counts = [_read(file) for file in cpus.glob("cpu[0-9]*/thermal_throttle/core_throttle_count")]
    heat = [int(count) for count in counts if count is not None and count.isdecimal()]
    facts = dict(line.split() for line in (_read(group / "cpu.stat") or "").splitlines())
    quota = facts.get("nr_throttled")
    return {
        "thermal_throttles": sum(heat) if heat else None,
        "quota_throttles": None if quota is None else int(quota),
    }


def _since(before: float | None, now: float | None) -> float | None:
    return None if before is None or now is None else now - before


def _read(file: Path) -> str | None:
    try:
        return file.read_text().strip()
    except OSError:
        return None


def _all_seconds() -> float | None:
    """CPU seconds that everybody on this machine has used, time stolen by other machines included."""
    fields = _fields()
    if fields is None:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields
    return user + nice + system + irq + softirq + steal


def _stolen_seconds() -> float | None:
    fields = _fields()
    return None if fields is None else fields[7]


def _fields() -> list[float] | None:
    """The seconds in the first line of /proc/stat."""
    text = _read(Path("/proc/stat"))
    return None if text is None else [int(f) / os.sysconf("SC_CLK_TCK") for f in text.split("\n")[0].split()[1:9]]


def _our_seconds() -> float:
    return sum(os.times()[:4])
