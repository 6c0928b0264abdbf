"""How `dpoq-lab` starts JupyterLab on the lessons; the token and 127.0.0.1 stay JupyterLab's own."""

import os
import sys

from dpoq_lab.paths import kit_folder


def lab_command(no_browser: bool = False, port: str | None = None, ip: str | None = None) -> list[str]:
    """The command line that opens lesson 00 in this Python's JupyterLab."""
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        f"--ServerApp.root_dir={kit_folder()}",
        "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb",
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
