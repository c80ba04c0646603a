"""The workflow of a service, and the template's own: valid, pinned, with few rights, and nothing in them but sessions."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from rendering import ROOT, render
from workflows import CHECKERS, commands, load, run

pytestmark = pytest.mark.fast

OWN = ROOT / ".github" / "workflows" / "tests.yml"
INSTALL_REDIS = "sudo apt-get update && sudo apt-get install --yes redis-server"
"""The one thing that a session doesn't bring along."""
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


@pytest.fixture(scope="module")
def renders(template, tmp_path_factory):
    """Return a function that gives the workflow of a service whose lowest Python is the one given."""
    # Without hooks, which take most of a render's time and have no hand in this.
    bare = tmp_path_factory.mktemp("bare") / "template"
    shutil.copytree(template, bare, ignore=shutil.ignore_patterns("hooks"))
    done: dict[str, Path] = {}

    def renders(lowest: str) -> Path:
        if lowest not in done:
            service = render(bare, tmp_path_factory.mktemp("rendered"), python_version=lowest)
            done[lowest] = service / ".github" / "workflows" / "tests.yml"
        return done[lowest]

    return renders


@pytest.fixture(params=["the template's", "tests.yml", "newest.yml"])
def workflow(request, renders) -> Path:
    """A workflow to check."""
    return OWN if request.param == "the template's" else renders("3.11").with_name(request.param)


@pytest.mark.parametrize("checker", CHECKERS)
def test_checkers_find_nothing(workflow, checker):
    assert CHECKERS[checker](workflow) == []


@pytest.mark.parametrize(
    ("checker", "found", "good", "bad"),
    [
        ("schema", "permissions", "permissions: {}", "permissions: []"),
        ("schema", "timeout", "timeout-minutes: 20", "timeout-minutes: soon"),
        ("zizmor", "unpinned-uses", "@05ac9388f0aebcb5727afa17fcccfecd6f8ec5fe # v1.2.2", "@v1"),
        ("zizmor", "artipacked", "persist-credentials: false", "fetch-depth: 1"),
        (
            "zizmor",
            "template-injection",
            "run: uv run",
            "run: echo ${{ github.event.pull_request.title }} && uv run",
        ),
        ("zizmor", "excessive-permissions", "permissions: {}", "permissions: write-all"),
        ("actionlint", "shrads", "needs.plan.outputs.shards", "needs.plan.outputs.shrads"),
    ],
)
def test_checkers_find_what_is_put_into_a_workflow(renders, tmp_path, checker, found, good, bad):
    text = renders("3.11").read_text(encoding="utf-8")
    assert good in text
    broken = tmp_path / "tests.yml"
    broken.write_text(text.replace(good, bad), encoding="utf-8")
    assert found in "\n".join(CHECKERS[checker](broken))


def test_actions_are_pinned_by_commit_with_the_version_beside_it(renders):
    pins: dict[str, set[str]] = {}
    for workflow in (OWN, *renders("3.11").parent.iterdir()):
        for line in workflow.read_text(encoding="utf-8").splitlines():
            if "uses:" in line:
                match = re.fullmatch(
                    r" +(?:- )?uses: ([\w.-]+/[\w./-]+)@([0-9a-f]{40} # v\d+\.\d+\.\d+)", line
                )
                assert match, f"not pinned by commit and version: {line}"
                pins.setdefault(match[1], set()).add(match[2])
    assert {action: pin for action, pin in pins.items() if len(pin) > 1} == {}


def test_jobs_have_few_rights_and_an_end(workflow):
    loaded = load(workflow)
    assert loaded["permissions"] == {}
    for name, job in loaded["jobs"].items():
        assert job["permissions"] in ({}, {"contents": "read"}), name
        assert job["timeout-minutes"] <= 30, name
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("whose", ["the template's", "a service's"])
def test_it_runs_for_every_way_into_main(renders, whose):
    loaded = load(OWN if whose == "the template's" else renders("3.11"))
    assert set(loaded["on"]) == {"push", "pull_request", "merge_group", "workflow_dispatch"}
    assert loaded["on"]["push"] == {"branches": ["main"]}
    # A pull request's runs share a group, and only they are cancelled.
    assert loaded["concurrency"]["cancel-in-progress"] == "${{ github.event_name == 'pull_request' }}"
    assert "github.event.pull_request.number || github.run_id" in loaded["concurrency"]["group"]


@pytest.mark.parametrize("whose", ["the template's", "a service's"])
def test_all_green_comes_last_and_needs_every_other_job(renders, whose):
    jobs = load(OWN if whose == "the template's" else renders("3.11"))["jobs"]
    *others, last = jobs
    assert last == jobs[last]["name"] == "all-green"
    assert jobs[last]["needs"] == others
    # The words are those of the action: it fails for a job that failed, was skipped or cancelled unless told otherwise.
    assert jobs[last]["if"] == "${{ always() }}"
    *_, step = jobs[last]["steps"]
    assert step["uses"].startswith("re-actors/alls-green@")
    assert step["with"] == {"jobs": "${{ toJSON(needs) }}"}
    assert step.get("if") in (None, "${{ always() }}")
    assert [name for name in others if "if" in jobs[name]] == [], "a job that may be skipped"
    steps = [step for job in jobs.values() for step in job["steps"]]
    assert not any("continue-on-error" in part for part in (*jobs.values(), *steps))


def test_no_other_check_is_called_like_the_one_that_is_required(renders):
    names = [job["name"] for path in renders("3.11").parent.iterdir() for job in load(path)["jobs"].values()]
    assert names.count("all-green") == 1


def test_a_name_is_given_to_an_artifact_in_one_attempt_only(renders):
    steps = [step for job in load(renders("3.11"))["jobs"].values() for step in job["steps"]]
    uploads = [step["with"]["name"] for step in steps if "upload-artifact" in step.get("uses", "")]
    assert len(uploads) == 3
    assert all(name.endswith("-${{ github.run_attempt }}") for name in uploads)
    # What attempts before left is found by the names that they gave.
    downloads = [step["with"] for step in steps if "download-artifact" in step.get("uses", "")]
    assert {given.get("name") or given["pattern"] for given in downloads} == {
        "${{ needs.plan.outputs.name }}",
        "${{ needs.plan.outputs.name }}-shard-*",
    }
    assert load(renders("3.11"))["jobs"]["plan"]["outputs"]["name"] == uploads[0]


@pytest.mark.parametrize("lowest", PYTHONS)
def test_each_supported_python_is_tested(renders, lowest):
    jobs = load(renders(lowest))["jobs"]
    supported = PYTHONS[PYTHONS.index(lowest) :]
    assert ("tests", f"uv run --locked nox -s fast -P {' '.join(supported)}") in commands(renders(lowest))
    for job in jobs.values():
        for step in job["steps"]:
            if step.get("uses", "").startswith("astral-sh/setup-uv@"):
                assert step["with"] == {"python-version": lowest, "enable-cache": True}
    newest = load(renders(lowest).with_name("newest.yml"))["jobs"]["newest"]
    assert newest["steps"][1]["with"]["python-version"] == supported[-1]


def test_the_templates_own_workflow_tries_the_lowest_and_the_highest_python():
    assert load(OWN)["jobs"]["ci"]["strategy"]["matrix"]["python"] == [PYTHONS[0], PYTHONS[-1]]


def nox_list(noxfile: Path, *sessions: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nox", "--noxfile", str(noxfile), "--list", "--session", *sessions]
    return subprocess.run(command, capture_output=True, encoding="utf-8")


def test_every_step_of_a_service_is_a_nox_session_that_exists(renders):
    workflow = renders("3.11")
    noxfile = workflow.parents[2] / "noxfile.py"
    daily, weekly = commands(workflow), commands(workflow.with_name("newest.yml"))
    daily.remove(("tests", INSTALL_REDIS))
    weekly.remove(("newest", "uv lock --upgrade"))
    assert [job for job, _ in daily] == ["plan", *["tests"] * 4, "all-green"]
    called: list[str] = []
    for _, command in (*daily, *weekly):
        match = re.fullmatch(r"uv run --locked nox -s ([a-z ]+?)( -P [0-9. ]+)?( -- [^&|;]+)?", command)
        assert match, f"more than a nox session: {command}"
        called += match[1].split()
    listed = nox_list(noxfile, *called)
    assert listed.returncode == 0, listed.stderr
    assert nox_list(noxfile, *called, "unheard-of").returncode != 0


def test_every_step_of_the_template_is_a_command_of_its_pages():
    pages = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md"))
    called: list[str] = []
    steps = commands(OWN)
    steps.remove(("ci", INSTALL_REDIS))
    for _, command in steps:
        match = re.fullmatch(r"python3? (bootstrap\.py ([a-z]+))", command)
        assert match, f"more than one session: {command}"
        assert re.search(rf"^\$ python3 {re.escape(match[1])}(?: +#.*)?$", pages, re.MULTILINE), match[1]
        called.append(match[2])
    listed = nox_list(ROOT / "noxfile.py", *called)
    assert listed.returncode == 0, listed.stderr


def test_the_weekly_run_takes_the_newest_versions_and_no_cache(renders):
    weekly = load(renders("3.11").with_name("newest.yml"))
    assert set(weekly["on"]) == {"schedule", "workflow_dispatch"}
    assert weekly["jobs"]["newest"]["steps"][1]["with"]["enable-cache"] is False
    assert commands(renders("3.11").with_name("newest.yml"))[0] == ("newest", "uv lock --upgrade")


def test_caches_are_saved_and_restored_alike(renders):
    # The paths are a part of what a cache is found by.
    caches = [
        (step["uses"].partition("@")[0].rpartition("/")[2], step["with"])
        for job in load(renders("3.11"))["jobs"].values()
        for step in job["steps"]
        if "actions/cache/" in step.get("uses", "")
    ]
    assert [kind for kind, _ in caches] == ["restore", "restore", "restore", "save"]
    assert len({given["path"] for _, given in caches}) == 1
    assert all(given["key"].startswith(caches[0][1]["restore-keys"]) for _, given in caches)


@pytest.mark.parametrize("whose", ["the template's", "a service's"])
def test_something_proposes_newer_actions(renders, whose):
    folder = OWN.parents[1] if whose == "the template's" else renders("3.11").parents[1]
    dependabot = folder / "dependabot.yml"
    done = run("check-jsonschema", "--builtin-schema", "vendor.dependabot", str(dependabot))
    assert done.returncode == 0, done.stdout
    assert CHECKERS["zizmor"](dependabot) == []
    updates = yaml.safe_load(dependabot.read_text(encoding="utf-8"))["updates"]
    assert ("github-actions", "/") in [
        (update["package-ecosystem"], update["directory"]) for update in updates
    ]
