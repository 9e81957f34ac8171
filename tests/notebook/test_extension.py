"""Loading, unloading and reloading leave a shell as they found it."""


def _registered(ip):
    return (
        "batchflow" in ip.magics_manager.magics["cell"],
        "batchflow" in ip.magics_manager.magics["line"],
        len(ip.input_transformers_post),
        len(ip.Completer.custom_matchers),
        sum(type(each).__name__ == "BatchFlowMagics" for each in ip.configurables),
        "BatchFlowMagics" in ip.magics_manager.registry,
    )


ONCE = (True, True, 1, 1, 1, True)
NEVER = (False, False, 0, 0, 0, False)


def test_loaded_twice_or_reloaded_it_is_there_once(shell):
    """A second %load_ext and %reload_ext leave no second magic."""
    assert _registered(shell.ip) == ONCE
    shell.run("%load_ext flowmagic")
    assert _registered(shell.ip) == ONCE
    assert shell.run("%reload_ext flowmagic").success
    assert _registered(shell.ip) == ONCE
    shell.run("import flowmagic; flowmagic.load_ipython_extension(get_ipython())")
    assert _registered(shell.ip) == ONCE
    shell.run("%%batchflow flow -o run\n[{'n': 1}]")
    assert shell["run"].counts.total == 1


def test_unloaded_it_is_gone_and_can_come_back(shell):
    """%unload_ext takes everything back: magics, transformer, completion, configuration."""
    shell.run("%%batchflow flow -o run\n[{'n': 1}]")
    assert shell.run("%unload_ext flowmagic").success
    assert _registered(shell.ip) == NEVER
    assert "not found" in shell.run("%%batchflow flow\n[{'n': 1}]").text
    assert shell.ip.display_formatter.format(shell["run"])[0].get("text/html") is None
    shell.run("%load_ext flowmagic")
    assert _registered(shell.ip) == ONCE
    assert shell.run("%%batchflow flow -o run\n[{'n': 2}]").success


def test_a_formatter_of_the_users_comes_back(shell):
    """What was registered for BatchRun before is restored on unload."""
    shell.run("%unload_ext flowmagic")
    shell.run("import flowmagic")
    html = shell.ip.display_formatter.formatters["text/html"]
    html.for_type(shell["flowmagic"].BatchRun, own := (lambda run: "mine"))
    shell.run("%load_ext flowmagic")
    assert html.lookup_by_type(shell["flowmagic"].BatchRun) is not own
    shell.run("%unload_ext flowmagic")
    assert html.lookup_by_type(shell["flowmagic"].BatchRun) is own
    html.type_printers.clear()


def test_nothing_of_ours_is_left_running(shell):
    """After a run and an unload, the shell's loop holds no task."""
    shell.run("%%batchflow flow -o run\n[{'n': n} for n in range(20)]")
    shell.run("%unload_ext flowmagic")
    shell.run(
        "await asyncio.sleep(0)\n"
        "left = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]"
    )
    assert shell["left"] == []


def test_a_bad_setting_left_behind_does_not_keep_it_from_loading(shell):
    """%config keeps even a value it refused; loading again says so and uses the defaults."""
    shell.run("%config BatchFlowMagics.limit = 0")
    result = shell.run("%reload_ext flowmagic")
    assert result.success
    assert "flowmagic uses its defaults" in result.text
    assert _registered(shell.ip) == ONCE


def test_other_cells_are_left_as_they_are(shell):
    """The transformer touches only the cells of this magic, and nothing twice."""
    for cell in (
        "x = 1\n",
        "%%time\nx = 2\n",
        "get_ipython().run_cell_magic\n",
        "%who\n",
        "batchflow = 3\n",
    ):
        before = list(shell.ip.input_transformers_post)
        with_it = shell.ip.transform_cell(cell)
        shell.ip.input_transformers_post.clear()
        assert shell.ip.transform_cell(cell) == with_it
        shell.ip.input_transformers_post.extend(before)
    once = shell.ip.transform_cell("%%batchflow flow\n[]\n")
    assert once.startswith("await get_ipython().run_cell_magic('batchflow', 'flow'")
    assert shell.ip.transform_cell(once) == once


def test_a_task_of_the_users_is_not_touched(shell):
    """Tasks the user has on the loop survive a %%batchflow cell."""
    shell.run("mine = asyncio.ensure_future(asyncio.sleep(3600))\nawait asyncio.sleep(0)")
    shell.run("%%batchflow flow -o run\n[{'n': 1}]")
    assert not shell["mine"].done()
    shell.run("mine.cancel()\nawait asyncio.sleep(0)\nawait asyncio.sleep(0)")
    assert shell["mine"].cancelled()
