"""What a statement does that a savepoint has to know of: to transactions, to what ends with them, to what outlives them.

Texts only. What a statement writes isn't told by its words, the server is asked for that; see `drivers`. What a function
hides, or SQL that is put together on the server, isn't seen here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_GAP = r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)"
_NAME = r'(?P<name>"(?:[^"]|"")+"|\'[^\']+\'|[\w$]+)'
_CONTROL = re.compile(
    rf"""{_GAP}*(?:
        (?P<two_phase>PREPARE\s+TRANSACTION|(?:COMMIT|ROLLBACK)\s+PREPARED)\b
      | (?P<begin>BEGIN|START\s+TRANSACTION)\b(?P<how>.*)
      | (?P<to>ROLLBACK(?:\s+(?:WORK|TRANSACTION))?\s+TO(?:\s+SAVEPOINT)?)\s+{_NAME}
      | (?P<rollback>ROLLBACK|ABORT)\b
      | (?P<commit>COMMIT|END)\b
      | (?P<savepoint>SAVEPOINT)\s+{_NAME.replace("name", "name2", 1)}
      | (?P<release>RELEASE(?:\s+SAVEPOINT)?)\s+{_NAME.replace("name", "name3", 1)}
    )""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_CHAIN = re.compile(r"\bAND\s+CHAIN\b", re.IGNORECASE)
_NOTABLE = re.compile(
    r"^\W*(?:BEGIN|START|COMMIT|END|ABORT|ROLLBACK|SAVEPOINT|RELEASE|PREPARE|SET|LISTEN|DECLARE|CREATE|ALTER|DROP|GRANT|REVOKE)\b"
    r"|[;]|--|/\*|\b(?:setval|set_config|DEFERRED|CURSOR)\b",
    re.IGNORECASE,
)
"""Most statements aren't notable: one search, and no more."""
_SET_LOCAL = re.compile(
    r"\bSET\s+LOCAL\s+(?:(?P<zone>TIME\s+ZONE)|(?P<role>(?:SESSION\s+AUTHORIZATION|ROLE))|(?P<set>[\w.]+|\"[^\"]+\"))",
    re.I,
)
_SET_CONFIG = re.compile(r"\bset_config\s*\(", re.IGNORECASE)
_READ_ONLY = re.compile(r"\bSET\s+(?:LOCAL\s+)?TRANSACTION\b.*\bREAD\s+ONLY\b", re.IGNORECASE | re.DOTALL)
_CONSTRAINTS = re.compile(r"\bSET\s+CONSTRAINTS\b", re.IGNORECASE)
_DECLARE = re.compile(rf"\bDECLARE\s+{_NAME}\s+(?P<how>[\w\s]*?)\bCURSOR\b(?!\s+WITH\s+HOLD)", re.IGNORECASE)
_TEMPORARY = re.compile(
    r"\bCREATE\s+(?:(?:LOCAL|GLOBAL)\s+)?TEMP(?:ORARY)?\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(?:pg_temp\.)?"
    rf"{_NAME}.*?\bON\s+COMMIT\s+(?P<what>DROP|DELETE\s+ROWS)",
    re.IGNORECASE | re.DOTALL,
)
_CLUSTER = re.compile(
    r"\b(?:(?:CREATE|ALTER|DROP)\s+(?:(?:ROLE|GROUP|DATABASE|TABLESPACE)\b|USER\b(?!\s+MAPPING))|ALTER\s+SYSTEM\b"
    r"|COMMENT\s+ON\s+(?:ROLE|DATABASE|TABLESPACE)\b|REASSIGN\s+OWNED\b)"
    r"|^\W*(?:GRANT|REVOKE)\s+(?:(?!\bON\b)[^;])*(?:\bTO\b|\bFROM\b)(?:(?!\bON\b)[^;])*$"
    r"|^\W*(?:GRANT|REVOKE)\b[^;]*\bON\s+(?:DATABASE|TABLESPACE|PARAMETER)\b",
    re.IGNORECASE,
)
_LISTEN = re.compile(rf"{_GAP}*LISTEN\b", re.IGNORECASE)
_PREPARE = re.compile(rf"{_GAP}*PREPARE\s+(?!TRANSACTION)", re.IGNORECASE)
_SETVAL = re.compile(r"\bsetval\s*\(", re.IGNORECASE)
_DEFINES = re.compile(rf"{_GAP}*(?:CREATE|ALTER|DROP)\b", re.IGNORECASE)
_DEFERRED = re.compile(r"\bDEFERR(?:ED|ABLE)\b", re.IGNORECASE)
_BODY = re.compile(r"\bBEGIN\s+ATOMIC\b|\bCREATE\s+(?:TEMP\w*\s+)?TRIGGER\b", re.IGNORECASE)
"""What has statements in it that aren't its own."""
_PIECES = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|;|[^'"$;/-]+|.""",
    re.DOTALL,
)


@dataclass(frozen=True)
class Meaning:
    """What a statement does."""

    control: str = ""
    """begin, commit, rollback, savepoint, release, to or two_phase; nothing for any other statement."""
    name: str = ""
    """Of the savepoint."""
    how: str = ""
    """What stands behind BEGIN."""
    chain: bool = False
    pieces: tuple[str, ...] = ()
    """The statements, if there are several and one of them controls a transaction."""
    settings: tuple[str, ...] = ()
    """What is set for the transaction only."""
    set_config: bool = False
    read_only: bool = False
    constraints: bool = False
    """SET CONSTRAINTS."""
    cursors: tuple[str, ...] = ()
    temporary: tuple[tuple[str, str], ...] = ()
    """Tables that end with the transaction, and how: DROP or DELETE ROWS."""
    cluster: str = ""
    """What it does to the cluster, in its own words."""
    listens: bool = False
    prepares: bool = False
    sets_sequence: bool = False
    defines: bool = False
    """Whether it is DDL."""
    defers: bool = False
    """Whether it speaks of deferred constraints."""


NOTHING = Meaning()


def unquoted(name: str) -> str:
    """Return the name that an identifier stands for."""
    if name[:1] in "\"'":
        return name[1:-1].replace('""', '"')
    return name.lower()


@lru_cache(2048)
def meaning(statement: str) -> Meaning:
    """Return what a statement does, or several in one text."""
    if not _NOTABLE.search(statement):
        return NOTHING
    pieces = tuple(_split(statement)) if not _BODY.search(statement) else ()
    if len(pieces) > 1 and any(_CONTROL.match(piece) for piece in pieces):
        return Meaning(pieces=pieces)
    return _controlling(statement) or _telling(_without_literals(statement))


def _controlling(statement: str) -> Meaning | None:
    found = _CONTROL.match(statement)
    if found is None:
        return None
    control = next(
        kind
        for kind in ("two_phase", "begin", "to", "rollback", "commit", "savepoint", "release")
        if found[kind]
    )
    name = found["name"] or found["name2"] or found["name3"] or ""
    return Meaning(
        control,
        name=unquoted(name),
        how=(found["how"] or "").strip(" ;\n"),
        chain=bool(_CHAIN.search(statement)),
    )


def _telling(statement: str) -> Meaning:
    settings = [
        "TimeZone" if found["zone"] else (found["role"] or found["set"].strip('"')).lower()
        for found in _SET_LOCAL.finditer(statement)
    ]
    cluster = _CLUSTER.search(statement)
    return Meaning(
        settings=tuple(
            "session_authorization" if name.startswith("session ") else name
            for name in settings
            if name != "transaction"
        ),
        set_config=bool(_SET_CONFIG.search(statement)),
        read_only=bool(_READ_ONLY.search(statement)),
        constraints=bool(_CONSTRAINTS.search(statement)),
        cursors=tuple(unquoted(found["name"]) for found in _DECLARE.finditer(statement)),
        temporary=tuple(
            (found["name"], " ".join(found["what"].upper().split()))
            for found in _TEMPORARY.finditer(statement)
        ),
        cluster=" ".join(statement.split())[:80] if cluster else "",
        listens=bool(_LISTEN.match(statement)),
        prepares=bool(_PREPARE.match(statement)),
        sets_sequence=bool(_SETVAL.search(statement)),
        defines=bool(_DEFINES.match(statement)),
        defers=bool(_DEFERRED.search(statement)),
    )


def _without_literals(statement: str) -> str:
    return "".join(
        " "
        if found[0][:2] in ("--", "/*")
        else "''"
        if found[0][0] in "'$" and len(found[0]) > 1
        else found[0]
        for found in _PIECES.finditer(statement)
    )


def _split(statement: str) -> Iterator[str]:
    """Yield the statements of a text, without what stands between them."""
    if ";" not in statement:
        yield statement
        return
    current: list[str] = []
    for found in _PIECES.finditer(statement):
        if found[0] == ";":
            if text := "".join(current).strip():
                yield text
            current = []
        else:
            current.append(found[0])
    if text := "".join(current).strip():
        yield text
