"""What a cell puts before the user's eyes, in a real kernel."""

WIDGET = "application/vnd.jupyter.widget-view+json"
PREP = """
class Own(AsyncFlow):
    async def prep_async(self, shared):
        return [{'n': 7}, {'n': 8}]
own = Own(start=Add())
"""


def _summary_id(answer):
    """The display_id of the static summary, which is the output below the panel."""
    panel, below = answer.outputs
    assert WIDGET in panel["data"]
    assert set(below["data"]) == {"text/html", "text/plain"}
    return below["transient"]["display_id"]


def _updates(kernel, identity):
    kernel.run("")  # whatever was sent before this is heard now
    return [each for each in kernel.updates if each["transient"]["display_id"] == identity]


def test_a_cell_shows_a_panel_and_fills_the_summary_below_it_at_the_end(kernel):
    """In the background too, through the summary's own display_id; the panel stays."""
    answer = kernel.run("%%batchflow flow -o run\n[{'n': 1}, {'n': 13}]")
    identity = _summary_id(answer)
    kernel.run("await run")
    [update] = _updates(kernel, identity)
    assert "1 of 2 succeeded, 1 failed" in update["data"]["text/plain"]
    # Folded: the panel above it shows what failed.
    assert update["data"]["text/html"].startswith("<details open class=")


def test_what_cannot_be_started_leaves_no_panel(kernel, tmp_path):
    """One line says why, in the words of the line; a panel below it would have nothing to show."""
    line = f"%%batchflow flow --journal {tmp_path / 'runs.journal'} -o run"
    kernel.run(f"{line}\n[{{'n': 1}}]")
    kernel.run("await run\nflow.start_node.shade = 'other'")
    answer = kernel.run(f"{line} --resume\n[{{'n': 1}}]")
    assert answer.outputs == []
    assert "Write --resume-anyway to take over its results" in answer.stdout
    assert "or leave --resume out to run all rows." in answer.stdout


def test_with_wait_the_summary_is_there_when_the_cell_ends(kernel):
    """A program that runs the notebook hears nothing after the cell."""
    answer = kernel.run("%%batchflow flow --wait\n[{'n': 1}]")
    identity = _summary_id(answer)
    assert _updates(kernel, identity) == answer.updates != []


def test_of_a_run_that_is_refused_nothing_is_shown_but_why(kernel):
    """No panel that would offer what was just refused, nor one that a page begins to load in vain."""
    answer = kernel.run("%%batchflow flow --journal /nowhere/runs\n[{'n': 1}]")
    assert "There is no folder" in answer.stdout
    assert answer.outputs == answer.widgets == []


def test_the_line_magic_opens_an_idle_panel_with_the_flows_own_list(kernel):
    """%batchflow FLOW starts nothing; Run does, and binds the name given with -o."""
    kernel.run(PREP)
    answer = kernel.run("%batchflow own -o run --limit 2")
    _summary_id(answer)
    assert not kernel.value("'run' in globals()")
    kernel.press(answer, type="run")
    kernel.until("'run' in globals() and run.ended")
    assert kernel.value("[i.params for i in run.instances], run.limit") == (
        [{"n": 7}, {"n": 8}],
        2,
    )


def test_the_line_magic_says_when_the_flows_prep_fails(kernel):
    """The panel says so; the kernel goes on."""
    kernel.run(PREP.replace("return", "raise KeyError('users');"))
    kernel.run("import gc")
    kernel.run("%batchflow own")
    notices = "[w._commands.notice for w in gc.get_objects() if type(w).__name__ == 'Panel']"
    kernel.until(f"any('KeyError' in each and 'users' in each for each in {notices})")


def test_a_cell_that_is_run_again_names_its_earlier_run(kernel):
    """Its panel is gone from the page, and its name from the notebook; by its number it has both."""
    kernel.run("class Hang(AsyncNode):\n    async def exec_async(self, _): await asyncio.sleep(99)")
    kernel.run("flow = AsyncFlow(start=Hang())")
    cell = "%%batchflow flow -o run\n[{'n': 1}, {'n': 2}]"
    assert kernel.run(cell).stdout == ""
    kernel.run("first = run")
    assert kernel.run(cell).stdout == ""
    kernel.run("import gc")
    panels = "[w for w in gc.get_objects() if type(w).__name__ == 'Panel']"
    said = kernel.value(f"[each for w in {panels} if (each := w._earlier_line())]")
    assert said[-1].startswith("An earlier run of this cell is still in progress: 0 of 2 done.")
    number = said[-1].rpartition("%batchflow ")[2].strip()
    answer = kernel.run(f"%batchflow {number}")
    identity = _summary_id(answer)
    kernel.press(answer, type="cancel")
    kernel.until("first.ended")
    assert "2 cancelled" in _updates(kernel, identity)[-1]["data"]["text/plain"]
    assert not kernel.value("run.ended")
    kernel.run("second = run")
    kernel.press(answer, type="run")
    kernel.until("run is not second and run.counts.running == 2")
    kernel.run("second.cancel()\nawait second")
    assert "There is no run 999. The runs of this kernel: " in kernel.run("%batchflow 999").stdout
    kernel.run("run.cancel()\nawait run")
    assert kernel.run(cell).stdout == ""
    kernel.run("run.cancel()\nawait run")


def test_a_run_without_a_name_is_reached_by_its_number(kernel):
    """With its panel, below which it is not shown a second time; in any other cell, folded."""
    kernel.run("%%batchflow flow\n[{'n': 1}]")
    number = kernel.run("%batchflow").stdout.strip().splitlines()[-1].split()[0]
    _summary_id(kernel.run(f"%batchflow {number}"))
    _summary_id(kernel.run(f"mine = %batchflow {number}"))
    identity = _summary_id(kernel.run("mine"))
    assert "flow: " in _updates(kernel, identity)[-1]["data"]["text/plain"]
    _summary_id(kernel.run(f"%batchflow {number} -o bound"))
    assert kernel.value("bound is mine and _ is mine")


def test_run_pressed_again_makes_a_new_run_under_the_same_name(kernel):
    """The summary below the panel is then that of the new run."""
    answer = kernel.run("%%batchflow flow -o run\n[{'n': 1}]")
    identity = _summary_id(answer)
    kernel.run("await run\nfirst = run")
    kernel.press(answer, type="run", text='[{"n": 1}, {"n": 2}, {"n": 3}]')
    kernel.until("run is not first and run.ended")
    assert kernel.value("[i.params for i in run.instances], first.counts.total") == (
        [{"n": 1}, {"n": 2}, {"n": 3}],
        1,
    )
    assert "3 of 3 succeeded" in _updates(kernel, identity)[-1]["data"]["text/plain"]


def test_retry_failed_fills_the_summary_anew(kernel):
    """After run.retry_failed() the summary shows the merged end.

    The update comes from the cell that retries: nbclient, and so nbconvert and papermill, hear no other.
    """
    answer = kernel.run("%%batchflow flow -o run\n[{'n': 13}, {'n': 1}]")
    kernel.run("await run")
    kernel.run("Add.post_async = lambda *a: asyncio.sleep(0, 'mended')")
    retried = kernel.run("run.retry_failed()\nawait run")
    assert kernel.value("run.ok, run[0].attempts, run[1].attempts") == (True, 2, 1)
    identity = _summary_id(answer)
    own = [each for each in retried.own_updates if each["transient"]["display_id"] == identity]
    assert "2 of 2 succeeded" in own[-1]["data"]["text/plain"]


def test_prints_of_the_nodes_land_in_the_cell_if_so_asked(kernel):
    """With --no-capture, a node's print goes where the cell's does."""
    kernel.run(
        "class Say(AsyncNode):\n"
        "    async def exec_async(self, _):\n"
        "        print('node', self.params['n'])\n"
        "say = AsyncFlow(start=Say())"
    )
    answer = kernel.run("%%batchflow say --wait --no-capture\n[{'n': 1}, {'n': 2}]")
    assert answer.stdout == "node 1\nnode 2\n"


def test_unloading_and_reloading_leave_no_task_behind(kernel):
    """Nothing of ours is on the kernel's loop when all runs have ended."""
    count = "len([t for t in asyncio.all_tasks() if 'flowmagic' in repr(t)])"
    kernel.run(PREP)
    kernel.run("%batchflow own")
    kernel.run("%%batchflow flow -o run\n[{'n': 1}]")
    kernel.run("await run")
    kernel.run("%reload_ext flowmagic\n%unload_ext flowmagic")
    kernel.until(f"{count} == 0")
    kernel.run("%load_ext flowmagic")


def test_what_the_flows_prep_leaves_in_shared_is_there_when_run_is_pressed(kernel):
    """The panel's list comes from prep, so what prep wrote beside it must not be lost."""
    kernel.run(
        "class Reads(AsyncNode):\n"
        "    async def prep_async(self, shared):\n"
        "        return shared['factor'] * self.params['n']\n"
        "    async def post_async(self, shared, prepared, executed):\n"
        "        shared.setdefault('products', []).append(prepared)\n"
        "class Own(AsyncFlow):\n"
        "    async def prep_async(self, shared):\n"
        "        shared['factor'] = 10\n"
        "        return [{'n': 7}, {'n': 8}]\n"
        "own = Own(start=Reads())"
    )
    answer = kernel.run("%batchflow own -o run")
    kernel.press(answer, type="run")
    kernel.until("'run' in globals() and run.ended")
    assert kernel.value("run.shared['products'], run.counts.failed") == ([70, 80], 0)


def test_a_run_that_stopped_by_itself_leaves_its_reason_in_the_notebook(kernel):
    """The panel is gone one day; the summary below it says why rows are missing."""
    answer = kernel.run(
        "%%batchflow flow --limit 1 --max-errors 1 -o run\n[{'n': 13} for _ in range(5)]"
    )
    kernel.run("await run")
    [update] = _updates(kernel, _summary_id(answer))
    for form in ("text/plain", "text/html"):
        assert (
            "run stopped, because 2 instances failed, more than max_errors=1"
            in (update["data"][form])
        )
