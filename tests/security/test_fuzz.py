"""Short runs of the fuzzers (F12), and that they see what they look for. The long ones are `make campaign`'s."""

import json
import random
from pathlib import Path

import pytest

from benchmarks.fuzz import proxied, smuggling, straight
from benchmarks.fuzz.bodies import SEEDS
from benchmarks.fuzz.campaign import QUICK, run_bodies, run_straight, run_vendors, run_wire
from benchmarks.fuzz.figures import Figures
from benchmarks.fuzz.mutations import mutated_document

SEED = 20_261_120
ERROR = {"message": "m", "type": "t", "param": None, "code": "c"}


async def test_no_mutated_body_is_a_5xx_costs_anything_or_reaches_a_vendor(tmp_path: Path) -> None:
    """B16-B36: the client's account is empty, so all that is well formed is 402."""
    figures = await run_bodies(tmp_path, cases=400, seed=SEED)
    assert figures.problems == []
    assert figures.cases == 400
    assert {400, 402, 404} <= set(figures.statuses)


async def test_no_mutated_bytes_hang_crash_or_are_answered_in_another_shape(tmp_path: Path) -> None:
    """C37-C45."""
    figures = await run_wire(tmp_path, cases=200, seed=SEED)
    assert figures.problems == []
    assert {200, 400, 408} <= set(figures.statuses)


async def test_a_second_reader_of_the_same_bytes_finds_the_same_requests() -> None:
    """C37, C38: every way known to hide one request in another."""
    figures = await run_straight(cases=100, seed=SEED)
    assert figures.problems == []
    assert {200, 400, 405} <= set(figures.statuses)


@pytest.mark.skipif(proxied.NGINX is None, reason="there is no nginx here")
async def test_nothing_reaches_the_gateway_that_nginx_did_not_send(tmp_path: Path) -> None:
    """C37, C38: some of the ways; all of them are `python -m benchmarks.fuzz`."""
    figures = await proxied.run(tmp_path, smuggling.cases()[::8], limits=QUICK, seed=SEED)
    assert figures.problems == []
    assert figures.statuses[200] > 40


def test_a_request_that_only_one_reader_finds_is_a_problem() -> None:
    both, hidden = ("/case-1", "d1"), (f"{smuggling.HIDDEN}1", "d2")
    assert straight.difference([both], [both, hidden]) is None, "h11 may go on where the gateway refuses"
    assert straight.difference([both, hidden], [both])
    assert straight.difference([("/case-1", "d2")], [both])
    account = json.dumps({"path": "/case-1", "upstream": "200", "seen": "d1"})
    assert proxied.differences(account, [both]) == []
    assert len(proxied.differences(account, [both, hidden])) == len(proxied.differences(account, [both, both])) == 1
    assert len(proxied.differences(account.replace("200", ""), [both])) == 1, "nginx answered by itself"


async def test_no_mutated_vendor_answer_is_a_500_or_costs_without_a_picture(tmp_path: Path) -> None:
    """F70-F83."""
    figures = await run_vendors(tmp_path, cases=25, seed=SEED)
    assert figures.problems == []
    assert {200, 502} <= set(figures.statuses)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, {"error": ERROR}),
        (400, {"error": {**ERROR, "code": "internal_error"}}),
        (400, {"error": {"message": "m"}}),
        (400, {"detail": []}),
        (502, None),
    ],
)
def test_the_judge_finds_what_may_not_be(status: int, body: object) -> None:
    figures = Figures("judge", 1)
    figures.judge("case", status, b"<html>" if body is None else json.dumps(body).encode())
    assert len(figures.problems) == 1


@pytest.mark.parametrize("status", [400, 402, 502, 503])
def test_the_judge_accepts_the_contracts_errors(status: int) -> None:
    figures = Figures("judge", 1)
    figures.judge("case", status, json.dumps({"error": ERROR}).encode())
    assert figures.problems == []


def test_a_seed_and_a_number_replay_a_case() -> None:
    one, two = (mutated_document(random.Random("7/3"), SEEDS[0][1]) for _ in range(2))
    assert one == two != json.dumps(SEEDS[0][1]).encode()
