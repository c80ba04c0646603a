"""The page about guards says what they say."""

from pathlib import Path

import pytest
import pytest_tiers
from pytest_tiers.guards import (
    GUARDS,
    files,
    lifting,
    network,
    placement,
    probes,
    processes,
    secrets,
    threads,
    variables,
)
from pytest_tiers.guards.loggers import Loggers

PAGE = Path(pytest_tiers.__file__).parents[2] / "docs" / "guards.md"
PLACES = {"unit": "tests/unit", "integration": "tests/integration", "committed": "tests/committed"}
MESSAGES = [
    *(
        probe.advice
        for probe in (
            probes.Environment,
            probes.Locale,
            processes.Process,
            processes.Modules,
            processes.Patchers,
        )
    ),
    *(probe.advice for probe in (threads.Threads, Loggers, variables.Variables, variables.Shared)),
    *(files.ADVICE, network.UNIT, network.ELSEWHERE, network.NO_DATABASE, network.OTHER_DATABASE),
    *(placement.NO_TIER, secrets.INSTEAD.removeprefix(".\n")),
]


def flat(text: str) -> str:
    return " ".join(text.replace("{}", "…").replace("{where}", "…").format(**PLACES).split())


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message[:30])
def test_each_message_stands_there(message: str) -> None:
    assert flat(message) in PAGE.read_text()


def test_each_guard_stands_there() -> None:
    rows = [
        line.split("|")[1].strip().partition(",")[0]
        for line in PAGE.read_text().splitlines()
        if line.startswith("| ")
    ]
    assert GUARDS.keys() <= {*rows}


def test_messages_have_three_lines_with_what_to_do(tmp_path: Path) -> None:
    del tmp_path
    for message in MESSAGES[:-1]:
        lines = (message + lifting.how_to_lift("files")).splitlines()
        assert len(lines) == 3, message
        assert lines[-1].startswith("If it is meant: ")
