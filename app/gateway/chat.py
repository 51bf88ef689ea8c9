"""The use case: a client's text request goes to a vendor and back, and is paid for to the token."""

import asyncio
from typing import Final

from app.core.catalog import Model, Target
from app.core.chat import ChatRequest, usage_estimated
from app.core.clock import Clock
from app.core.errors import GatewayError, Overloaded
from app.core.exchange import Failure, VendorFailure
from app.core.pricing import TokenUsage, Units, tokens_charge
from app.dialects import openai_chat
from app.dialects.openai_chat import ChatAnswer, usage_in
from app.gateway.blame import answer_for
from app.gateway.caller import Caller
from app.gateway.chat_books import Bill, ChatBooks
from app.gateway.chat_call import ChatCaller, Streaming, answered
from app.gateway.chat_repeats import ChatRepeats, Keeping, Pieces, Whole
from app.gateway.idempotency import Claim
from app.gateway.routing import Router, nobody
from app.store.chats import Chat
from app.store.idempotency import Reply
from app.upstream.pool import VendorPool
from app.wire.chat_events import DONE, error_event
from app.wire.sse import COMMENT_KEEPALIVE

ATTEMPTS_MAX: Final = 3
_NEXT: Final = frozenset(failure for failure in Failure if failure.not_accepted) - {Failure.REJECTED}
"""After these another target is tried. What one vendor rejects as wrong is the client's to mend."""


class Chats:
    """Serves text requests."""

    def __init__(
        self,
        *,
        books: ChatBooks,
        repeats: ChatRepeats,
        caller: ChatCaller,
        router: Router,
        pool: VendorPool,
        clock: Clock,
    ) -> None:
        self._books = books
        self._repeats = repeats
        self._caller = caller
        self._router = router
        self._pool = pool
        self._clock = clock

    async def answer(
        self, caller: Caller, model: Model, request: ChatRequest, claim: Claim | None = None
    ) -> Whole | Pieces | Reply:
        """The answer to a request: pieces when it asked for a stream, a reply when by its claim it repeats another.

        Raises: GatewayError: it is not admitted, or no vendor answered it; nothing was charged.
        """
        caller.demand(model)
        if claim is None:
            return await self._answer(caller, model, request, None)
        within_s = sum(target.vendor.timeout_s for target in model.targets)
        begun = await self._repeats.begin(claim, within_s=within_s)
        if isinstance(begun, Reply):
            return begun
        try:
            answer = await self._answer(caller, model, request, begun)
        except BaseException:
            await self._repeats.abandon(begun)
            raise
        return answer if isinstance(answer, Whole) else begun.relayed(answer)

    async def _answer(
        self, caller: Caller, model: Model, request: ChatRequest, keeping: Keeping | None
    ) -> Whole | Pieces:
        targets = self._router.order(self._router.usable(model))[:ATTEMPTS_MAX]
        if not targets:
            raise nobody()
        bill = await self._books.open(caller, model, request, targets[0], at=self._clock.now(), keeping=keeping)
        target, answer = await self._ask(bill, targets)
        if isinstance(answer, Streaming):
            return self._relay(bill, target, answer)
        usage, estimated = answer.usage, False
        if usage is None:
            usage, estimated = usage_estimated(request, openai_chat.output_tokens_of(answer)), True
        chat = self._record(bill, target, usage=usage, estimated=estimated)
        if request.stream:
            events = openai_chat.stream_of(answer, public_model=model.id, shows_usage=request.shows_usage)
            await self._books.settle(bill, chat, events + DONE)
            return _only(events + DONE)
        oneshape = {"units": chat.units, "estimated": estimated}
        whole = Whole(openai_chat.render(answer, public_model=model.id, oneshape=oneshape), Units(chat.units))
        await self._books.settle(bill, chat, whole)
        return whole

    async def _ask(self, bill: Bill, targets: list[Target]) -> tuple[Target, ChatAnswer | Streaming]:
        """The answer of the first target that gives one; else the bill is ended, and the error is the client's."""
        failures: list[VendorFailure] = []
        target, called = targets[0], False
        try:
            for target in targets:
                trial = self._pool.trial(target, retry=called, last=target is targets[-1])
                if trial is None:
                    continue
                try:
                    return target, await self._caller.call(bill.request, target, trial, public_model=bill.model.id)
                except VendorFailure as failure:
                    failures.append(failure)
                    called = called or trial.called
                    if failure.failure not in _NEXT:
                        break
        except BaseException:  # We are being stopped while the vendor works: it may bill us, nobody is charged.
            _ = self._books.settle(bill, self._record(bill, target, outcome="cancelled", owed=True), _leaving())
            raise
        error = answer_for(failures, task_id=None, hidden=_hidden(targets))
        last = failures[-1].failure
        owed = last.unanswered or last is Failure.UNREADABLE
        said = None if last in _NEXT else error  # Where every vendor refused it, a repeat may do better.
        await self._books.settle(bill, self._record(bill, target, outcome=error.code, owed=owed), said)
        raise error

    async def _relay(self, bill: Bill, target: Target, streaming: Streaming) -> Pieces:
        """The stream, event by event. A client that leaves is relayed to no more, and pays what the vendor reports."""
        arriving, events, failure = streaming.arriving, streaming.events, None
        settled = None
        try:
            yield streaming.first
            try:
                while not events.done and events.failure is None and (chunk := await arriving.chunk()) != b"":
                    piece = COMMENT_KEEPALIVE if chunk is None else events.feed(chunk)
                    if piece:
                        yield piece
                if piece := events.close():
                    yield piece
                failure = events.failure
            except VendorFailure as broken:
                failure = None if events.finished else broken
            tail = DONE
            if failure is not None:
                tail = error_event(answer_for([failure], task_id=None, hidden=_hidden([target]))) + DONE
            settled = self._end(bill, target, streaming, failure, tail)
            try:
                await settled
            except GatewayError as error:
                tail = error_event(error) + DONE
            yield tail
        finally:
            if settled is None:
                _ = self._end(bill, target, streaming, None, error_event(_leaving()) + DONE)

    def _end(
        self, bill: Bill, target: Target, streaming: Streaming, failure: VendorFailure | None, tail: bytes
    ) -> "asyncio.Future[None]":
        """Ends the vendor's part and settles: by the usage it reported, else by what was relayed. `tail` ends ours."""
        streaming.arriving.close(soon=failure is None and streaming.events.done)
        usage, estimated = usage_in(streaming.events.usage), False
        answered(streaming.trial, streaming.events.vendor_model, usage)
        if failure is None:
            streaming.trial.delivered()
        else:
            streaming.trial.failed(failure)
        if usage is None:
            usage, estimated = usage_estimated(bill.request, streaming.events.output_tokens), True
        outcome = "succeeded" if failure is None else answer_for([failure], task_id=None, hidden=()).code
        chat = self._record(bill, target, outcome=outcome, usage=usage, estimated=estimated)
        return self._books.settle(bill, chat, tail)

    def _record(
        self,
        bill: Bill,
        target: Target,
        *,
        outcome: str = "succeeded",
        usage: TokenUsage | None = None,
        estimated: bool = False,
        owed: bool = False,
    ) -> Chat:
        """What is kept of the request. `owed`: the vendor may bill for an answer that never came."""
        used = usage or TokenUsage(0, 0)
        return Chat(
            id=bill.id,
            account_id=bill.hold.account_id,
            key_id=bill.hold.key.key_id,
            model=bill.model.id,
            outcome=outcome,
            created_at=bill.hold.at,
            finished_at=self._clock.now(),
            vendor=target.vendor.name,
            vendor_model=target.model,
            input_tokens=used.input_tokens,
            cached_input_tokens=used.cached_input_tokens,
            output_tokens=used.output_tokens,
            estimated=estimated,
            units=0 if usage is None else bill.charge(usage),
            cost_units=0 if usage is None else tokens_charge(target.cost, usage),
            exposure_units=bill.exposure(target) if owed else 0,
        )


async def _only(piece: bytes) -> Pieces:
    yield piece


def _leaving() -> GatewayError:
    """What an interrupted request was told, if anything. A vendor may have been paid: no retry is advised."""
    return Overloaded("The gateway is being restarted.", should_retry=False)


def _hidden(targets: list[Target]) -> tuple[str, ...]:
    """Words that no message to a client may carry."""
    vendors = [target.vendor for target in targets]
    words = {word for vendor in vendors for word in (vendor.name, vendor.base_url, *vendor.api_keys)}
    return tuple(words | {target.model for target in targets})
