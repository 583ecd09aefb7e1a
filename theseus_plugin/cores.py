"""How many cores this process may use."""

from __future__ import annotations

import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def usable_cores(cgroups: Path = CGROUPS) -> int:
    """Cores this process may run on, reduced to the control group's quota, rounded down; at least 1."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return max(1, min(len(allowed), int(_quota(cgroups))))


def _quota(cgroups: Path) -> float:
    """CPU seconds per second that the control group grants, in version 2 or version 1 of its files."""
    try:
        limit, period = (cgroups / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            limit = (cgroups / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (cgroups / "cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return 2**31
    return 2**31 if limit in ("max", "-1") else int(limit) / int(period)
