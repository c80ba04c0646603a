"""A service's workflow, run here: its jobs one after the other, each in a checkout of its own, with what they pass on.

What a job's steps are is read from the workflow: commands run, artifacts and caches are folders, and conditions and expressions
are those that the workflow uses. Everything else that GitHub does is left out; unknown actions and expressions are errors.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service import Done, Service
from workflows import load

EXPRESSION = re.compile(r"\$\{\{ *(.+?) *\}\}")
SUCCEEDED = "success"


@dataclass
class Chain:
    """A run of the workflow: of what is committed in `service`, in folders below `folder`."""

    service: Service
    folder: Path
    ref: str = "refs/heads/main"
    replaced: Mapping[str, str] = field(default_factory=dict)
    """Parts of commands, and what runs in their place."""
    needs: dict[str, str] = field(default_factory=dict)
    """The result of each job that ran."""
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    """The outputs of each job."""
    done: dict[str, Done] = field(default_factory=dict)
    """What came of the last command of each job."""
    summary: str = ""
    """What the jobs wrote for the page of the run."""

    @property
    def jobs(self) -> dict[str, Any]:
        """The jobs, as the workflow describes them."""
        jobs: dict[str, Any] = load(self.service.folder / ".github" / "workflows" / "tests.yml")["jobs"]
        return jobs

    def run(self, *names: str, leave_out: tuple[str, ...] = ()) -> None:
        """Run these jobs; `leave_out` has jobs of a matrix that never start, by the checkout that they would get."""
        for name in names:
            job, results = self.jobs[name], []
            ready = all(self.needs.get(need) == SUCCEEDED for need in job.get("needs", ()))
            if not ready and "cancelled()" not in job.get("if", ""):
                self.needs[name] = "skipped"
                continue
            for index, values in enumerate(self._matrix(job)):
                checkout = f"{name}-{index}"
                context = {f"matrix.{key}": value for key, value in values.items()}
                context |= {"strategy.job-index": str(index)}
                if checkout in leave_out:
                    results.append("failure")
                else:
                    results.append(self._run_job(name, job, self.folder / checkout, context))
            self.needs[name] = SUCCEEDED if set(results) == {SUCCEEDED} else "failure"

    def green(self, name: str = "all-green") -> bool:
        """Tell whether the last job passes, by the documented rule of its action: every job it needs has succeeded."""
        return all(self.needs[need] == SUCCEEDED for need in self.jobs[name]["needs"])

    def _matrix(self, job: Any) -> Iterator[dict[str, str]]:
        matrix = job.get("strategy", {}).get("matrix")
        if not matrix:
            yield {}
            return
        ((key, values),) = matrix.items()
        if isinstance(values, str):
            match = re.fullmatch(r"\$\{\{ fromJSON\(needs\.(\w+)\.outputs\.(\w+)\) \}\}", values)
            assert match, values
            values = json.loads(self.outputs[match[1]][match[2]])
        for value in values:
            yield {key: value}

    def _run_job(self, name: str, job: Any, checkout: Path, context: dict[str, str]) -> str:
        context |= {"github.run_id": self.folder.name, "github.run_attempt": "1", "github.ref": self.ref}
        result = SUCCEEDED
        for step in job["steps"]:
            condition = step.get("if", "")
            if result != SUCCEEDED and "cancelled()" not in condition:
                continue
            if "refs/heads/main" in condition and self.ref != "refs/heads/main":
                continue
            given = {key: self._filled(str(value), context) for key, value in step.get("with", {}).items()}
            if "run" in step:
                environment = {
                    key: self._filled(value, context) for key, value in step.get("env", {}).items()
                }
                if not self._run_command(name, step, checkout, environment):
                    result = "failure"
            elif not self._use(step["uses"].partition("@")[0], given, checkout):
                result = "failure"
        return result

    def _filled(self, text: str, context: Mapping[str, str]) -> str:
        return EXPRESSION.sub(lambda match: context[match[1]], text)

    def _run_command(self, name: str, step: Any, checkout: Path, environment: dict[str, str]) -> bool:
        command = step["run"]
        for old, new in self.replaced.items():
            command = command.replace(old, new)
        files = {
            variable: self.folder / f"{checkout.name}-{variable}"
            for variable in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")
        }
        environment |= {variable: str(path) for variable, path in files.items()} | {"CI": "true"}
        service = Service(checkout, self.service.environment, self.service.account)
        shell = (
            "env",
            *(f"{key}={value}" for key, value in environment.items()),
            "bash",
            "-eo",
            "pipefail",
            "-c",
        )
        self.done[name] = service.run(*shell, command, status=None)
        if files["GITHUB_OUTPUT"].exists():
            lines = files["GITHUB_OUTPUT"].read_text().splitlines()
            self.outputs[name] = dict(line.split("=", 1) for line in lines)
        if files["GITHUB_STEP_SUMMARY"].exists():
            self.summary = files["GITHUB_STEP_SUMMARY"].read_text()
        return self.done[name].status == 0

    def _use(self, action: str, given: dict[str, str], checkout: Path) -> bool:
        artifacts, caches = self.folder / "artifacts", self.folder.parent / "caches"
        match action:
            case "actions/checkout":
                # As GitHub does it: every file is new.
                subprocess.run(["git", "clone", "-q", str(self.service.folder), str(checkout)], check=True)
            case "astral-sh/setup-uv":
                pass
            case "actions/upload-artifact":
                return self._copy(checkout, given["path"], artifacts / given["name"]) or "warn" in given.get(
                    "if-no-files-found", ""
                )
            case "actions/download-artifact":
                found = sorted(artifacts.glob(given.get("pattern") or given["name"]))
                for artifact in found:
                    target = checkout / given.get("path", ".") / (artifact.name if "pattern" in given else "")
                    shutil.copytree(artifact, target, dirs_exist_ok=True)
                return bool(found) or "pattern" in given
            case "actions/cache/restore":
                saved = sorted(
                    caches.glob(f"{given['restore-keys']}*"), key=lambda path: path.stat().st_mtime_ns
                )
                for cache in saved[-1:]:
                    shutil.copytree(cache, checkout, dirs_exist_ok=True)
            case "actions/cache/save":
                self._copy(checkout, given["path"], caches / given["key"])
            case _:
                raise AssertionError(f"an action that the chain doesn't know: {action}")
        return True

    def _copy(self, checkout: Path, patterns: str, target: Path) -> bool:
        """Copy what fits the patterns, and return whether anything did. One path alone loses the folders before it."""
        lines = patterns.split()
        found = [path for pattern in lines for path in checkout.glob(pattern)]
        for path in found:
            relative = path.relative_to(checkout) if len(lines) > 1 else Path(path.name)
            if path.is_dir():
                shutil.copytree(path, target / relative, dirs_exist_ok=True)
            else:
                (target / relative).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target / relative)
        return bool(found)
