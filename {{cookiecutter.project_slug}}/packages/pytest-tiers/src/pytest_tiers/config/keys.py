"""What may stand in `[tool.tiers]`: a check of each value, and in words what it has to be."""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from pytest_tiers.config.settings import TIERS, Budgets


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _patterns(value: object) -> bool:
    if not isinstance(value, list) or not _texts(value):
        return False
    try:
        return all(re.compile(text) for text in value)
    except re.error:
        return False


def _place(value: object) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"[\w.]+:[\w.]+", value))


def _places(value: object) -> bool:
    return _place(value) or (isinstance(value, list) and all(map(_place, value)))


def listed(value: object) -> tuple[str, ...]:
    """Return what is said once or several times."""
    return (value,) if isinstance(value, str) else tuple(value)  # type: ignore[arg-type]


def _tier_folders(value: object) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() <= TIERS.keys()
        and all(_text(folders) or _texts(folders) for folders in value.values())
    )


def _variables(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _limits(value: object) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() <= {limit.name for limit in fields(Budgets)}
        and all(
            isinstance(number, int | float) and not isinstance(number, bool) and number > 0
            for number in value.values()
        )
    )


KEYS: dict[str, tuple[Callable[[object], bool], str]] = {
    "folders": (
        _tier_folders,
        f"folders by tier, the tiers being {', '.join(TIERS)}: {{ unit = ['tests/unit'] }}",
    ),
    "packages": (_texts, 'names that are imported: ["shop"]'),
    "metadata": (_place, '"module:Base.metadata"'),
    "migrations": (
        lambda value: value in ("alembic", "metadata") or _place(value),
        '"alembic", "metadata" or "module:function"',
    ),
    "seed": (_place, '"module:function"'),
    "engine": (_places, '"module:engine", or several: ["shop.db:engine", "shop.db:reports"]'),
    "quarantine": (_text, 'a file: "tests/quarantine.toml"'),
    "environment": (_variables, 'variables and their values, as text: { SECRET_KEY = "test" }'),
    "allowed_servers": (_texts, 'hosts with or without a port: ["localhost:5432"]'),
    "expected_threads": (_patterns, 'regular expressions: ["pool-.*"]'),
    "expected_caches": (_patterns, "regular expressions: ['shop\\.rates\\._known']"),
    "budgets": (_limits, f"numbers above 0, called {', '.join(limit.name for limit in fields(Budgets))}"),
}


def wrong_keys(given: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong, by key, in words that say what is allowed."""
    wrong = {}
    for key, value in given.items():
        if key not in KEYS:
            wrong[key] = f"{key} is none of its keys, which are {', '.join(KEYS)}"
        elif not KEYS[key][0](value):
            wrong[key] = f"{key} = {value!r:.80} has to be {KEYS[key][1]}"
    if given.get("migrations") == "metadata" and "metadata" not in given:
        wrong["migrations"] = 'migrations = "metadata" needs metadata = "module:Base.metadata"'
    return wrong
