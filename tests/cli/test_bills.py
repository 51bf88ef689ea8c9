"""`oneshape bill` and `reconcile`, as an operator types them."""

import json
from pathlib import Path

from tests.cli.conftest import Oneshape


def test_a_bill_is_imported_listed_and_reconciled(oneshape: Oneshape, tmp_path: Path) -> None:
    file = tmp_path / "november.csv"
    file.write_text("id,date,model,amount\njob-1,2026-11-20,big,0.25\n,2026-11-20,big,1\n")
    made = oneshape("bill", "import", "ccapi", str(file), "--json")
    assert made.exit_code == 1, "a line that names no work of ours is a problem"
    bill = json.loads(made.stdout)
    assert {match: sums["units"] for match, sums in bill["matches"].items()} == {
        "unmatched": 250_000,
        "total": 1_000_000,
    }
    listed = json.loads(oneshape("bill", "list", "--json").stdout)
    assert [one["name"] for one in listed["items"]] == ["november.csv"]
    lines = json.loads(oneshape("bill", "lines", bill["id"], "--match", "unmatched", "--json").stdout)
    assert [line["reference"] for line in lines["items"]] == ["job-1"]
    table = oneshape("reconcile", "--by", "day", "--from", "2026-11-01")
    assert table.exit_code == 0
    assert "2026-11-20" in table.stdout
    printed = oneshape("reconcile", "--csv").stdout.splitlines()
    assert printed[1].startswith("ccapi,big,2026-11,")
    assert oneshape("bill", "withdraw", bill["id"]).exit_code == 0
    assert json.loads(oneshape("reconcile", "--json").stdout)["items"] == []


def test_what_cannot_be_imported_is_told_in_a_line(oneshape: Oneshape, tmp_path: Path) -> None:
    file = tmp_path / "broken.csv"
    file.write_text("amount\nmuch\n")
    for arguments, said in (
        (("bill", "import", "ccapi", str(file)), "line 2"),
        (("bill", "import", "ccapi", str(tmp_path / "gone.csv")), "No such file"),
        (("bill", "show", "bill_x"), "no such bill"),
        (("reconcile", "--from", "soon"), "must be a day"),
    ):
        refused = oneshape(*arguments)
        assert refused.exit_code == 2, refused.stderr
        assert said in refused.stderr
