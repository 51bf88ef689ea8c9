"""A bill as vendors export it: columns by several names, amounts exact, and all that is wrong told at once."""

import pytest

from app.core.pricing import billed_units
from app.gateway.bill_reading import ERRORS_MAX, LINES_MAX, BilledLine, BillInvalid, read_bill

DAY = 1_763_596_800.0
"""2025-11-20T00:00:00Z."""


@pytest.mark.parametrize(
    "text",
    [
        "task_id,date,model,images,cost\njob-1,2025-11-20,big,2,0.09\n",
        "\ufeffTask ID;Date;Model;Images;Cost;Remark\r\njob-1;2025-11-20T00:00:00Z;big;2;0.09;ours\r\n\r\n",
        "Request-ID\tTimestamp\tmodel name\tquantity\tAmount\njob-1\t1763596800\tbig\t2\t0.090000\n",
        'id,created_at,model,count,units\n"job-1",1763596800000,"big",2,90000\n',
        "reference,time,model,quantity,price\njob-1,2025-11-20T01:00:00+01:00,big,2,0.09",
    ],
)
def test_a_line_is_read_whatever_its_columns_are_called(text: str) -> None:
    assert read_bill(text.encode()) == [BilledLine(2, DAY, "big", "job-1", 2, 90_000)]


@pytest.mark.parametrize(
    ("amount", "units"), [("0.0000004", 0), ("0.0000006", 1), ("-1.5", -1_500_000), ("7", 7_000_000), ("0.1", 100_000)]
)
def test_amounts_are_exact_to_a_unit(amount: str, units: int) -> None:
    assert billed_units(amount) == units


@pytest.mark.parametrize("amount", ["", "1e9", "NaN", "1,5", "$1", "9" * 12, "0x1", "\uff11", "--1", "."])
def test_what_is_no_amount_is_refused(amount: str) -> None:
    with pytest.raises(ValueError):
        billed_units(amount)


def test_all_that_is_wrong_is_told_with_its_line() -> None:
    text = "id,date,images,cost\na,yesterday,1,1\nb,2025-11-20,two,1\nc,2025-11-20,1,free\nd,,,1\n"
    with pytest.raises(BillInvalid) as refused:
        read_bill(text.encode())
    assert [error.partition(":")[0] for error in refused.value.errors] == ["line 2", "line 3", "line 4"]


def test_errors_end_at_twenty() -> None:
    with pytest.raises(BillInvalid) as refused:
        read_bill(b"cost\n" + b"x\n" * 100)
    assert len(refused.value.errors) == ERRORS_MAX


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no column"),
        (b"model,when\nbig,now\n", "no column"),
        (b"cost\n", "no lines"),
        (b"cost\n\n  \n", "no lines"),
        (b"\xff\xfe", "not UTF-8"),
        (b'cost\n"1', "line 2"),
        (b"cost\n" + b"1\n" * (LINES_MAX + 1), "divide it"),
        (b"id,cost\n" + b"a" * 201 + b",1\n", "longer than"),
    ],
)
def test_a_file_that_is_no_bill_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(BillInvalid, match=said):
        read_bill(content)
