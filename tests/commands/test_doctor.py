"""What `doctor` finds on a machine, and what is to be mended."""

from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import pytest

from dpoq_lab.commands import doctor


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine without the model, without a GPU and with all packages."""
    state = SimpleNamespace(cached=False, fetched=0)
    monkeypatch.setattr(doctor.smollm2, "fetch", lambda: setattr(state, "fetched", state.fetched + 1))
    monkeypatch.setattr(doctor.smollm2, "is_cached", lambda: state.cached)
    monkeypatch.setattr(doctor.smollm2, "cache_folder", lambda: tmp_path / "not" / "there")
    monkeypatch.setattr(doctor.smollm2, "checkpoint_folder", lambda: tmp_path / "model")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(doctor, "requires", lambda _: ["numpy<3,>=2", "torch==2", 'ghost; extra == "x"'])
    monkeypatch.setattr(
        doctor.shutil, "disk_usage", lambda folder: SimpleNamespace(free=12.34e9 * (folder == str(tmp_path)))
    )
    return state


def test_a_machine_that_is_ready_but_for_the_model(machine, tmp_path):
    found = doctor.examine()
    assert (found["ready"], found["gpu"], found["smollm2-135m"]) == (True, None, None)
    assert found["free_disk_gb"] == 12.3  # of the nearest folder that is there
    [fix] = found["fixes"]
    assert fix.startswith("dpoq-lab doctor --fetch")
    assert machine.fetched == 0
    machine.cached = True
    found = doctor.examine(fetch=True)
    assert machine.fetched == 1
    assert (found["fixes"], found["smollm2-135m"]) == ([], str(tmp_path / "model"))


def test_a_gpu_is_named(machine, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "a card")
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda: True)
    found = doctor.examine()
    assert (found["gpu"], found["preset"], found["bf16_is_fast"]) == ("a card", "gpu", True)


def test_a_package_that_is_missing_is_named_but_for_extras(machine, monkeypatch):
    def version(name):
        if name in ("torch", "ghost"):
            raise PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(doctor, "version", version)
    machine.cached = True
    found = doctor.examine()
    assert (found["ready"], found["fixes"]) == (False, ["pip install torch"])


def test_the_findings_for_a_reader():
    lines = doctor.report_lines({"ready": False, "python": "3", "fixes": ["one", "two"]})
    assert lines.split("\n") == [
        *("         ready  False", "        python  3", "       to mend  one", "       to mend  two"),
    ]
