"""The catalog as operators see and change it: each change is validated whole, a revision of its own, and audited."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Final

from app.core.clock import Clock
from app.core.errors import Conflict, GatewayError, NotFound, Overloaded
from app.core.ids import new_id
from app.gateway.catalog.build import LoadedCatalog, load
from app.gateway.catalog.diff import Change, diff
from app.gateway.catalog.findings import CatalogInvalid, Finding
from app.gateway.catalog.live import Revision, Source
from app.gateway.catalog.secrets import conceal, seal
from app.gateway.catalog.yaml import Format, Value, read, write
from app.store import audit, catalog
from app.store.database import Database, Tx
from app.store.sql import Page

SUBJECT: Final = "catalog"
AUDITED_CHANGES_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Shown:
    """A revision as it may be shown: keys that are written out are not in it. `text` is YAML, comments included."""

    number: int
    document: Value
    text: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a new catalog would change, or did: `number` is the revision that is in force now."""

    number: int
    changes: tuple[Change, ...]
    warnings: tuple[Finding, ...]


class CatalogDesk:
    """Shows, tries, replaces and restores the catalog. `actor` names who does it.

    `source` is where the catalog in force comes from. Only that of the database is `editable`: a file rules by itself.
    `changed` is called after a change, so that this process need not wait until it sees it.
    """

    def __init__(
        self,
        database: Database,
        source: Source,
        *,
        editable: bool,
        env: Mapping[str, str],
        secret_key: bytes,
        clock: Clock,
        changed: Callable[[], Awaitable[object]] | None = None,
        actor: str = "admin",
    ) -> None:
        self._database = database
        self._source = source
        self._editable = editable
        self._env = env
        self._secret_key = secret_key
        self._clock = clock
        self._changed = changed
        self._actor = actor

    async def show(self) -> Shown:
        """The newest revision. Raises: Overloaded: it cannot be read; CatalogInvalid: it is broken."""
        revision = await self._newest()
        document, _ = read(revision.text, format=revision.format)
        shown = conceal(document)
        as_written = shown == document and revision.format == "yaml"
        return Shown(revision.number, shown, _decoded(revision.text) if as_written else write(shown))

    async def propose(self, text: str | bytes, format: Format) -> Proposal:  # noqa: A002 -- the word operators know
        """What this catalog would change; nothing is written. Raises: CatalogInvalid, with all that is wrong."""
        current = await self._newest()
        return self._proposal(current, self._load(text, format, current.number + 1))

    async def put(
        self,
        text: str | bytes,
        format: Format,  # noqa: A002 -- the word operators know
        *,
        comment: str | None = None,
        expected: int | None = None,
    ) -> Proposal:
        """Puts this catalog in force, its keys sealed; when nothing differs, no revision is made.

        Raises:
            CatalogInvalid: with all that is wrong.
            Conflict (conflict): a file rules, the revision in force is not `expected`, or another came meanwhile.
        """
        self._demand_editable()
        current = await self._newest()
        if expected not in (None, current.number):
            raise Conflict(f"Revision {current.number} is in force, not {expected}; read it again.", code="conflict")
        loaded = self._load(text, format, current.number + 1)
        proposal = self._proposal(current, loaded)
        if not proposal.changes:
            return proposal
        sealed = seal(loaded.document, self._secret_key)
        as_written = sealed == loaded.document
        revision = catalog.Revision(
            n=current.number + 1,
            document=_decoded(text) if as_written else write(sealed),
            format=format if as_written else "yaml",
            author=self._actor,
            comment=comment,
            created_at=self._clock.now(),
        )
        await self._append(revision, "catalog.replaced", proposal)
        return Proposal(revision.n, proposal.changes, proposal.warnings)

    async def restore(self, number: int) -> Proposal:
        """Puts an earlier revision in force again, as a new one. Raises: NotFound; otherwise as `put`."""
        self._demand_editable()
        old = await self._database.read(lambda tx: catalog.get(tx, number))
        if old is None:
            raise NotFound(f"There is no revision {number}.")
        return await self.put(old.document, old.format, comment=f"Revision {number} again.")

    async def revisions(self, *, after: str | None = None, limit: int = 20) -> Page[catalog.Revision]:
        """Revisions in the database, newest first. Raises: InvalidRequest: `after` is no cursor."""
        return await self._database.read(lambda tx: catalog.list_page(tx, after=after, limit=limit))

    async def _newest(self) -> Revision:
        try:
            revision = await self._source()
        except OSError as error:
            raise Overloaded("The catalog's file cannot be read now.", code="storage_unavailable") from error
        if revision is None:
            raise CatalogInvalid([Finding("", None, "there is no catalog")])
        return revision

    def _load(self, text: str | bytes, format: Format, number: int) -> LoadedCatalog:  # noqa: A002 -- as above
        return load(text, format=format, env=self._env, secret_key=self._secret_key, revision=number)

    def _proposal(self, current: Revision, loaded: LoadedCatalog) -> Proposal:
        document, _ = read(current.text, format=current.format)
        return Proposal(current.number, tuple(diff(document, loaded.document)), loaded.warnings)

    def _demand_editable(self) -> None:
        if not self._editable:
            raise Conflict("The catalog is a file: change it there, and it is live within seconds.", code="conflict")

    async def _append(self, revision: catalog.Revision, action: str, proposal: Proposal) -> None:
        changes = [asdict(change) for change in proposal.changes[:AUDITED_CHANGES_MAX]]
        change = audit.Change(
            new_id("aud"),
            revision.created_at,
            self._actor,
            action,
            SUBJECT,
            before={"revision": proposal.number},
            after={"revision": revision.n, "changes": changes},
        )

        def unit(tx: Tx) -> None:
            catalog.append(tx, revision)
            audit.record(tx, change)

        await self._database.write(unit)
        if self._changed is not None:
            with suppress(OSError, GatewayError):  # It is in force; whoever looks every second will see it.
                await self._changed()


def _decoded(text: str | bytes) -> str:
    return text if isinstance(text, str) else text.decode("utf-8-sig")
