"""Run the sessions of noxfile.py on a machine that has Python and git and nothing else: `python3 bootstrap.py demo`.

Makes a private environment with nox and uv in `.cache/` (some seconds, the first time only), then hands all arguments
to nox: `python3 bootstrap.py fast -- -k hook` is `nox -s fast -- -k hook`.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
LOWEST = (3, 11)
# Each of these would have Python, pip or uv work on somebody else's packages.
FOREIGN = ("PYTHONHOME", "PYTHONPATH", "PIP_PREFIX", "PIP_TARGET", "PIP_USER", "VIRTUAL_ENV")


def prepare(folder: Path, environment: "dict[str, str]") -> Path:
    """Make `folder` a virtual environment with the pinned nox and uv, unless it is; return its folder of programs."""
    import tomllib
    import venv

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pins = project["dependency-groups"]["bootstrap"]
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    # Written last, so that an interrupted installation starts anew; an environment can't be moved, nor its Python.
    stamp, wanted = folder / "complete", "\n".join([*pins, str(folder), sys.base_prefix, sys.version])
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        say(f"bootstrap: installing {' and '.join(pins)} into {folder.relative_to(ROOT)}, some seconds ...")
        venv.create(folder, clear=True, with_pip=True)
        pip = [str(programs / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", *pins]
        if subprocess.run(pip, env=environment).returncode:
            sys.exit(
                "bootstrap: pip failed, see above; if that was for want of a network, run this again with one"
            )
        stamp.write_text(wanted, encoding="utf-8")
    return programs


def say(text: str) -> None:
    """Print `text` to standard error, so that standard output is nox's alone."""
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Prepare the environment and run nox in it; return nox's exit status."""
    if sys.version_info < LOWEST:
        version = "{}.{}".format(*sys.version_info)
        sys.exit(f"bootstrap: this is Python {version}; use 3.11 or newer, such as: python3.13 bootstrap.py")
    if not all(map(importlib.util.find_spec, ("venv", "ensurepip"))):
        package = "python{}.{}-venv".format(*sys.version_info)
        sys.exit(
            f"bootstrap: this Python can't make environments; on Debian and Ubuntu: apt install {package}"
        )
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    programs = prepare(ROOT / ".cache" / "bootstrap-{}.{}".format(*sys.version_info), environment)
    environment["PATH"] = os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])
    # The sessions run on the Python that runs this, not on another one that uv may find first.
    environment.setdefault("UV_PYTHON", getattr(sys, "_base_executable", sys.executable))
    arguments = sys.argv[1:]
    if arguments and not arguments[0].startswith("-"):
        arguments.insert(0, "--session")
    command = [str(programs / "python"), "-m", "nox", "--noxfile", str(ROOT / "noxfile.py"), *arguments]
    try:
        return subprocess.run(command, env=environment).returncode
    except KeyboardInterrupt:  # nox got it as well, and has said so
        return 130


if __name__ == "__main__":
    sys.exit(main())
