"""Records that are old and over, old and not over, and young: for tests of what is removed."""

from sqlalchemy import Connection, insert

from app.core.attempt import AttemptState
from app.core.task import TaskStatus
from app.store import attempts, audit, ledger, media, outbox, tasks
from app.store.attempts import Attempt, Result
from app.store.audit import Change
from app.store.media import Media
from app.store.outbox import Delivery
from app.store.tables import chats
from app.store.tasks import Finish
from tests.store.rows import NOW, a_task, add_account, admit

DAY = 86_400.0


def old_task(tx: Connection, task_id: str, *, at: float = NOW, unknown: bool = False, kept: bool = False) -> None:
    """A task that failed, or whose picture may still be kept, with an attempt and a webhook that was delivered."""
    admit(tx, a_task(task_id, status=TaskStatus.IN_PROGRESS, lease_token="t", created_at=at))
    attempts.intend(tx, Attempt(f"att_{task_id}", task_id, 0, 0, "v", "m", images_asked=1, created_at=at))
    attempts.mark_sent(tx, f"att_{task_id}", at=at)
    state = AttemptState.UNKNOWN if unknown else AttemptState.REFUSED
    attempts.resolve(tx, f"att_{task_id}", Result(state, exposure_units=7 if unknown else 0), at=at)
    picture = Media(
        id=f"med_{task_id}",
        task_id=task_id,
        account_id="acc_1",
        role="input",
        position=0,
        mime="image/png",
        extension="png",
        width=1,
        height=1,
        size_bytes=9,
        sha256="0" * 64,
        created_at=at,
        expires_at=at + DAY,
    )
    media.insert_all(tx, [picture])
    if not kept:
        media.mark_erased(tx, [picture.id], at=at + DAY)
    event = "image.task.failed"
    outbox.enqueue(tx, Delivery(f"msg_{task_id}", task_id, "acc_1", event, "https://x.example", {}, at, at))
    tasks.finish(tx, task_id, lease_token="t", outcome=Finish(TaskStatus.FAILED, error={}), at=at)
    ledger.release(tx, charge_id=task_id, reason="test", at=at)


def a_chat(tx: Connection, chat_id: str, *, at: float = NOW, exposure_units: int = 0) -> None:
    row = {
        "id": chat_id,
        "account_id": "acc_1",
        "key_id": "key_1",
        "model": "m",
        "outcome": "failed",
        "input_tokens": 0,
        "cached_input_tokens": 0,
        "output_tokens": 0,
        "estimated": False,
        "units": 0,
        "cost_units": 0,
        "exposure_units": exposure_units,
        "created_at": at,
        "finished_at": at,
    }
    tx.execute(insert(chats).values(row))


def fill(tx: Connection) -> None:
    """Of what was made at `NOW`, three tasks, a chat and a record of the audit may go; the others have to stay."""
    add_account(tx, units=1_000)
    for number in range(3):
        old_task(tx, f"task_old{number}")
    old_task(tx, "task_unknown", unknown=True)
    old_task(tx, "task_kept", kept=True)
    old_task(tx, "task_young", at=NOW + 50 * DAY)
    admit(tx, a_task("task_open"))
    for name in ("task_old0", "task_old1", "task_old2", "task_unknown", "task_kept", "task_young"):
        outbox.mark_delivered(tx, f"msg_{name}", status=200, at=NOW)
    old_task(tx, "task_pending")
    a_chat(tx, "chat_old")
    a_chat(tx, "chat_owed", exposure_units=5)
    a_chat(tx, "chat_young", at=NOW + 50 * DAY)
    audit.record(tx, Change("aud_old", NOW, "ops", "key.created", "key_1"))
    audit.record(tx, Change("aud_young", NOW + 50 * DAY, "ops", "key.created", "key_1"))
