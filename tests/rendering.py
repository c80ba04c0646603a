"""Render the template as it stands in the working tree, uncommitted changes included."""

import shutil
import subprocess
from pathlib import Path

from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parent.parent


def copy_template(destination: Path) -> Path:
    """Copy what git tracks, or would track, to `destination` and return it.

    Files that git ignores (caches, environments) stay behind, as they would in a clone.
    """
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listing.split("\0")):
        source = ROOT / name
        if source.exists():
            target = destination / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return destination


def render(template: Path, output_dir: Path, **answers: str) -> Path:
    """Render `template` without prompts into `output_dir`; return the service's folder."""
    output_dir.mkdir(parents=True, exist_ok=True)
    return Path(
        cookiecutter(str(template), no_input=True, output_dir=str(output_dir), extra_context=answers)
    )
