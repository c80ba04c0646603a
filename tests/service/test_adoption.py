"""The page "In a suite you have" is followed, stage by stage, by two suites that others might have written."""

import os
import re
import shutil
import socket
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from difflib import ndiff
from pathlib import Path

import psycopg
import pytest
from filelock import FileLock
from pytest_tiers.databases import embedded
from rendering import ROOT
from service import Account, Done, Service

pytestmark = pytest.mark.slow

SAMPLES = Path(__file__).with_name("samples")
PACKAGE = ROOT / "packages" / "pytest-tiers"
PAGE = PACKAGE / "docs" / "adoption.md"
SERVER = "localhost:5432"
"""The server that the samples use, as their files and the page name it."""
DIFF = re.compile(r"^```diff\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHARED = {"passed": 63, "skipped": 1}
"""What a run of the sample with a database comes to, whatever the stage."""
NONE = {"passed": 38, "skipped": 2, "xfailed": 1}
"""What a run of the sample without one comes to."""


@dataclass(frozen=True)
class Suite:
    """A copy of a sample, and the virtual environment that copies of this sample share."""

    service: Service
    python: Path
    before: dict[Path, str]
    """Its files as they were."""
    server: str = SERVER

    def pytest(self, *arguments: str, status: int | None = 0, **environment: str) -> Done:
        """Run its tests."""
        command = (str(self.python), "-m", "pytest", *arguments)
        return self.service.run(*command, status=status, seconds=600, **environment)

    def install(self, *packages: str) -> None:
        """Install into its environment."""
        self.service.run("uv", "pip", "install", "--quiet", "--python", str(self.python), *packages)

    def follow(self, section: str) -> None:
        """Apply the diff that the page has in a section."""
        for name, hunks in diff_of(section).items():
            path = self.service.folder / name
            path.parent.mkdir(exist_ok=True)
            text = path.read_text() if path.exists() else ""
            for old, new in hunks:
                old, new = (part.replace(SERVER, self.server) for part in (old, new))
                assert text.count(old) == 1 or not old, (
                    f"{name} has not once, but {text.count(old)} times:\n{old}"
                )
                text = text.replace(old, new) if old else text + new
            path.write_text(text)

    def changes(self) -> dict[str, tuple[int, int]]:
        """Return by file how many lines were added, and how many removed, since the beginning."""
        changes = {}
        for name, text in files_of(self.service.folder).items():
            marks = [line[0] for line in ndiff(self.before.get(name, "").splitlines(), text.splitlines())]
            if "+" in marks or "-" in marks:
                changes[name.as_posix()] = (marks.count("+"), marks.count("-"))
        return changes


def files_of(folder: Path) -> dict[Path, str]:
    """Return the files that somebody wrote."""
    kept = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    own = re.compile(r"(^|/)(__pycache__|\.(?!env$)[^/]+)(/|$)")
    return {path: (folder / path).read_text() for path in kept if not own.search(path.as_posix())}


def diff_of(section: str) -> dict[str, list[tuple[str, str]]]:
    """Return what the first diff in a section of the page has: by file what stands there before, and what after."""
    (text,) = re.findall(
        rf"^#+ {re.escape(section)}\n(.*?)(?=^#+ |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    found: dict[str, list[tuple[str, str]]] = {}
    diff = DIFF.findall(text)[0]
    for part in diff.split("+++ ")[1:]:
        name, _, content = part.partition("\n")
        for hunk in content.split("@@\n"):
            lines = [line or " " for line in hunk.splitlines()]
            old, new = ("".join(f"{line[1:]}\n" for line in lines if line[0] != mark) for mark in "+-")
            found.setdefault(name, []).append((old, new))
    return found


@pytest.fixture(scope="session")
def adopt(
    outside: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, Path, Path], Suite]:
    """Return a function that copies a sample. All copies of one share an environment, without pytest-tiers at first."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def adopt(sample: str, folder: Path, cache: Path) -> Suite:
        shutil.copytree(SAMPLES / sample, folder)
        service = Service(folder, outside | {"XDG_CACHE_HOME": str(cache)}, Account(folder))
        environment = shared / f"{sample}-environment"
        suite = Suite(service, environment / "bin" / "python", files_of(folder))
        with FileLock(f"{environment}.lock"):
            if not environment.exists():
                service.run("uv", "venv", "--quiet", str(environment))
                suite.install("--requirements", "requirements-dev.txt")
        return suite

    return adopt


@pytest.fixture
def cache() -> Iterator[Path]:
    """A folder for caches, and so for embedded servers, that the account gets into which runs them for root."""
    with tempfile.TemporaryDirectory(prefix="adoption-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def server(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A team's server, `localhost:PORT`, with an empty database for tests."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setattr(embedded, "PORT", port)
    for name, value in {"listen_addresses": "localhost", "port": str(port)}.items():
        monkeypatch.setitem(embedded.SETTINGS, name, value)
    with embedded.EmbeddedPostgres("team") as address:
        with address.connect() as connection:
            connection.execute("CREATE DATABASE library")
        yield f"localhost:{port}"


@pytest.fixture
def shared_database(adopt: Callable[..., Suite], tmp_path: Path, cache: Path, server: str) -> Suite:
    """The suite whose tests all commit to one database: on a server of its own."""
    suite = adopt("shared_database", tmp_path / "library", cache)
    settings = suite.service.folder / ".env"
    settings.write_text(settings.read_text().replace(SERVER, server))
    return replace(suite, server=server, before=files_of(suite.service.folder))


def rows(server: str) -> list[tuple[str]]:
    """Return the members that are on a team's server."""
    with psycopg.connect(f"postgresql://postgres@{server}/library") as connection:
        return connection.execute("SELECT email FROM members").fetchall()


def test_a_suite_with_a_database_adopts_it_in_stages(shared_database: Suite) -> None:
    suite, folder = shared_database, shared_database.service.folder
    assert suite.pytest().counts == [SHARED]
    assert suite.pytest("-m", "slow", "--slow").counts == [{"passed": 1, "deselected": 63}]

    # Installed alone, it does nothing.
    suite.install("--editable", f"{PACKAGE}[postgresql,sqlalchemy]")
    done = suite.pytest()
    assert done.counts == [SHARED]
    assert "tiers:" not in done.stdout
    assert not (folder / ".cache").exists()

    suite.follow("Stage 0: guards and times")
    done = suite.pytest("--slowest", "3", SECRET_KEY="of-the-developers-own")
    assert done.counts == [SHARED]
    assert "tiers: none; packages: app; migrations: alembic.ini" in done.stdout
    assert "secrets removed from the environment: SECRET_KEY" in done.stdout
    # Its own option and marker mean what they did, beside those that are new.
    assert suite.pytest("-m", "slow", "--slow").counts == [{"passed": 1, "deselected": 63}]
    assert suite.pytest("-m", "fast or medium or slow").counts == [SHARED]
    (folder / "tests" / "test_elsewhere.py").write_text(
        "import socket\n\ndef test_elsewhere():\n    socket.create_connection(('localhost', 9))\n"
    )
    assert "opened a connection to" in suite.pytest("tests/test_elsewhere.py", status=1).stdout
    (folder / "tests" / "test_elsewhere.py").unlink()
    assert sum(map(sum, suite.changes().values())) == 5

    suite.follow("Stage 1: the database")
    with psycopg.connect(f"postgresql://postgres@{suite.server}/library", autocommit=True) as connection:
        connection.execute(
            "INSERT INTO members VALUES (1, 'mine@library.example', 'Me', '', true, false, now())"
        )
    assert suite.pytest().counts == [SHARED]
    assert suite.pytest("-n", "4", "--dist", "loadfile").counts == [SHARED]
    assert suite.pytest("-m", "slow", "--slow").counts == [{"passed": 1, "deselected": 63}]
    assert rows(suite.server) == [("mine@library.example",)], "nothing is done on the team's server any more"
    assert (folder / "app" / "main.py").read_text() == (
        SAMPLES / "shared_database" / "app" / "main.py"
    ).read_text()

    changes = suite.changes()
    assert changes.keys() == {"requirements-dev.txt", "pyproject.toml", "tests/conftest.py", "tests/utils.py"}
    added, removed = map(sum, zip(*changes.values(), strict=True))
    assert added + removed < 30, changes


def test_files_move_to_a_tier_one_by_one(shared_database: Suite) -> None:
    suite, folder = shared_database, shared_database.service.folder
    suite.install("--editable", f"{PACKAGE}[postgresql,sqlalchemy]")
    for stage in ("Stage 0: guards and times", "Stage 1: the database", "Stage 2: tiers"):
        suite.follow(stage)
    assert suite.pytest().counts == [SHARED]

    (folder / "tests" / "crud" / "test_members.py").rename(
        folder / "tests" / "integration" / "test_members.py"
    )
    (folder / "tests" / "integration" / "test_requests.py").write_text(
        "from tests.utils import make_member\n\n\n"
        "def test_read(client, admin_headers, db):\n"
        "    member = make_member(db, email='ann@library.example')\n"
        "    assert client.get(f'/members/{member.id}', headers=admin_headers).json()['email'] == member.email\n\n\n"
        "def test_sign_up(client):\n"
        "    body = {'email': 'ann@library.example', 'name': 'Ann', 'password': 'ann-password'}\n"
        "    assert client.post('/members', json=body).status_code == 201\n"
    )
    assert suite.pytest("-m", "integration").counts == [{"passed": 8, "deselected": 58}]
    assert suite.pytest().counts == [{"passed": 65, "skipped": 1}]
    assert suite.pytest("tests/integration", "-n", "2").counts == [{"passed": 8}]


def test_a_suite_without_a_database_adopts_it(
    adopt: Callable[..., Suite], tmp_path: Path, cache: Path
) -> None:
    suite = adopt("no_database", tmp_path / "receipts", cache)
    folder = suite.service.folder
    assert suite.pytest().counts == [NONE]
    in_ci = suite.pytest("--ci", "-m", "slow").counts
    assert in_ci == [{"passed": 1, "deselected": 40}]
    assert suite.pytest("-m", "unit").counts == [{"passed": 8, "deselected": 33}]

    suite.install("--editable", str(PACKAGE))
    assert suite.pytest().counts == [NONE]
    assert not (folder / ".cache").exists()

    # Tried once, without a file being changed.
    done = suite.pytest("-p", "tiers")
    assert done.counts == [NONE]
    assert "tiers: none" in done.stdout

    suite.follow("A suite without a database")
    for arguments in [
        (),
        ("-n", "2"),
        ("-p", "no:randomly"),
        ("--cov",),
        ("-p", "tiers"),
        ("--slowest", "3"),
    ]:
        done = suite.pytest(*arguments)
        assert done.counts == [NONE], done
        assert "tiers: none; packages: receipts" in done.stdout
    # Its own options and markers mean what they did; ours have their long names.
    assert suite.pytest("--ci", "-m", "slow").counts == in_ci
    assert suite.pytest("-m", "unit").counts == [{"passed": 8, "deselected": 33}]
    assert suite.pytest("--tiers-ci").counts == [NONE]
    assert suite.changes() == {"pyproject.toml": (2, 0), "requirements-dev.txt": (1, 0)}
    # Shards have all of it between them, doctests in modules as well.
    suite.service.run(str(suite.python), "-m", "pytest_tiers", "plan", "--shards", "2")
    counts: Counter[str] = Counter()
    for shard in ("1/2", "2/2"):
        counts.update(suite.pytest("--plan", "plan.json", "--shard", shard).counts[0])
    assert {outcome: counts[outcome] for outcome in NONE} == NONE

    # A suite that isn't right is told so in unittest's classes and in doctests as well.
    money = folder / "receipts" / "money.py"
    money.write_text(
        money.read_text()
        .replace("\n\nclass Money", "\nSEEN = []\n\n\nclass Money")
        .replace("def parse_amount(text):\n", "def parse_amount(text):\n    SEEN.append(text)\n")
    )
    done = suite.pytest("-p", "no:randomly", status=1)
    assert "ERROR tests/test_money.py::TestParse::test_amounts" in done.stdout
    assert "ERROR receipts/money.py::receipts.money" in done.stdout
    assert "variables or caches of the project changed: receipts.money.SEEN" in done.stdout


def test_the_samples_are_like_nothing_from_here() -> None:
    """Their point is that nobody thought of this package when they were written."""
    for sample in ("shared_database", "no_database"):
        texts = files_of(SAMPLES / sample).values()
        assert not any("tiers" in text for text in texts)
