"""Real commits in place of savepoints, for parity: an engine of the integration tier on a database of each test's own.

A wider fixture that works on the engine gets a database as well, and those of its tests are cloned from that. So each test
finds what it finds in its own tier, and what it commits is committed. A clone takes 20 to 50 ms.
"""

from typing import TYPE_CHECKING, Any

from sqlalchemy.pool import Pool, QueuePool

from pytest_tiers.databases.engines.scopes import Scope, Scopes

if TYPE_CHECKING:
    from sqlalchemy import URL, Dialect

    from pytest_tiers.databases.templates import Databases

LOCK_TIMEOUT = "5s"
"""How long a statement waits for a lock of another connection of the same test, which would wait for it for ever."""


class Clones:
    """The databases of the scopes that are open; it follows them as a line does."""

    def __init__(self, databases: "Databases", scopes: Scopes) -> None:
        """Make none yet."""
        self._databases = databases
        self._scopes = scopes
        self._of_scope: dict[Scope, tuple[URL, list[Pool]]] = {}
        self.used = False
        """Whether something worked on one since this was looked at last."""

    def pool(self, dialect: "Dialect", like: Pool) -> Pool:
        """Return the pool of connections to the database of the scope whose code runs."""
        url, pools = self._database(self._scopes.current)
        self.used = True
        for pool in pools:
            if pool._dialect is dialect:
                return pool
        pools.append(
            QueuePool(
                lambda: _connect(dialect, url), dialect=dialect, max_overflow=-1, _dispatch=like.dispatch
            )
        )
        return pools[-1]

    def holds(self, scope: Scope) -> bool:
        """Tell whether a scope has a database."""
        return scope in self._of_scope

    def end_scope(self, scope: Scope) -> None:
        """Drop the database of a scope that has ended."""
        found = self._of_scope.pop(scope, None)
        if found is not None:
            url, pools = found
            for pool in pools:
                pool.dispose()
            self._databases.drop(url)

    def close(self) -> None:
        """Drop what is left."""
        for scope in list(self._of_scope):
            self.end_scope(scope)

    def _database(self, scope: Scope) -> "tuple[URL, list[Pool]]":
        if scope not in self._of_scope:
            for narrower in [one for one in self._of_scope if one.narrower_than(scope)]:
                self.end_scope(
                    narrower
                )  # it is made anew from this one: the rollback tier refuses what it would lose
            wider = [one for one in self._scopes.open if one in self._of_scope and scope.narrower_than(one)]
            wider += [
                one for one in self._of_scope if one.within is not None and not one.narrower_than(scope)
            ]
            url = self._clone_of(wider[-1]) if wider else self._databases.clone()
            self._of_scope[scope] = url, []
        return self._of_scope[scope]

    def _clone_of(self, scope: Scope) -> "URL":
        url, pools = self._of_scope[scope]
        for pool in pools:
            pool.dispose()
        return self._databases.clone_of(str(url.database))


def _connect(dialect: "Dialect", url: "URL") -> Any:
    arguments, options = dialect.create_connect_args(url)
    raw: Any = dialect.connect(*arguments, **options)
    raw.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
    raw.commit()
    return raw


class ClonePool(Pool):
    """Hands out connections of whatever pool the scope has whose code runs."""

    def __init__(self, clones: Clones, dialect: "Dialect", like: Pool) -> None:
        """Take the databases, and the listeners of the pool that this stands in for."""
        self._clones = clones
        self._like = like
        super().__init__(like._creator_arg, dialect=dialect, _dispatch=like.dispatch)

    def connect(self) -> Any:
        """Check out a connection."""
        return self._clones.pool(self._dialect, self._like).connect()  # type: ignore[arg-type]

    def dispose(self) -> None:
        """Close the connections that nobody has, of all databases."""

    def recreate(self) -> "ClonePool":
        """Return the same."""
        return self

    def status(self) -> str:
        """Say what it is."""
        return "databases of each test's own, for parity"
