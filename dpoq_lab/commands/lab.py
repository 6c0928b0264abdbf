"""How `dpoq-lab` starts JupyterLab on the lessons; the token and 127.0.0.1 stay JupyterLab's own."""

import os
import sys
from pathlib import Path

from dpoq_lab.paths import kit_folder, runs_folder
from dpoq_lab.records import write_json

WORKSPACE = "default-37a8.jupyterlab-workspace"  # JupyterLab's name for the workspace that it opens
FOLDED = {
    "data": {"layout-restorer:data": {"left": {"collapsed": True, "visible": True, "widgets": []}}},
    "metadata": {"id": "default"},
}


def lab_command(no_browser: bool = False, port: int | None = None, ip: str | None = None) -> list[str]:
    """The command line that opens lesson 00 in this Python's JupyterLab, the file browser folded."""
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        f"--ServerApp.root_dir={kit_folder()}",
        "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb",
        f"--LabApp.workspaces_dir={workspaces_folder(runs_folder())}",
    ]
    headless = sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    if no_browser or headless:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    if port:
        command.append(f"--ServerApp.port={port}")
    if ip:
        command.append(f"--ServerApp.ip={ip}")
    return command


def lab_environment() -> dict[str, str]:
    """The environment with the kit's settings for JupyterLab: no news is asked about. A user's go first."""
    ours = Path(__file__).parent  # holds labconfig/
    before = os.environ.get("JUPYTER_CONFIG_PATH")
    return os.environ | {"JUPYTER_CONFIG_PATH": os.pathsep.join([*filter(None, [before]), str(ours)])}


def workspaces_folder(parent: Path) -> Path:
    """A folder in `parent` for JupyterLab's layout, in which at first the file browser is folded."""
    folder = parent / "jupyterlab"
    if not (folder / WORKSPACE).exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / WORKSPACE, FOLDED)
    return folder
