"""How the lessons are opened: what JupyterLab is told on which machine."""

import json
import os
import sys

import pytest

from dpoq_lab.commands import lab
from dpoq_lab.paths import kit_folder


@pytest.fixture
def command(monkeypatch, tmp_path):
    monkeypatch.setattr(lab, "runs_folder", lambda: tmp_path)

    def of(platform="linux", user=1000, display=(), **given):
        monkeypatch.setattr(sys, "platform", platform)
        monkeypatch.setattr(os, "geteuid", lambda: user)
        for name in ("DISPLAY", "WAYLAND_DISPLAY"):
            monkeypatch.delenv(name, raising=False)
        for name in display:
            monkeypatch.setenv(name, ":0")
        return lab.lab_command(**given)

    return of


def test_a_browser_opens_where_there_is_a_screen(command):
    for display in (["DISPLAY"], ["WAYLAND_DISPLAY"]):
        assert "--no-browser" not in command(display=display)
    assert "--no-browser" in command()
    assert "--no-browser" not in command("darwin")
    assert "--no-browser" in command("darwin", no_browser=True)


def test_root_is_allowed_and_port_and_address_are_handed_on(command):
    assert "--allow-root" in command(user=0)
    plain = command(user=1)
    assert plain[:3] == [sys.executable, "-m", "jupyterlab"]
    assert not {"--allow-root"} & set(plain)
    assert not any(word.startswith(("--ServerApp.port", "--ServerApp.ip")) for word in plain)
    assert command(port="8", ip="1.2.3.4")[-2:] == ["--ServerApp.port=8", "--ServerApp.ip=1.2.3.4"]


def test_the_users_settings_go_before_the_kits(monkeypatch):
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "mine")
    mine, ours = lab.lab_environment()["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    assert (mine, os.path.basename(ours)) == ("mine", "commands")  # noqa: PTH119
    monkeypatch.delenv("JUPYTER_CONFIG_PATH")
    assert lab.lab_environment()["JUPYTER_CONFIG_PATH"] == ours


def test_a_layout_that_is_there_is_the_users(tmp_path):
    folder = lab.workspaces_folder(tmp_path / "runs")
    assert folder == tmp_path / "runs" / "jupyterlab"
    layout = folder / lab.WORKSPACE
    left = json.loads(layout.read_text())["data"]["layout-restorer:data"]["left"]
    assert left == {"collapsed": True, "visible": True, "widgets": []}
    layout.write_text("mine")
    assert lab.workspaces_folder(tmp_path / "runs") == folder
    assert layout.read_text() == "mine"


def test_the_command_whole_and_a_folder_that_is_there(command, tmp_path):
    (tmp_path / "jupyterlab").mkdir()  # without a layout: it gets one
    assert command(display=["DISPLAY"], port=7, ip="1.2.3.4") == [
        *(sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={kit_folder()}"),
        "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb",
        f"--LabApp.workspaces_dir={tmp_path / 'jupyterlab'}",
        *("--ServerApp.port=7", "--ServerApp.ip=1.2.3.4"),
    ]
    assert json.loads((tmp_path / "jupyterlab" / lab.WORKSPACE).read_text()) == lab.FOLDED
    assert command(user=0)[-2:] == ["--no-browser", "--allow-root"]
