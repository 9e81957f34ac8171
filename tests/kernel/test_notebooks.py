"""The notebooks run from first cell to last, and what they then say is true."""

import ast
import asyncio
import base64
import json
import re
import struct
import sys
import tempfile
import traceback
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from ..test_notebooks import NOTEBOOKS, WIDGET

PROBE = """
import json
print(json.dumps({
    "asked": modules,
    "analysed": {module: facts["lines"] for module, facts in library["facts"].items()},
    "lines": {m: len((LIBRARY / m).read_bytes().splitlines()) for m in modules},
    "left over": len(library["sources"]),
    "run": [run.counts.succeeded, run.counts.total, len(run.failures)],
    "rush": [rush.counts.succeeded, rush.counts.total, len(rush.failures)],
    "copies": [[[c.node, c.params] for c in i.copies] for i in users.instances],
    "attempts": [i.attempts for i in rush.instances],
    "peak": service.peak,
}))
"""


def outputs(cell):
    """Return what a cell printed."""
    return "".join(each.get("text", "") for each in cell.outputs if each.output_type == "stream")


async def _execute(stem, probe, folder):
    """Execute a notebook in a kernel, and a probe at its end."""
    [path] = [path for path in NOTEBOOKS if path.stem == stem]
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    notebook.cells.append(nbformat.v4.new_code_cell(probe, id="probe"))
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": folder}})
    return await client.async_execute()


def programs(items, folder):
    """What executes those that are asked for."""
    names = {name for item in items for name in item.fixturenames}
    asked = [stem for stem, (fixture, _) in PROBES.items() if fixture in names]
    return {"execute": [sys.executable, "-m", __name__, str(folder), *asked]} if asked else {}


async def execute(folder, *stems):
    """Execute notebooks, all at once since they wait more than they work, and write each to a folder."""

    async def one(stem):
        notebook = await _execute(stem, PROBES[stem][1], tempfile.mkdtemp(dir=folder))
        nbformat.write(notebook, Path(folder, f"{stem}.ipynb"))

    done = await asyncio.gather(*map(one, stems), return_exceptions=True)
    for stem, error in zip(stems, done, strict=True):
        if error is not None:
            print(stem, *traceback.format_exception(error), sep="\n")


@pytest.fixture(scope="module")
def executed(program):
    """Return a function that gives the cells of a notebook by id, and what a probe then found in it."""
    done = program("execute")

    def of(stem):
        path = Path(done.args[3], f"{stem}.ipynb")
        assert path.exists(), done.stdout + done.stderr
        notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
        cells = {cell.id: cell for cell in notebook.cells}
        return cells, json.loads(outputs(cells["probe"]))

    return of


@pytest.fixture(scope="module")
def quickstart(executed):
    """The quickstart, executed."""
    return executed("01_quickstart")


def test_the_quickstart_analyses_every_module_it_asked_for(quickstart):
    """As many results as there were params, each equal to what the file itself says."""
    cells, found = quickstart
    asked = len(found["asked"])
    assert asked > 200, "some hundreds of modules"
    assert found["analysed"] == found["lines"]
    assert found["run"] == [asked, asked, 0]
    assert found["left over"] == 0
    assert f"{asked} of {asked} modules in " in outputs(cells["await"])
    total = sum(found["lines"].values())
    assert outputs(cells["results"]).endswith(f"\n{asked} modules, {total:,} lines in all\n")


def test_the_quickstart_lists_the_largest_modules(quickstart):
    """The ten of the table are the ten largest, with their sizes, in that order."""
    cells, found = quickstart
    table = outputs(cells["results"]).splitlines()[1:11]
    sizes = [int(line.split()[1].replace(",", "")) for line in table]
    assert sizes == sorted(found["lines"].values(), reverse=True)[:10]
    assert [found["lines"][line.split()[0]] for line in table] == sizes


def test_the_service_never_saw_more_requests_at_once_than_the_limit(quickstart):
    """The service counts for itself: five at most, then fifty at most."""
    cells, found = quickstart
    said = [
        re.search(r"({.*}) and at most (\d+) at once", outputs(cell)).groups()
        for cell in (cells["await"], cells["rush-await"])
    ]
    (calm, at_most), (rushed, at_rush) = ((ast.literal_eval(a), int(b)) for a, b in said)
    assert (calm, at_most) == ({"answered": len(found["asked"])}, 5)
    assert rushed["rate limit"] > 0
    assert 5 < at_rush <= 50
    assert found["peak"] <= 50


def test_the_quickstart_retries_what_failed(quickstart):
    """What the cell says of the rush adds up; after the retry, only the failed were run again."""
    cells, found = quickstart
    rushed = re.match(r"(\d+) succeeded, (\d+) failed in ", outputs(cells["rush-await"]))
    succeeded, failed = map(int, rushed.groups())
    assert succeeded + failed == found["rush"][1] == 100
    assert failed > 0, "the rush is there to show failures"
    assert found["attempts"].count(2) == failed
    assert found["attempts"].count(1) == succeeded
    good, _, bad = found["rush"]
    assert (good, bad) == (100, 0)
    assert outputs(cells["retry"]).splitlines() == [
        f"{len(found['asked'])} succeeded, 0 failed",
        f"{good} succeeded, {bad} failed",
    ]


def test_the_quickstart_shows_the_params_that_each_copy_received(quickstart):
    """Both nodes of each of the three instances got that user's params."""
    cells, found = quickstart
    rows = [(1, "premium"), (2, "standard"), (3, "premium")]
    params = [{"user_id": user, "type": kind} for user, kind in rows]
    assert found["copies"] == [[["LoadUser", p], ["Greet", p]] for p in params]
    lines = outputs(cells["users-copies"]).splitlines()
    for index, row in enumerate(params):
        for node in ("LoadUser", "Greet"):
            assert f"instance {index}  {node:<8}  received {row}" in lines


LIMITS_PROBE = """
import json
print(json.dumps({
    name: [str(run.status), run.counts.succeeded, run.counts.failed, run.counts.total]
    for name, run in {
        "plain": plain, "adaptive": adaptive, "first": first, "second": second, "paced": paced,
        "spent": spent,
    }.items()
} | {
    "limit": adaptive.limit,
    "refusals": adaptive.adaptive.rate_limits,
    "starts": starts,
    # As many letters in the answer as in the prompt, and four are a token.
    "tokens": sum(
        len("translate into French: " + r["prompt"]) // 2
        + len("translate into Latin: translate into French: " + r["prompt"]) // 2
        for r in prompts[:60]
    ),
    "reason": spent.reason,
}))
"""


@pytest.fixture(scope="module")
def limits(executed):
    """The notebook on rate limits, executed."""
    return executed("02_rate_limits")


def test_the_limits_notebook_fails_plainly_and_succeeds_when_it_adapts(limits):
    """The same prompts, the same provider: many fail at twenty at once, none when the run adapts."""
    cells, found = limits
    status, succeeded, failed, total = found["plain"]
    assert (status, succeeded + failed, total) == ("finished", 120, 120)
    assert failed > 0
    assert outputs(cells["plain-await"]).startswith(f"{succeeded} succeeded, {failed} failed\n")
    assert found["adaptive"] == ["finished", 120, 0, 120]
    assert found["refusals"] > 0
    assert 1 <= found["limit"] < 20
    said = outputs(cells["adaptive-await"])
    assert f"limit {found['limit']} at the end, after {found['refusals']} refusals" in said
    assert "  failed after 0." in said


def test_the_limits_notebook_keeps_two_runs_within_one_named_limit(limits):
    """The provider refused none of the calls, and the tokens counted are those it used."""
    cells, found = limits
    assert found["first"] == found["second"] == ["finished", 30, 0, 30]
    said = outputs(cells["named-await"])
    assert "60 of 60 succeeded\n120 calls, " in said
    assert "<FakeProvider: 120 answered>" in said
    tokens = int(re.search(r"([\d,]+) tokens", said).group(1).replace(",", ""))
    assert tokens == found["tokens"]


def test_the_limits_notebook_spreads_its_starts(limits):
    """Forty starts at 1,200 a minute take no less than their schedule does."""
    _, found = limits
    assert found["paced"] == ["finished", 40, 0, 40]
    starts = found["starts"]
    assert starts[-1] - starts[0] >= 39 / 20 - 0.03


def test_the_limits_notebook_stops_when_the_quota_is_used_up(limits):
    """With the reason, after thirty answers and a handful of requests in vain."""
    cells, found = limits
    status, succeeded, failed, total = found["spent"]
    assert (status, succeeded, total) == ("stopped", 30, 120)
    assert 0 < failed <= 10
    assert found["reason"].startswith("the provider's quota is used up (instance ")
    assert outputs(cells["quota-await"]).startswith(f"stopped: {found['reason']}\n")


RESUMED = """
import json
print(json.dumps({
    "before": len(paid_before),
    "answers": answers,
    "counts": [run.counts.succeeded, run.counts.total],
    "restored": sum(each.restored == 1 for each in run.instances),
    "results": run.results,
    "calls": len(paid_in_all),
    "script": (folder / "again.py").read_text(),
}))
"""


@pytest.fixture(scope="module")
def resumed(executed):
    """The notebook that loses its kernel and resumes, executed."""
    return executed("04_resume")


def test_the_resume_notebook_loses_a_kernel_and_pays_at_most_four_calls_twice(resumed):
    """What it says of it is what happened: all answers are there, those before the death taken over."""
    cells, found = resumed
    assert found["before"] >= 40
    assert 0 <= found["before"] - found["answers"] <= 4
    assert found["counts"] == [100, 100]
    assert found["restored"] == found["answers"]
    assert found["results"] == [f"The answer to question {number}" for number in range(100)]
    assert found["calls"] - 100 <= 4
    assert f"{found['answers']} answers are there" in outputs(cells["look"])
    compile(found["script"], "again.py", "exec")


CROSSINGS_PROBE = """
import json
print(json.dumps({
    "right": [right(crossed.shared["saved"]), right(results), right(merged.shared["saved"])],
    "found": [[c.key, c.reader[1], c.writer[1], c.count] for c in crossed.crossings],
    "counts": [run.counts.succeeded for run in (crossed, isolated, merged, reported, allowed)],
}))
"""


@pytest.fixture(scope="module")
def crossings(executed):
    """The notebook on crossings, executed."""
    return executed("03_crossings")


def test_the_crossings_notebook_shows_wrong_pictures_and_mends_them(crossings):
    """Three of nine are right by chance; six read a picture that is not theirs; mended, all are right."""
    cells, found = crossings
    assert found["counts"] == [9] * 5
    assert found["right"] == [3, 9, 9]
    assert found["found"] == [["picture", "Filter", "Load", 6]]
    assert outputs(cells["crossed-await"]) == "9 succeeded, 3 of 9 are right\n"
    assert "9 of 9 are right\n0 crossings" in outputs(cells["isolated-await"])
    assert "read what instance" in outputs(cells["found"])


def test_the_crossings_notebook_shows_pictures(crossings):
    """Each is a PNG that a browser can read, of three by three pictures."""
    cells, _ = crossings
    for name in ("pictures", "crossed-await", "isolated-await"):
        [shown] = [each for each in cells[name].outputs if each.output_type == "display_data"]
        data = base64.b64decode(shown.data["image/png"])
        assert data.startswith(b"\x89PNG")
        assert struct.unpack(">II", data[16:24]) == (192, 192)


def test_the_crossings_notebook_allows_what_is_meant(crossings):
    """One is reported, and silenced where it is said to be meant."""
    said = outputs(crossings[0]["meant-await"])
    assert said.startswith("1 crossing: shared['size']: instance 1 (Size) read what instance 0")
    assert "0 crossings where it is allowed" in said


def skeleton(cell):
    """Return what stays the same of a cell's outputs from one execution to the next: kinds and words."""
    kinds, words = set(), set()
    for each in cell.outputs:
        if WIDGET not in each.get("data", {}):
            kinds.update(each.get("data", {}), {each.output_type})
            text = each.get("text") or each.get("data", {}).get("text/plain", "")
            words.update(re.findall(r"[A-Za-z]{3,}", text))
    return kinds, words


@pytest.mark.parametrize("stem", [path.stem for path in NOTEBOOKS])
def test_the_stored_outputs_are_those_of_an_execution(executed, stem):
    """Another execution prints the same words, if not the same times. If not: docs/store_outputs.py."""
    now, _ = executed(stem)
    [path] = [path for path in NOTEBOOKS if path.stem == stem]
    for cell in nbformat.read(path, as_version=nbformat.NO_CONVERT).cells:
        if cell.cell_type == "code":
            (stored_kinds, stored), (kinds, words) = skeleton(cell), skeleton(now[cell.id])
            assert stored_kinds == kinds, cell.id
            assert len(stored & words) >= 0.4 * len(stored | words), cell.id


REUSED = """
import json
print(json.dumps({
    "bill": bill,
    "reused": {name: [each.ran, each.reused] for name, each in run.reuse.items()},
    "why": list(run.reuse["Stamp"].why_not),
}))
"""


@pytest.fixture(scope="module")
def reused(executed):
    """The notebook of prompt edits, executed."""
    return executed("05_reuse")


def test_the_reuse_notebook_pays_only_for_what_changed(reused):
    """Seven prompts for 60 reviews: the first two nodes are paid for once; then 20 reviews more."""
    cells, found = reused
    assert found["bill"] == {"Load": 80, "Summarise": 80, "Reply": 440}
    assert outputs(cells["second-await"]).startswith("{'Load': 60, 'Summarise': 60, 'Reply': 120}")
    assert outputs(cells["more-edits"]).startswith("{'Load': 60, 'Summarise': 60, 'Reply': 420}")
    assert outputs(cells["undo"]).startswith("60 calls")
    assert "Reply: Its exec runs: REPLY changed since the last run." in outputs(cells["check"])
    assert found["reused"] == {"Load": [0, 3], "Stamp": [3, 0]}
    assert found["why"] == ["uses the time (time.time)"]


PROBES = {
    "01_quickstart": ("quickstart", PROBE),
    "02_rate_limits": ("limits", LIMITS_PROBE),
    "03_crossings": ("crossings", CROSSINGS_PROBE),
    "04_resume": ("resumed", RESUMED),
    "05_reuse": ("reused", REUSED),
}
"""What each notebook is asked at its end, and the fixture that has the answer."""

if __name__ == "__main__":
    asyncio.run(execute(*sys.argv[1:]))
