"""Limits known by name: ours, and those that the user adds."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from datetime import date

import pytest

from flowmagic.errors import LimitError
from flowmagic.throttled import presets
from flowmagic.throttled.presets import FlowPresets, FlowRateLimitConfig, Presets, RateLimitConfig

# Spelled out, so that neither the file nor a reader of it can change a figure unnoticed.
CARRIED_OVER = {
    "OPENAI_FREE": (3, 3),
    "OPENAI_TIER1": (5, 60),
    "OPENAI_TIER2": (10, 500),
    "OPENAI_TIER3": (15, 5000),
    "OPENAI_TIER4": (20, 10000),
    "OPENAI_TIER5": (30, 30000),
    "ANTHROPIC_FREE": (2, 5),
    "ANTHROPIC_BUILD_TIER1": (5, 50),
    "ANTHROPIC_BUILD_TIER2": (10, 1000),
    "ANTHROPIC_BUILD_TIER3": (15, 2000),
    "ANTHROPIC_BUILD_TIER4": (20, 4000),
    "ANTHROPIC_STANDARD": (5, 50),
    "ANTHROPIC_SCALE": (15, 2000),
    "ANTHROPIC_TIER1": (5, 50),
    "ANTHROPIC_TIER2": (10, 1000),
    "ANTHROPIC_TIER3": (15, 2000),
    "ANTHROPIC_TIER4": (20, 4000),
    "GOOGLE_FREE": (2, 15),
    "GOOGLE_PAY_AS_YOU_GO": (10, 1000),
    "GOOGLE_PAID": (10, 1000),
    "COHERE_TRIAL": (2, 20),
    "COHERE_PRODUCTION": (10, 10000),
    "HUGGINGFACE_FREE": (1, 30),
    "HUGGINGFACE_PRO": (5, 1000),
    "MISTRAL_FREE": (2, 30),
    "MISTRAL_STANDARD": (10, 500),
    "CONSERVATIVE": (2, 20),
    "MODERATE": (5, 60),
    "AGGRESSIVE": (10, 200),
    "UNLIMITED_CONCURRENT": (50, None),
    "SCRAPING_POLITE": (2, 10),
    "SCRAPING_MODERATE": (5, 30),
    "SCRAPING_AGGRESSIVE": (10, 60),
}
FLOWS_CARRIED_OVER = {
    "CONSERVATIVE": (3, 30),
    "MODERATE": (10, 60),
    "AGGRESSIVE": (25, 200),
    "HIGH_THROUGHPUT": (50, 500),
    "UNLIMITED": (100, None),
    "BATCH_PROCESSING": (10, 100),
    "DATA_PIPELINE": (20, 200),
    "REALTIME": (5, None),
    "HEAVY_PROCESSING": (5, 20),
}
ADAPTIVE_CARRIED_OVER = {
    "ADAPTIVE_CONSERVATIVE": (5, 2, 15, 0.5, 20, 1.2),
    "ADAPTIVE_MODERATE": (10, 3, 30, 0.5, 15, 1.3),
    "ADAPTIVE_AGGRESSIVE": (20, 5, 50, 0.6, 10, 1.4),
}


@pytest.fixture(autouse=True)
def nothing_read_yet(monkeypatch):
    """Give each test presets as they are at the start of a process."""
    monkeypatch.delenv(presets.VARIABLE, raising=False)
    monkeypatch.setattr(presets, "_library", presets._Library())


@pytest.fixture
def own(tmp_path):
    """Write a presets file, and return its path."""

    def write(content):
        path = tmp_path / "own.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return path

    return write


def test_the_names_of_pocketflow_throttled_give_its_figures():
    """A drop-in: same names, same values; and no preset beside them that nobody asked for."""
    assert {
        name: (preset["max_concurrent"], preset["max_per_minute"])
        for name, preset in ((name, Presets.get(name)) for name in Presets.list_all())
    } == CARRIED_OVER
    flows = dict(FLOWS_CARRIED_OVER)
    for name in FlowPresets.list_all():
        preset = getattr(FlowPresets, name)
        if name in ADAPTIVE_CARRIED_OVER:
            keys = ("initial_concurrent_flows", "min_concurrent_flows", "max_concurrent_flows")
            keys += ("backoff_factor", "recovery_threshold", "recovery_factor")
            assert preset == dict(zip(keys, ADAPTIVE_CARRIED_OVER[name], strict=True))
        else:
            keys = ("max_concurrent_flows", "max_flows_per_minute")
            assert preset == dict(zip(keys, flows.pop(name), strict=True))
    assert not flows
    assert set(ADAPTIVE_CARRIED_OVER) < set(FlowPresets.list_all())


def test_every_preset_says_where_it_is_from_and_since_when():
    """Figures age: each has words, a source and a day, and a provider's figure its own page."""
    for config in [*Presets.CONFIGS.values(), *FlowPresets.CONFIGS.values()]:
        assert config.description
        assert date.fromisoformat(config.date)
        assert "pocketflow-throttled" in config.source
        if getattr(config, "provider", ""):
            assert re.search(r"https://\S+$", config.source)
    assert all(isinstance(config, RateLimitConfig) for config in Presets.CONFIGS.values())
    assert all(isinstance(config, FlowRateLimitConfig) for config in FlowPresets.CONFIGS.values())
    assert Presets.CONFIGS["openai_tier1"].provider == "OpenAI"
    assert Presets.list_presets()["openai_tier1"] == Presets.CONFIGS["openai_tier1"].description


def test_a_preset_is_a_fresh_dict_each_time():
    """Nobody's change to it reaches the next one."""
    first = Presets.OPENAI_TIER1
    first["max_concurrent"] = 99
    assert Presets.OPENAI_TIER1 == {"max_concurrent": 5, "max_per_minute": 60}
    Presets.get("openai_tier1").clear()
    assert Presets.get("OpenAI_Tier1") == Presets.OPENAI_TIER1
    with pytest.raises(TypeError):
        Presets.CONFIGS["openai_tier1"] = None


def test_an_unknown_name_is_answered_with_a_near_one():
    """KeyError from `get`, AttributeError from the class, so that `hasattr` works."""
    with pytest.raises(
        KeyError, match=r"Unknown preset: 'opnai_tier1'. Did you mean 'OPENAI_TIER1'"
    ):
        Presets.get("opnai_tier1")
    with pytest.raises(KeyError, match=r"Unknown preset: 'zzzzz'. There are: OPENAI_FREE, "):
        Presets.get("zzzzz")
    with pytest.raises(AttributeError, match=r"Presets has no preset 'openai_tier1'. Did you mean"):
        Presets.openai_tier1
    assert not hasattr(Presets, "BATCH_PROCESSING")
    assert hasattr(FlowPresets, "BATCH_PROCESSING")
    with pytest.raises(KeyError, match="Unknown preset"):
        FlowPresets.get("openai_tier1")


def test_they_complete_at_a_prompt():
    """`dir` names the presets and what can be done with them."""
    names = dir(Presets)
    assert {"OPENAI_TIER1", "CONFIGS", "get", "load", "define", "list_all"} <= set(names)
    assert "OPENAI_TIER1" not in dir(FlowPresets)


def test_a_subclass_has_presets_of_its_own_beside_them():
    """As users of plain dicts in a class did it."""

    class Ours(Presets):
        GATEWAY = {"max_concurrent": 7}

    assert (Ours.GATEWAY["max_concurrent"], Ours.OPENAI_TIER1) == (7, Presets.OPENAI_TIER1)
    assert Ours.get("moderate") == Presets.MODERATE


def test_a_file_adds_presets_and_overrides_ours(own):
    """Names count in any case; one that is the same as another follows it."""
    Presets.load(
        own(
            "\ufeff"
            + json.dumps(
                {
                    "Presets": {
                        "our_gateway": {"max_concurrent": 8, "tokens_per_minute": 1000},
                        "ANTHROPIC_BUILD_TIER1": {"max_concurrent": 7, "max_per_minute": 70},
                        "DEFAULT": {"same_as": "our_gateway"},
                    },
                    "FlowPresets": {"NIGHTLY": {"max_concurrent_flows": 20}},
                }
            )
        )
    )
    assert Presets.OUR_GATEWAY == {"max_concurrent": 8, "max_per_minute": None}
    assert Presets.DEFAULT == Presets.OUR_GATEWAY
    assert Presets.CONFIGS["default"].limits()["tokens_per_minute"] == 1000
    assert Presets.ANTHROPIC_STANDARD == {"max_concurrent": 7, "max_per_minute": 70}
    assert FlowPresets.NIGHTLY == {"max_concurrent_flows": 20, "max_flows_per_minute": None}
    assert Presets.OPENAI_TIER1["max_per_minute"] == 60


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "this is no JSON: Expecting property name"),
        ("9" * 5000, "this is no JSON"),
        ("[" * 100_000, "this is no JSON"),
        ([1], 'found a list, not {"Presets": {…}}.'),
        ({"presets": {}}, "'presets' is no part of a presets file. Did you mean 'Presets'?"),
        ({"Presets": []}, "Presets is a list, not an object of presets."),
        ({"Presets": {"a b": {}}}, "'a b' is no name for a preset. Write for example 'OUR_GA"),
        ({"Presets": {"_A": {}}}, "'_A' is no name for a preset."),
        ({"Presets": {"configs": {}}}, "'configs' is no name for a preset."),
        ({"Presets": {"": {}}}, "'' is no name for a preset."),
        (
            {"Presets": {"A": 5}},
            'A is an int (5), not an object of fields. Write for example "A": {"max_concurrent": 5}.',
        ),
        ({"Presets": {"A": {}}}, 'Presets.A: max_concurrent is missing. Add "max_concurrent": 5.'),
        (
            {"Presets": {"A": {"max_concurrent": "5"}}},
            "Presets.A: max_concurrent is a str ('5'), not a positive integer. Write for example \"max",
        ),
        (
            {"FlowPresets": {"A": {"max_concurrent": 5}}},
            "FlowPresets.A: 'max_concurrent' is no field of a preset. Did you mean 'max_concurrent_fl",
        ),
        ({"Presets": {"A": {"same_as": 5}}}, "Presets.A: same_as is an int (5), not the name of"),
        (
            {"Presets": {"A": {"same_as": "OPENAI_TIER11"}}},
            "Presets.A: same_as leads to 'OPENAI_TIER11', not to a preset with figures. Did you mea",
        ),
        (
            {"Presets": {"A": {"same_as": "B"}, "B": {"same_as": "A"}}},
            "Presets.A: same_as leads to 'A', not to a preset with figures.",
        ),
        ({"Presets": {"A": {"same_as": "A"}}}, "Presets.A: same_as leads to 'A', not to a"),
    ],
)
def test_of_a_file_with_anything_wrong_nothing_counts(own, content, said):
    """One LimitError: the file, the preset, the field, what was expected."""
    if isinstance(content, dict) and isinstance(content.get("Presets"), dict):
        content = {"Presets": {"MODERATE": {"max_concurrent": 99}, **content["Presets"]}}
    path = own(content)
    with pytest.raises(LimitError) as caught:
        Presets.load(path)
    assert str(caught.value).startswith(f"Presets file {str(path)!r}: {said}")
    assert Presets.MODERATE["max_concurrent"] == 5


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    """Missing, a folder, or no text."""
    latin = tmp_path / "latin.json"
    latin.write_bytes(b'{"\xe4": 1}')
    for path in (tmp_path / "none.json", tmp_path, latin):
        with pytest.raises(LimitError, match=re.escape(f"{str(path)!r} cannot be read: ")):
            FlowPresets.load(path)


def test_one_preset_is_defined_by_a_call():
    """Checked as in a file, and over what was there; the config is returned."""
    config = Presets.define("our_gateway", max_concurrent=8, max_per_minute=300, source="manual")
    assert config == RateLimitConfig(8, 300, source="manual")
    assert Presets.OUR_GATEWAY == {"max_concurrent": 8, "max_per_minute": 300}
    assert Presets.define("DEFAULT", same_as="our_gateway") is config
    FlowPresets.define("MODERATE", max_concurrent_flows=1)
    assert FlowPresets.MODERATE["max_concurrent_flows"] == 1
    assert Presets.MODERATE["max_concurrent"] == 5
    with pytest.raises(LimitError, match=r"^Presets.X: max_per_minute is an int \(0\).*max_per_m"):
        Presets.define("X", max_concurrent=1, max_per_minute=0)
    with pytest.raises(
        LimitError, match=r"^Presets.define\('X'\): Presets.X: same_as leads to 'Y'"
    ):
        Presets.define("X", same_as="Y")
    assert not hasattr(Presets, "X")


def test_the_environment_names_a_file_that_is_read_at_the_first_use(own, monkeypatch):
    """Before a definition too, so that what a program defines is the last word."""
    path = own({"Presets": {"MODERATE": {"max_concurrent": 9}, "NEW": {"max_concurrent": 1}}})
    monkeypatch.setenv(presets.VARIABLE, str(path))
    Presets.define("NEW", max_concurrent=2)
    assert Presets.MODERATE["max_concurrent"] == 9
    assert Presets.NEW["max_concurrent"] == 2


def test_a_broken_file_in_the_environment_is_said_at_each_use(monkeypatch, own):
    """It is not forgotten after the first time; once mended, it counts."""
    path = own({"Presets": {"MODERATE": {"max_concurrent": 0}}})
    monkeypatch.setenv(presets.VARIABLE, str(path))
    for _ in range(2):
        with pytest.raises(LimitError, match=r"\(named by FLOWMAGIC_PRESETS\): Presets.MODERATE: "):
            Presets.OPENAI_TIER1
    own({"Presets": {"MODERATE": {"max_concurrent": 1}}})
    assert Presets.MODERATE["max_concurrent"] == 1


def test_importing_reads_no_file():
    """Nor does whoever looks for special attributes: only a use of a preset does."""
    code = (
        "import flowmagic.throttled.presets as p; hasattr(p.Presets, '__wrapped__'); "
        "assert p._library._shelves is None; p.Presets.MODERATE; assert p._library._shelves"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_two_threads_that_come_first_lose_no_definition():
    """Each definition is there in the end."""
    barrier = threading.Barrier(8)

    def define(number):
        barrier.wait()
        for turn in range(20):
            Presets.define(f"P{number}_{turn}", max_concurrent=number + 1)

    threads = [threading.Thread(target=define, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(name.startswith("P") and name[1].isdigit() for name in Presets.list_all()) == 160


def test_nobody_defines_anything_while_the_files_are_read(monkeypatch):
    """What a second thread defined meanwhile would be lost when the first one is done."""
    parse, free = presets._parse, []

    def parse_watched(text):
        other = threading.Thread(
            target=lambda: free.append(presets._library._lock.acquire(blocking=False))
        )
        other.start()
        other.join()
        return parse(text)

    monkeypatch.setattr(presets, "_parse", parse_watched)
    assert Presets.MODERATE
    assert free == [False]
