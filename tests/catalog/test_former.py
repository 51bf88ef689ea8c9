"""Work keeps the revision that admitted it: what the catalog no longer has is still there for who has ordered it."""

import structlog

from app.core.clock import Clock
from app.gateway.catalog.live import KEPT, Earlier, LiveCatalog, Revision, nothing_earlier
from tests.catalog.support import SECRET_KEY, SMALL, changed

WORDS_ONLY = SMALL[: SMALL.index("  painter:")] + SMALL[SMALL.index("  talker:") : SMALL.index("  - id: picture-1k")]
WORDS_ONLY += SMALL[SMALL.index("  - id: words") : SMALL.index("families:")]
OTHER_KEY = changed("api_keys: [pk-one]", "api_keys: [pk-two]")


class Revisions:
    """Every revision that was put, the newest in force."""

    def __init__(self, *texts: str) -> None:
        self.all = [Revision(number, text, "yaml") for number, text in enumerate(texts, start=1)]
        self.asked: list[int] = []

    async def newest(self) -> Revision | None:
        return self.all[-1]

    async def earlier(self, number: int) -> Revision | None:
        self.asked.append(number)
        return next((one for one in self.all if one.number == number), None)

    async def put(self, live: LiveCatalog, text: str) -> None:
        self.all.append(Revision(len(self.all) + 1, text, "yaml"))
        assert await live.refresh()


async def opened(revisions: Revisions, earlier: Earlier = nothing_earlier) -> LiveCatalog:
    log = structlog.get_logger()
    return await LiveCatalog.open(
        revisions.newest, env={}, secret_key=SECRET_KEY, clock=Clock(), log=log, earlier=earlier
    )


async def test_a_model_and_a_vendor_that_were_taken_away_are_there_for_work_admitted_before() -> None:
    revisions = Revisions(SMALL)
    live = await opened(revisions)
    await revisions.put(live, WORDS_ONLY)
    assert set(live.current.models) == {"words"}
    catalog = await live.admitting(1)
    assert set(catalog.models) == {"words", "picture-1k"}
    assert catalog.models["picture-1k"].targets[0].vendor.api_keys == ("pk-one",)
    assert await live.admitting(2) is live.current


async def test_what_is_there_still_is_as_it_is_now() -> None:
    revisions = Revisions(SMALL)
    live = await opened(revisions)
    await revisions.put(
        live,
        changed("id: picture-1k", "id: portrait-1k", text=OTHER_KEY).replace("default: picture", "default: portrait"),
    )
    catalog = await live.admitting(1)
    assert catalog.models["picture-1k"].targets[0].vendor.api_keys == ("pk-two",)
    await revisions.put(live, OTHER_KEY)
    assert await live.admitting(1) is live.current, "nothing is gone"


async def test_a_process_that_started_later_reads_the_revision_and_reads_it_once() -> None:
    revisions = Revisions(SMALL, WORDS_ONLY)
    live = await opened(revisions, revisions.earlier)
    for _ in range(3):
        assert "picture-1k" in (await live.admitting(1)).models
    assert revisions.asked == [1]


async def test_a_revision_that_nobody_kept_leaves_what_is_in_force() -> None:
    live = await opened(Revisions(SMALL, WORDS_ONLY))
    assert await live.admitting(1) is live.current
    assert await live.admitting(99) is live.current


async def test_only_so_many_are_kept() -> None:
    revisions = Revisions(SMALL)
    live = await opened(revisions)
    for number in range(KEPT + 1):
        await revisions.put(live, SMALL.replace('"0.05"', f'"0.{number + 10}"'))
    assert (len(live._former), 1 in live._former) == (KEPT, False)
