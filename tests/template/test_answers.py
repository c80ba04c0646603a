"""Bad answers are refused, all at once and without a trace; odd ones land unchanged wherever they are used."""

import ast
import contextlib
import hashlib
import io
import json
import keyword
import runpy
import tomllib
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest
from answering import Machine, small_copy
from cookiecutter.exceptions import FailedHookException
from cookiecutter.generate import generate_context
from cookiecutter.main import cookiecutter
from cookiecutter.prompt import prompt_for_config
from cookiecutter.utils import create_env_with_context
from jinja2.exceptions import TemplateSyntaxError
from markdown_it import MarkdownIt
from rendering import render

pytestmark = pytest.mark.fast


@pytest.fixture(autouse=True)
def machine(tmp_path_factory, monkeypatch) -> Machine:
    """A machine without uv, git and nox: nothing that is done after a render matters here."""
    machine = Machine(tmp_path_factory.mktemp("machine"))
    for name, value in machine.environment.items():
        monkeypatch.setenv(name, value)
    return machine


@pytest.fixture(scope="session")
def small(template, tmp_path_factory) -> Path:
    """The template with nothing in its service but the files in which free text lands, and nothing done afterwards."""
    small = small_copy(template, tmp_path_factory.mktemp("small"))
    (small / "hooks" / "post_gen_project.py").unlink()
    return small


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


# Bad answers

BAD = [
    ("project_name", "", "is empty"),
    ("project_name", "   ", "is empty"),
    ("project_name", " Desk", "begins or ends with a space"),
    ("project_name", "Help\ndesk", "line break"),
    ("project_name", "x" * 81, "81 characters"),
    ("project_slug", "", "is empty"),
    ("project_slug", ".", "such as helpdesk"),
    ("project_slug", "..", "such as helpdesk"),
    ("project_slug", "Help Desk", "such as help-desk"),
    ("project_slug", "help_desk", "such as help-desk"),
    ("project_slug", "help--desk", "such as help-desk"),
    ("project_slug", "-desk", "such as desk"),
    ("project_slug", "bürodienst", "normalised distribution name"),
    ("project_slug", "team/desk", "such as team-desk"),
    ("project_slug", "../desk", "such as desk"),
    ("project_slug", "../../a/b/desk", "such as a-b-desk"),
    ("project_slug", "/desk", "such as desk"),
    ("project_slug", "team\\desk", "such as team-desk"),
    ("project_slug", "desk\0", "control character"),
    ("project_slug", "d" * 41, "at most 40"),
    ("project_slug", "e" * 300, "at most 40"),
    ("project_slug", "fastapi", "such as fastapi-service"),
    ("project_slug", "psycopg-binary", "a package that the service installs"),
    ("project_slug", "nul", "or of a device"),
    ("package_name", "", "is empty"),
    ("package_name", "help-desk", "such as help_desk"),
    ("package_name", "help.desk", "such as help_desk"),
    ("package_name", "2desk", "such as service_2desk"),
    ("package_name", "_desk", "such as desk"),
    ("package_name", "Desk", "such as desk"),
    ("package_name", "bürodienst", "not a name that Python can import"),
    ("package_name", "../desk", "not a name that Python can import"),
    ("package_name", "d" * 41, "at most 40"),
    ("package_name", "class", "keyword"),
    ("package_name", "match", "keyword"),
    ("package_name", "email", "standard library"),
    ("package_name", "telnetlib", "standard library"),
    ("package_name", "compression", "standard library"),
    ("package_name", "sqlalchemy", "the service imports"),
    ("package_name", "pydantic_settings", "the service imports"),
    ("package_name", "httpx2", "the service imports"),
    ("package_name", "pytest", "the service imports"),
    ("package_name", "pytest_tiers", "the service imports"),
    ("package_name", "tiers", "the service imports"),  # as which pytest knows that
    ("package_name", "tests", "a part of every service"),
    ("package_name", "migrations", "a part of every service"),
    ("description", "", "is empty"),
    ("description", "one\ttwo", "control character"),
    ("description", "one\x1b[31mtwo", "control character"),
    ("description", "one\u2028two", "line break"),
    ("description", "abc\u202edef", "control character"),
    ("description", "half \ud83d emoji", "broken one"),
    ("description", "x" * 501, "at most 500"),
    ("author_name", "", "is empty"),
    ("author_name", "Ann, Bob", "has , in it"),
    ("author_name", "Ann <ann@example.com>", "has < > @ in it"),
    ("author_name", 'Ann "Annie', "never closed"),
    ("author_email", "", "is empty"),
    ("author_email", "ann", "not an e-mail address"),
    ("author_email", "ann@localhost", "not an e-mail address"),
    ("author_email", "ann@@example.com", "not an e-mail address"),
    ("author_email", "ann lee@example.com", "not an e-mail address"),
    ("author_email", "ann@example..com", "not an e-mail address"),
    ("author_email", "Ann <ann@example.com>", "not an e-mail address"),
    ("author_email", "änn@example.com", "not an e-mail address"),
    ("github_owner", "", "is empty"),
    ("github_owner", "@acme", "not a user or organisation"),
    ("github_owner", "acme/desk", "not a user or organisation"),
    ("github_owner", "-acme", "not a user or organisation"),
    ("github_owner", "a" * 40, "not a user or organisation"),
    ("copyright_year", "", "is empty"),
    ("copyright_year", "26", "not a year"),
    ("copyright_year", "20260", "not a year"),
    ("copyright_year", "٢٠٢٦", "not a year"),
]


@pytest.fixture(scope="session")
def refusal(small, tmp_path_factory):
    """Return a function that gives the pre hook's message about `answers`, without cookiecutter around it."""
    source = (small / "hooks" / "pre_gen_project.py").read_text(encoding="utf-8")

    hook = tmp_path_factory.mktemp("hook") / "pre_gen_project.py"

    def refusal(**answers: str) -> str:
        context = generate_context(str(small / "cookiecutter.json"), extra_context=answers)
        context["_cookiecutter"] = dict(context["cookiecutter"])
        context["cookiecutter"] = prompt_for_config(context, no_input=True)
        rendered = create_env_with_context(context).from_string(source).render(**context)
        hook.write_text(rendered, encoding="utf-8")
        message = io.StringIO()
        with contextlib.redirect_stderr(message), pytest.raises(SystemExit) as ended:
            runpy.run_path(str(hook), run_name="__main__")
        assert bool(ended.value.code) == bool(message.getvalue())
        return message.getvalue()

    return refusal


@pytest.mark.parametrize(
    ("name", "value", "said"), BAD, ids=[f"{name}-{value[:20]!a}" for name, value, _ in BAD]
)
def test_a_bad_answer_is_refused_with_advice(refusal, name, value, said):
    # Bad names are not to reach the defaults that follow from them, so that one answer is all that is wrong.
    message = refusal(**({"project_slug": "desk", "package_name": "desk"} | {name: value}))
    assert "1 answer cannot be used" in message
    assert f"  {name}: {value[:60]!r}" in message
    assert said in message
    assert "Type" in message


@pytest.mark.parametrize(
    ("name", "value"), [bad[:2] for bad in BAD if bad[0] == "project_slug"] + [("description", "")], ids=ascii
)
def test_a_refusal_leaves_nothing_on_disk(small, tmp_path, capfd, name, value):
    with pytest.raises(FailedHookException):
        render(small, tmp_path / "above" / "out", **({"package_name": "desk"} | {name: value}))
    assert f"  {name}: " in capfd.readouterr().err
    assert tree(tmp_path) == {"above", "above/out"}


def test_an_absolute_slug_leaves_nothing(small, tmp_path, capfd):
    with pytest.raises(FailedHookException):
        render(small, tmp_path / "out", project_slug=f"{tmp_path}/elsewhere/deep/desk")
    assert "project_slug" in capfd.readouterr().err
    assert tree(tmp_path) == {"out"}


def test_what_was_there_before_a_refusal_stays(small, tmp_path, capfd):
    for name in ("team", "team/desk", "helpdesk"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "notes.txt").write_text("keep me")
    before = tree(tmp_path)
    for slug in ("team/desk", "team/other", "team", "helpdesk"):
        with pytest.raises(FailedHookException):
            cookiecutter(
                str(small),
                no_input=True,
                output_dir=str(tmp_path),
                overwrite_if_exists=True,
                extra_context={"project_slug": slug, "author_email": "nobody"},
            )
    assert tree(tmp_path) == before
    assert capfd.readouterr().err.count("author_email") == 4


def test_all_bad_answers_are_listed_in_one_message(refusal):
    bad = {
        "project_name": " Desk",
        "project_slug": "a/b",
        "package_name": "import",
        "description": "",
        "author_name": "Ann, Bob <bob",
        "author_email": "ann",
        "github_owner": "acme/",
        "copyright_year": "now",
    }
    message = refusal(**bad)
    assert "8 answers cannot be used" in message
    for name in bad:
        assert message.count(f"  {name}: ") == 1


@pytest.mark.parametrize("name", ["project_name", "description", "author_name"])
@pytest.mark.parametrize("value", ["{{ 7*7 }}", "a {# b #} c", "{% now 'utc' %}"])
def test_an_answer_that_cookiecutter_would_run_as_code_is_refused_as_given(refusal, name, value):
    message = refusal(project_slug="desk", package_name="desk", **{name: value})
    assert f"  {name}: " in message
    assert "takes for code of its own" in message


def test_a_typed_answer_that_an_update_would_run_as_code_is_refused(small, tmp_path, machine):
    done = machine.type_answers(small, tmp_path, description="Answers {{ 7*7 }} questions")
    assert done.returncode != 0
    assert "  description: 'Answers {{ 7*7 }} questions'" in done.stderr
    assert "takes for code of its own" in done.stderr
    assert tree(tmp_path) == set()


def test_an_answer_that_is_broken_code_fails_before_anything_is_written(small, tmp_path):
    with pytest.raises(TemplateSyntaxError):
        render(small, tmp_path, description="50 {% off")
    assert tree(tmp_path) == set()


def test_a_typed_bad_slug_is_refused(small, tmp_path, machine):
    out = tmp_path / "above" / "out"
    done = machine.type_answers(small, out, project_slug="../team/desk", package_name="desk")
    assert done.returncode != 0
    assert "  project_slug: '../team/desk'" in done.stderr
    assert tree(tmp_path) <= {"above", "above/out"}


# Odd answers

ODD = [
    "O'Neil's \"best\" desk",
    "Zoë Ünïcödé Straße",
    "客服 デスク 헬프",
    "مكتب المساعدة",
    "🎉 party 👩\u200d💻 desk",
    "{x} } {  { { } } %} 100 % %s %(a)s {0}",
    "back\\slash \\n \\u0041 \\\\",
    "*bold* _it_ __init__ ~~no~~ `code` ``",
    "[link](x) ![i](y) [x]: z",
    "# not a heading #",
    "1. not a list",
    "- not a list either",
    "R&D &amp; C# C++ a_b $HOME ${x}",
    "!!! tag: yes | no ' # comment",
    "\"\"\" ''' triple",
    "x" * 80,
]
# The characters that an author's name can't have, replaced: they are refused, as is tested above.
AUTHORS = [text.translate(str.maketrans(",:;<>@", "......")).replace('"""', '""') for text in ODD]
DESCRIPTIONS = [*(f"{text}, <b> a@b; c: d" for text in ODD[1:]), ODD[0]]


def plain_texts(markdown: str) -> list[str]:
    """Return the text of every heading and paragraph as it is read, without those that have any mark-up in them."""
    inlines = [
        token.children
        for token in MarkdownIt().enable(["table", "strikethrough"]).parse(markdown)
        if token.children
    ]
    return [
        "".join(child.content for child in children)
        for children in inlines
        if all(child.type in ("text", "text_special") for child in children)
    ]


def check_texts(service: Path, project_name: str, description: str, author_name: str) -> None:
    project = tomllib.loads((service / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["description"] == description
    assert project["authors"] == [{"name": author_name, "email": "o'ne{il}+x%@example.co.uk"}]
    readme = (service / "README.md").read_text(encoding="utf-8")
    texts = plain_texts(readme)
    assert texts[0] == project_name
    assert MarkdownIt().parse(readme)[0].tag == "h1"
    assert description in texts
    assert f" {author_name}" in (service / "LICENSE").read_text(encoding="utf-8")


ODD_ANSWERS = [
    {
        "project_name": name,
        "project_slug": "odd",
        "package_name": "odd",
        "description": description,
        "author_name": author,
        "author_email": "o'ne{il}+x%@example.co.uk",
    }
    for name, description, author in zip(ODD, DESCRIPTIONS, AUTHORS, strict=True)
] + [
    {
        "project_name": "C#",
        "project_slug": "odd",
        "package_name": "odd",
        "description": "long " * 99 + "text",
        "author_name": "Acme (UK) Ltd. [Platform]",
        "author_email": "o'ne{il}+x%@example.co.uk",
    }
]


@pytest.mark.parametrize("answers", ODD_ANSWERS, ids=lambda answers: ascii(answers["project_name"][:20]))
def test_odd_answers_land_unchanged(small, tmp_path, answers):
    service = render(small, tmp_path, **answers)
    check_texts(service, *(answers[name] for name in ("project_name", "description", "author_name")))


@pytest.mark.parametrize("answers", ODD_ANSWERS[::6], ids=lambda answers: ascii(answers["project_name"][:20]))
def test_odd_answers_land_unchanged_when_typed(small, tmp_path, machine, answers):
    done = machine.type_answers(small, tmp_path, **answers)
    assert done.returncode == 0, done.stderr
    check_texts(tmp_path / "odd", *(answers[name] for name in ("project_name", "description", "author_name")))


def test_free_text_lands_in_no_other_file(template, tmp_path):
    words = {"project_name": "Quokka", "description": "Wombat", "author_name": "Numbat"}
    service = render(template, tmp_path, project_slug="desk", package_name="desk", **words)
    texts = {
        path.relative_to(service).as_posix(): path.read_text(encoding="utf-8", errors="replace")
        for path in service.rglob("*")
        if path.is_file()
    }
    found = {word: {name for name, text in texts.items() if word in text} for word in words.values()}
    assert found["Quokka"] == {"README.md"}
    assert found["Wombat"] == {"README.md", "pyproject.toml"}
    assert found["Numbat"] == {"LICENSE", "pyproject.toml"}


@pytest.mark.parametrize("hook", ["pre_gen_project", "post_gen_project"])
def test_a_hook_reads_every_answer_as_it_was_typed(template, hook):
    """One render of the hook with hundreds of texts, made of what could end a literal or begin an escape."""
    ends = ['"', "'", "\\", "{", "}", "%", "#"]
    odd = [
        '"""',
        "'''",
        "\\u0022",
        "\\N{",
        "</",
        "&",
        "\n",
        "\r",
        "\0",
        "\u2028",
        "é",
        "🎉",
        "\ud83d",
        "r",
        "",
    ]
    texts = ["".join(parts) for parts in [*product(ends, repeat=3), *product(ends + odd, repeat=2)]]
    answers = {f"answer{number}": text for number, text in enumerate(texts)}
    source = (template / "hooks" / f"{hook}.py").read_text(encoding="utf-8")
    rendered = (
        create_env_with_context({}).from_string(source).render(cookiecutter=answers, _cookiecutter=answers)
    )
    literals = {
        statement.targets[0].id: ast.literal_eval(statement.value.args[0])
        for statement in ast.parse(rendered, feature_version=(3, 11)).body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.value).startswith("json.loads")
    }
    assert literals
    for literal in literals.values():
        assert json.loads(literal) == answers


# Defaults and choices


def test_no_input_renders_helpdesk(small, tmp_path):
    service = render(small, tmp_path)
    assert service == tmp_path / "helpdesk"
    project = tomllib.loads((service / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == "helpdesk"
    assert project["requires-python"] == ">=3.11"
    assert f"Copyright (c) {datetime.now(UTC).year} Help Desk Team" in (service / "LICENSE").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize(
    ("project_name", "slug", "package"),
    [
        ("Billing & Accounts", "billing-accounts", "billing_accounts"),
        ("Zoë's Straße", "zoe-s-strasse", "zoe_s_strasse"),
        ("客服", "ke-fu", "ke_fu"),
        (
            "A service for the settlement of claims between insurers",
            "a-service-for-the-settlement-of-claims",
            "a_service_for_the_settlement_of_claims",
        ),
        (
            "Donaudampfschifffahrtsgesellschaftskapitän",
            "donaudampfschifffahrtsgesellschaftskapit",
            "donaudampfschifffahrtsgesellschaftskapit",
        ),
        ("3D Printing Queue", "3d-printing-queue", "service_3d_printing_queue"),
        ("1" * 45, "1" * 40, "service_" + "1" * 32),
        ("🎉", "service", "service"),
        ("Redis", "redis-service", "redis_service"),
        ("Tests", "tests-service", "tests_service"),
        ("Calendar", "calendar", "calendar_service"),
        ("Class", "class", "class_service"),
    ],
)
def test_the_other_names_follow_from_the_first(small, tmp_path, project_name, slug, package):
    service = render(small, tmp_path, project_name=project_name)
    assert service.name == slug
    backend = tomllib.loads((service / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["uv"][
        "build-backend"
    ]
    assert backend["module-name"] == package


def test_no_name_that_is_derived_is_refused(small, tmp_path):
    source = (small / "hooks" / "pre_gen_project.py").read_text(encoding="utf-8")
    rendered = create_env_with_context({}).from_string(source).render(cookiecutter={}, _cookiecutter={})
    (tmp_path / "hook.py").write_text(rendered, encoding="utf-8")
    hook = runpy.run_path(str(tmp_path / "hook.py"))
    keywords = {*keyword.kwlist, *keyword.softkwlist}
    for name in sorted(hook["TAKEN"] | hook["RESERVED"] | hook["STANDARD_LIBRARY"] | keywords):
        context = generate_context(str(small / "cookiecutter.json"), extra_context={"project_name": name})
        answers = prompt_for_config(context, no_input=True)
        assert not list(hook["slug_problems"](answers["project_slug"])), name
        assert not list(hook["package_problems"](answers["package_name"])), name


PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


@pytest.mark.parametrize("lowest", PYTHONS)
def test_the_lowest_python_and_all_above_it_are_declared(small, tmp_path, lowest):
    service = render(small, tmp_path, python_version=lowest)
    project = tomllib.loads((service / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == f">={lowest}"
    declared = [name.rpartition(" ")[2] for name in project["classifiers"] if "Python :: 3." in name]
    assert declared == PYTHONS[PYTHONS.index(lowest) :]


# Of the text without the line of the copyright and with single spaces, so that wrapping it anew is no change.
LICENCES = {
    "MIT": ("MIT", "Copyright (c) 1999 Ann Lee", "7c9b48b52decb983"),
    "Apache-2.0": ("Apache-2.0", "Copyright 1999 Ann Lee", "0649bc87ac07c40d"),
    "BSD-3-Clause": ("BSD-3-Clause", "Copyright (c) 1999 Ann Lee", "77bebd765dc6e78c"),
    "proprietary": (
        "LicenseRef-Proprietary",
        "Copyright (c) 1999 Ann Lee. All rights reserved.",
        "ca9211be294120f2",
    ),
}


@pytest.mark.parametrize("licence", LICENCES)
def test_a_licence_is_complete_and_names_year_and_holder(small, tmp_path, licence):
    expression, notice, digest = LICENCES[licence]
    service = render(small, tmp_path, license=licence, author_name="Ann Lee", copyright_year="1999")
    text = (service / "LICENSE").read_text(encoding="utf-8")
    lines = text.splitlines()
    assert [line.strip() for line in lines if "Ann Lee" in line] == [notice]
    words = " ".join(" ".join(line for line in lines if "Ann Lee" not in line).split())
    assert hashlib.sha256(words.encode()).hexdigest()[:16] == digest
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    project = tomllib.loads((service / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == expression


def test_questions_explain_themselves(small):
    questions = json.loads((small / "cookiecutter.json").read_text(encoding="utf-8"))
    prompts = questions["__prompts__"]
    for name, default in questions.items():
        if name.startswith("_"):
            continue
        prompt = prompts[name]
        if isinstance(default, list):
            assert set(prompt) == {"__prompt__", *default}
            texts = [prompt[choice] for choice in default]
            starts = {len(text) - len(text.partition(" ")[2].lstrip()) for text in texts}
            assert len(starts) == 1, f"the choices of {name} are not aligned"
            prompt = prompt["__prompt__"]
        assert prompt.endswith("?")
