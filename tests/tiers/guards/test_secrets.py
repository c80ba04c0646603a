"""Secrets: gone before anything of the project is imported, named once, and refused if something brings them back."""

from pathlib import Path

import pytest
from watched import Case, Done, file_of, run

REAL = {
    "OPENAI_API_KEY": "sk-real-openai-key",
    "DOPPLER_TOKEN": "dp.st.real-doppler-token",
    "PGPASSWORD": "real-pg-password",
    "SHOP_VAULT_ID": "real-vault-id",  # no pattern fits, but the settings declare `vault_id` as a secret
    "HELP_LINE": "real-help-line",  # likewise, by an alias
    "BROKER": "amqp://ada:real-password@broker.example/",  # named like nothing, but with a password
    "DB_PWD": "real-db-pwd",
    "SIGNING_PASSPHRASE": "real-passphrase",
    "STORAGE_CONNECTION_STRING": "real-connection-string",
    "CHAT_WEBHOOK_URL": "https://chat.example/real-webhook",
    "PRIVATE_KEY_PEM": "real-private-key",
    "GCP_SERVICE_ACCOUNT_JSON": "real-service-account",
    "SENTRY_DSN": "https://real-dsn@sentry.example/1",
    "SHORT_SECRET": "abc",
}
HARMLESS = {
    "TEST_DATABASE_URL": "postgresql://made:for-tests@127.0.0.1:5432/x",
    "TEST_TOKEN": "made-for-tests",
    "KEYBOARD": "de",
    "TOKENIZERS_PARALLELISM_MODE": "x",
    "PLAIN_URL": "https://shop.example/path",
    "LOG_LEVEL": "INFO",
}
SETTINGS = """
import os
from pydantic import Field, SecretStr

SEEN = dict(os.environ)


class Settings:
    vault_id: SecretStr | None = None
    phone: SecretStr | None = Field(default=None, validation_alias="help_line")
    log_level: str = "INFO"
"""
HEAD = """
import os
from contextlib import suppress
from pathlib import Path

import pytest
from shop import settings
"""
REFUSED = [
    Case(
        "sets a secret again",
        "monkeypatch.setenv('MY_OWN', 'sk-real-' + 'openai-key')",
        "The test set MY_OWN to a secret of the real environment",
        "monkeypatch",
    ),
    Case(
        "sets one that was declared",
        "monkeypatch.setenv('MY_OWN', 'real-' + 'help-line')",
        "The test set MY_OWN to a secret",
        "monkeypatch",
    ),
    Case(
        "swallows it",
        "with suppress(BaseException):\n    os.environ['MY_OWN'] = 'real-' + 'db-pwd'",
        "The test set MY_OWN to a secret",
    ),
    Case(
        "reads .env",
        "Path('.env').read_text()",
        "The test opened .env, with secrets of the real environment.",
    ),
    Case(
        "reads it from elsewhere",
        "monkeypatch.chdir(tmp_path)\nopen(Path(__file__).parents[2] / 'src/../.env')",
        "The test opened .env, with secrets",
        "monkeypatch, tmp_path",
    ),
    Case(
        "reads the environment of a process",
        "Path('/proc/self/environ').read_bytes()",
        "The test opened /proc/self/environ, with secrets",
    ),
]
INNOCENT = [
    Case("sets a value of its own", "monkeypatch.setenv('OPENAI_API_KEY', 'sk-test')", takes="monkeypatch"),
    Case("sets a short value", "monkeypatch.setenv('MY_OWN', 'abc')", takes="monkeypatch"),
    Case(
        "reads an .env of its own",
        "(tmp_path / '.env').write_text('A=b')\nassert (tmp_path / '.env').read_text()",
        takes="tmp_path",
    ),
    Case("has harmless values", "assert all(os.environ[name] for name in NAMES)"),
    Case(
        "has given values", "assert os.environ['SECRET_KEY'] == 'given' and os.environ['LOG_LEVEL'] == 'INFO'"
    ),
    Case(
        "has none of the real ones",
        "assert not [name for name in REAL if name in os.environ or name in settings.SEEN]",
    ),
    Case(
        "may read .env",
        "assert Path('.env').read_text()",
        marks="@pytest.mark.unguarded('secrets', reason='to see')\n",
    ),
    Case(
        "looks up none in a child",
        "import subprocess, sys\nsaid = subprocess.run([sys.executable, '-c', 'import os; print(os.environ)'], capture_output=True, text=True).stdout\nassert not [name for name in REAL if name in said]",
    ),
]
FILES = {
    "src/shop/__init__.py": "",
    "src/shop/settings.py": SETTINGS,
    "plugins/pydantic.py": "SecretStr = str\n\n\ndef Field(**options):\n    return None\n",
    "tests/unit/test_secrets.py": file_of(
        f"{HEAD}\nREAL = {sorted(REAL)!r}\nNAMES = {sorted(HARMLESS)!r}\n", [*REFUSED, *INNOCENT]
    ),
    ".env": "OPENAI_API_KEY=sk-real-openai-key\n",
}
TIERS = 'environment = { SECRET_KEY = "given", LOG_LEVEL = "DEBUG" }'


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The run of all of them, in an environment with secrets."""
    return run(tmp_path_factory.mktemp("suite"), FILES, tiers=TIERS, environment={**REAL, **HARMLESS})


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.does)
def test_what_brings_a_secret_back_is_refused(done: Done, case: Case) -> None:
    said = done.of(case.name)
    assert case.says in said
    assert (
        "Script what the test needs with fake_secrets, or set a value of its own with monkeypatch.setenv()."
        in said
    )
    assert 'If it is meant: @pytest.mark.unguarded("secrets", reason="…")' in said


def test_nothing_else_fails(done: Done) -> None:
    assert {name: done.of(name) for name in done.failed - {case.name for case in REFUSED}} == {}
    assert len(done.outcomes) == len(REFUSED) + len(INNOCENT)


def test_no_secret_is_printed_and_what_was_removed_is_named_once(tmp_path: Path) -> None:
    body = Case("fails", "secret = 'sk-real-openai' + '-key'\nos.environ['A'] = secret").source
    files = {**FILES, "tests/unit/test_secrets.py": HEAD + body}
    done = run(
        tmp_path, files, "-v", "--showlocals", "--tb=long", tiers=TIERS, environment={**REAL, **HARMLESS}
    )
    (line,) = (
        line for line in done.output.splitlines() if line.startswith("secrets removed from the environment:")
    )
    assert set(line.partition(": ")[2].split(", ")) >= REAL.keys()
    assert not set(line.partition(": ")[2].split(", ")) & HARMLESS.keys()
    assert [name for name, value in REAL.items() if value in done.output and len(value) > 3] == []


def test_without_secrets_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(
        tmp_path, {"tests/unit/test_a.py": "def test_a():\n    pass\n"}, "-v", environment={"PATH": "/bin"}
    )
    assert done.status == 0
    monkeypatch.setenv("OTHER_TOKEN", "real-other-token")
    assert "OTHER_TOKEN" in run(tmp_path, {}, "-v").output


def test_workers_have_none_and_recognise_them(tmp_path: Path) -> None:
    done = run(tmp_path, FILES, "-n2", tiers=TIERS, environment={**REAL, **HARMLESS})
    assert done.failed == {case.name for case in REFUSED}
    assert "The test set MY_OWN to a secret" in done.of("test_sets_a_secret_again")


NEEDS = "import os\n\nKEY = os.environ['OPENAI_API_KEY']\n"
HINT = (
    "OPENAI_API_KEY was removed from the environment, so that no test sees a real secret.\n"
    'If something needs a value, give it a harmless one in pyproject.toml: [tool.tiers] environment = { OPENAI_API_KEY = "…" }'
)


@pytest.mark.parametrize(
    "files",
    [
        {"tests/conftest.py": "import shop.needs\n", "tests/unit/test_a.py": "def test_a():\n    pass\n"},
        {"tests/unit/test_a.py": "import shop.needs\n\n\ndef test_a():\n    pass\n"},
        {"tests/unit/test_a.py": "def test_a():\n    import shop.needs\n"},
    ],
    ids=["conftest", "module", "test"],
)
@pytest.mark.parametrize("workers", ["-n0", "-n1"])
def test_what_misses_a_secret_is_told_what_to_do(tmp_path: Path, files: dict[str, str], workers: str) -> None:
    suite = {"src/shop/__init__.py": "", "src/shop/needs.py": NEEDS, **files}
    done = run(tmp_path, suite, workers, environment=REAL)
    assert done.status != 0
    assert HINT in done.output
    assert done.output.count(HINT) == 1
    given = run(
        tmp_path, suite, workers, tiers='environment = { OPENAI_API_KEY = "sk-test" }', environment=REAL
    )
    assert given.status == 0, given.output


def test_what_fails_of_something_else_is_told_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, {"tests/unit/test_a.py": "def test_a():\n    assert False\n"}, environment=REAL)
    assert "was removed" not in done.output
