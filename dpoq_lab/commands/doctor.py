"""What this machine has, which preset it gets, and a fix for each thing missing."""

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, requires, version

from dpoq_lab import smollm2
from dpoq_lab.presets import bf16_is_fast, find_preset


def examine(fetch: bool = False) -> dict:
    """Look at the machine; with `fetch`, get SmolLM2 first. `ready` is whether lessons can run."""
    import torch

    if fetch:
        smollm2.fetch()
    missing = _missing_packages()
    cuda = torch.cuda.is_available()
    fixes = [f"pip install {name}" for name in missing]
    if not smollm2.is_cached():
        fixes.append("dpoq-lab doctor --fetch (SmolLM2-135M is not cached; lessons use `tiny` without it)")
    return {
        "ready": not missing,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": version("transformers"),
        "cpu_cores": os.cpu_count(),
        "free_disk_gb": round(shutil.disk_usage(_existing(smollm2.cache_folder())).free / 1e9, 1),
        "gpu": torch.cuda.get_device_name() if cuda else None,
        "bf16_is_fast": bf16_is_fast(),
        "preset": find_preset().name,
        "smollm2-135m": str(smollm2.checkpoint_folder()) if smollm2.is_cached() else None,
        "fixes": fixes,
    }


def report_lines(findings: dict) -> str:
    """The findings for a reader: a line each, then the fixes."""
    lines = [f"{key:>14}  {value}" for key, value in findings.items() if key != "fixes"]
    lines += [f"{'to mend':>14}  {fix}" for fix in findings["fixes"]]
    return "\n".join(lines)


def _missing_packages() -> list[str]:
    missing = []
    for requirement in requires("dpoq-lab") or []:
        name = requirement.split(";")[0].split("<")[0].split(">")[0].split("=")[0].strip()
        try:
            if "extra ==" not in requirement:
                version(name)
        except PackageNotFoundError:
            missing.append(name)
    return missing


def _existing(folder) -> str:  # noqa: ANN001
    while not folder.exists():
        folder = folder.parent
    return str(folder)
