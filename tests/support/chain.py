"""A service's workflow, run here: its jobs one after the other, each in a checkout of its own, with what they pass on.

What a job's steps are is read from the workflow: commands run, artifacts and caches are folders, and conditions and expressions
are evaluated. Everything else that GitHub does is left out; unknown actions and expressions are errors.
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
TOKEN = re.compile(r"'[^']*'|[A-Za-z_][\w-]*(?:\.[\w-]+)*\(?|&&|\|\||==|!=|!|[(),]|\s+")
OPERATORS = {"&&": " and ", "||": " or ", "!": "not "}
SUCCEEDED = "success"


def evaluate(expression: str, context: Mapping[str, str], succeeded: bool = True) -> Any:
    """Return what an expression gives, without its braces. Raises KeyError for a name that isn't in `context`."""
    functions = {
        "fromJSON": json.loads,
        "toJSON": lambda value: value,
        "contains": lambda items, item: item in items,
        "always": lambda: True,
        "cancelled": lambda: False,
        "success": lambda: succeeded,
        "context": context,
    }
    python = ""
    for token in tokens(expression):
        if token in OPERATORS:
            python += OPERATORS[token]
        elif token.endswith("(") or not token[0].isalpha():
            python += token
        else:
            python += f"context[{token!r}]"
    return eval(python, {"__builtins__": {}}, functions)


def tokens(expression: str) -> Iterator[str]:
    """Yield the words of an expression. Raises AssertionError for one that GitHub has and this hasn't."""
    place = 0
    while place < len(expression):
        match = TOKEN.match(expression, place)
        assert match, f"an expression that the chain doesn't know: {expression[place:]}"
        yield match[0]
        place = match.end()


def filled(text: str, context: Mapping[str, str]) -> str:
    """Return `text` with the expressions in it evaluated."""
    return EXPRESSION.sub(lambda match: str(evaluate(match[1], context)), text)


@dataclass
class Chain:
    """A run of the workflow: of what is committed in `service`, in folders below `folder`."""

    service: Service
    folder: Path
    ref: str = "refs/heads/main"
    replaced: Mapping[str, str] = field(default_factory=dict)
    """Parts of commands, and what runs in their place."""
    attempt: int = 1
    results: dict[str, dict[int, str]] = field(default_factory=dict)
    """The result of each job that ran, by its place in its matrix."""
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    """The outputs of each job."""
    done: dict[str, Done] = field(default_factory=dict)
    """What came of the last command of each job."""
    ran: list[str] = field(default_factory=list)
    """The checkouts of all jobs that ran, in their order."""
    summary: str = ""
    """What the jobs wrote for the page of the run."""

    @property
    def jobs(self) -> dict[str, Any]:
        """The jobs, as the workflow describes them."""
        jobs: dict[str, Any] = load(self.service.folder / ".github" / "workflows" / "tests.yml")["jobs"]
        return jobs

    @property
    def needs(self) -> dict[str, str]:
        """The result of each job, as those see it that need it."""
        return {
            name: SUCCEEDED if set(of_job.values()) == {SUCCEEDED} else "failure"
            for name, of_job in self.results.items()
        }

    def run(self, *names: str, leave_out: tuple[str, ...] = ()) -> None:
        """Run these jobs; `leave_out` has jobs of a matrix that never start, by their name and place: `tests-1`."""
        for name in names:
            self.results.pop(name, None)
            for index in range(len(self._matrix(name))):
                if f"{name}-{index}" in leave_out:
                    self.results.setdefault(name, {})[index] = "failure"
                else:
                    self._run_job(name, index)

    def run_failed_again(self) -> None:
        """Do what "Re-run failed jobs" does: run those, and all that need them, in another attempt."""
        self.attempt += 1
        again: set[str] = set()
        for name, job in self.jobs.items():
            dependent = bool(again & set(job.get("needs", ())))
            for index, result in self.results[name].items():
                if dependent or result != SUCCEEDED:
                    again.add(name)
                    self._run_job(name, index)

    def _matrix(self, name: str) -> list[dict[str, str]]:
        matrix = self.jobs[name].get("strategy", {}).get("matrix")
        if not matrix:
            return [{}]
        more, (key, values) = matrix.get("include", []), next(iter(matrix.items()))
        context = self._context(name)
        more, values = (
            evaluate(match[1], context)
            if isinstance(given, str) and (match := EXPRESSION.fullmatch(given))
            else given
            for given in (more, values)
        )
        return [*({key: value} for value in values), *more]

    def _context(self, name: str) -> dict[str, str]:
        context = {
            "github.run_id": self.folder.name,
            "github.run_attempt": str(self.attempt),
            "github.ref": self.ref,
            "needs": json.dumps({need: self.needs.get(need) for need in self.jobs[name].get("needs", ())}),
        }
        for need in self.jobs[name].get("needs", ()):
            context |= {
                f"needs.{need}.outputs.{key}": value for key, value in self.outputs.get(need, {}).items()
            }
        return context

    def _run_job(self, name: str, index: int) -> None:
        job, results = self.jobs[name], self.results.setdefault(name, {})
        ready = all(self.needs.get(need) == SUCCEEDED for need in job.get("needs", ()))
        if not ready and "always()" not in job.get("if", ""):
            results[index] = "skipped"
            return
        checkout = self.folder / (f"{name}-{index}" + (f"-again-{self.attempt}" if self.attempt > 1 else ""))
        self.ran.append(checkout.name)
        matrix = self._matrix(name)
        context = self._context(name) | {f"matrix.{key}": value for key, value in matrix[index].items()}
        context |= {"strategy.job-index": str(index), "strategy.job-total": str(len(matrix))}
        results[index] = SUCCEEDED
        for step in job["steps"]:
            condition = EXPRESSION.sub(r"\1", step.get("if", "success()"))
            if not re.search(r"(success|always|cancelled)\(\)", condition):
                condition = f"success() && {condition}"
            if not evaluate(condition, context, results[index] == SUCCEEDED):
                continue
            if "run" in step:
                well = self._run_command(name, step, checkout, context)
            else:
                given = {key: filled(str(value), context) for key, value in step.get("with", {}).items()}
                well = self._use(step["uses"].partition("@")[0], given, checkout)
            if not well:
                results[index] = "failure"
        self.outputs[name] = {
            key: filled(value, context)
            for key, value in job.get("outputs", {}).items()
            if results[index] == SUCCEEDED
        }

    def _run_command(self, name: str, step: Any, checkout: Path, context: dict[str, str]) -> bool:
        command = filled(step["run"], context)
        for old, new in self.replaced.items():
            command = command.replace(old, new)
        environment = {key: filled(value, context) for key, value in step.get("env", {}).items()}
        files = {
            variable: self.folder / f"{checkout.name}-{variable}"
            for variable in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")
        }
        environment |= {variable: str(path) for variable, path in files.items()} | {"CI": "true"}
        service = Service(checkout, self.service.environment, self.service.account)
        variables = (f"{key}={value}" for key, value in environment.items())
        self.done[name] = service.run(
            "env", *variables, "bash", "-eo", "pipefail", "-c", command, status=None
        )
        if files["GITHUB_OUTPUT"].exists():
            for line in files["GITHUB_OUTPUT"].read_text().splitlines():
                key, _, value = line.partition("=")
                context[f"steps.{step['id']}.outputs.{key}"] = value
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
                name = artifacts / given["name"]
                assert not name.exists(), f"GitHub has an artifact {given['name']} of this run already"
                return self._copy(checkout, given["path"], name) or "warn" in given.get(
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
            case "re-actors/alls-green":  # by its documented rule: every job that is needed has succeeded
                return set(json.loads(given["jobs"]).values()) == {SUCCEEDED}
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
