"""What `%batchflow` does on a single line."""

from flowmagic.limits.calls.named import remove_limit


def test_bare_it_lists_the_runs(shell):
    """%batchflow is a table of this shell's runs."""
    assert "No runs yet" in shell.run("%batchflow").text
    shell.run("%%batchflow flow -o first\n[{'n': 1}]")
    shell.run("%%batchflow flow -o second\n[{'n': 13}]")
    text = shell.run("%batchflow").text
    assert "first" in text.splitlines()[0]
    assert "1 failed" in text.splitlines()[1]


def test_bare_it_lists_the_named_limits_too(shell):
    """With how far each is used."""
    try:
        shell.run("import flowmagic\nlimit = flowmagic.set_limit('openai', concurrency=10)")
        text = shell.run("%batchflow").text
    finally:
        remove_limit("openai")
    assert "No runs yet" in text.splitlines()[0]
    assert text.splitlines()[1].startswith("limit openai: 0 of 10 running, 0 waiting, ")


def test_a_panel_is_refused_where_none_can_be_shown(shell):
    """%batchflow FLOW needs a notebook."""
    assert "A panel needs a notebook" in shell.run("%batchflow flow").text


def test_check_says_what_is_likely_to_go_wrong_and_starts_nothing(shell):
    """Places are named as cells; a flow with nothing wrong is said to have none."""
    shell.run(
        "import time\n"
        "class Slow(AsyncNode):\n"
        "    async def exec_async(self, _):\n"
        "        time.sleep(self.params['m'])\n"
        "slow = AsyncFlow(start=Slow())"
    )
    text = shell.run("%%batchflow slow --check -o run\n[{'n': 1}]").text
    assert "exec_async calls time.sleep() on the event loop." in text
    assert 'No row has the param "m"' in text
    assert "Cell In[" in text
    assert "run" not in shell.ip.user_ns
    assert "time.sleep()" in shell.run("%batchflow slow --check").text
    assert "Nothing was found" in shell.run("%batchflow flow --check").text
