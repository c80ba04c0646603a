"""Render the template as it stands in the working tree, uncommitted changes included."""

import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def template_files() -> list[Path]:
    """Return the files that git tracks, or would track, relative to the template's folder."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [Path(name) for name in sorted(set(listing.split("\0"))) if name and (ROOT / name).exists()]


def copy_template(destination: Path) -> Path:
    """Copy what git tracks, or would track, to `destination` and return it.

    Files that git ignores (caches, environments) stay behind, as they would in a clone, and links stay links.
    """
    for name in template_files():
        target = destination / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target, follow_symlinks=False)
    return destination


def settings_file(folder: Path) -> Path:
    """Write cookiecutter's settings into `folder`, so that those of the user neither count nor change."""
    path = folder / "cookiecutter.yml"
    path.write_text(f"cookiecutters_dir: {folder / 'cookiecutters'}\nreplay_dir: {folder / 'replay'}\n")
    return path


def render(template: Path, output_dir: Path, **answers: str) -> Path:
    """Render `template` without prompts into `output_dir`; return the service's folder."""
    from cookiecutter.main import cookiecutter  # here: the tests of pytest-tiers would wait for it

    output_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        service = cookiecutter(
            str(template),
            no_input=True,
            output_dir=str(output_dir),
            extra_context=answers,
            config_file=str(settings_file(Path(folder))),
        )
    return Path(service)
