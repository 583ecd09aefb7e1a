import pytest

from theseus_plugin.measure import machine as machine
from theseus_plugin.measure.machine import Watch


def scripted(monkeypatch, **seconds):
    monkeypatch.setattr(machine, "_all_seconds", lambda: seconds["all"])
    monkeypatch.setattr(machine, "_our_seconds", lambda: seconds["ours"])
    monkeypatch.setattr(machine, "_stolen_seconds", lambda: seconds["stolen"])
    monkeypatch.setattr(machine.time, "monotonic", lambda: seconds["wall"])
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 2)
    return seconds


def test_our_own_work_is_not_taken_for_that_of_others(monkeypatch):
    seconds = scripted(monkeypatch, all=100.0, ours=10.0, stolen=1.0, wall=0.0)
    watch = Watch()
    seconds.update(all=120.0, ours=29.0, wall=10.0, stolen=2.0)
    record = watch.record()
    assert record["others_cores"] == pytest.approx(0.1)
    assert record["busy"] is False
    assert record["steal_share"] == pytest.approx(1 / 20)
    seconds["all"] = 125.0
    assert watch.record()["busy"] is True


def test_a_system_that_does_not_tell(monkeypatch):
    monkeypatch.setattr(machine, "_read", lambda file: None)
    record = Watch().record()
    assert {name for name, value in record.items() if value is None} == {
        "others_cores",
        "busy",
        "steal_share",
        "governor",
        "thermal_throttles",
        "quota_throttles",
    }


def test_governor_and_throttles_of_all_cores(tmp_path):
    for core, governor in (("cpu0", "powersave"), ("cpu1", "performance"), ("cpu10", "powersave")):
        (tmp_path / core / "cpufreq").mkdir(parents=True)
        (tmp_path / core / "cpufreq/scaling_governor").write_text(governor + "\n")
        (tmp_path / core / "thermal_throttle").mkdir()
        (tmp_path / core / "thermal_throttle/core_throttle_count").write_text("4\n")
    (tmp_path / "cpu.stat").write_text("usage_usec 17\nnr_throttled 3\n")
    assert machine.governor(tmp_path) == "performance, powersave"
    assert machine._throttles(tmp_path, tmp_path) == {"thermal_throttles": 12, "quota_throttles": 3}


def test_throttles_are_those_of_the_time_watched(monkeypatch):
    counts = {"thermal_throttles": 5, "quota_throttles": None}
    monkeypatch.setattr(machine, "_throttles", lambda: dict(counts))
    watch = Watch()
    counts["thermal_throttles"] = 7
    record = watch.record()
    assert (record["thermal_throttles"], record["quota_throttles"]) == (2, None)
