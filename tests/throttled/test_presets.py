"""Limits by name: the figures are those of pocketflow-throttled, and used as they are there."""

from __future__ import annotations

import copy
import pickle
import re

import pytest

from flowmagic.throttled.adaptive_flow import AdaptiveThrottledBatchFlow
from flowmagic.throttled.flow import ThrottledAsyncParallelBatchFlow
from flowmagic.throttled.node import ThrottledParallelBatchNode
from flowmagic.throttled.presets import FlowPresets, Presets

# Spelled out, so that no figure changes unnoticed.
FIGURES = {
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
    "GOOGLE_FREE": (2, 15),
    "GOOGLE_PAY_AS_YOU_GO": (10, 1000),
    "COHERE_TRIAL": (2, 20),
    "COHERE_PRODUCTION": (10, 10000),
    "CONSERVATIVE": (2, 20),
    "MODERATE": (5, 60),
    "AGGRESSIVE": (10, 200),
    "UNLIMITED_CONCURRENT": (50, None),
    "SCRAPING_POLITE": (2, 10),
    "SCRAPING_MODERATE": (5, 30),
    "SCRAPING_AGGRESSIVE": (10, 60),
}
FLOW_FIGURES = {
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
ADAPTIVE_FIGURES = {
    "ADAPTIVE_CONSERVATIVE": (5, 2, 15, 0.5, 20, 1.2),
    "ADAPTIVE_MODERATE": (10, 3, 30, 0.5, 15, 1.3),
    "ADAPTIVE_AGGRESSIVE": (20, 5, 50, 0.6, 10, 1.4),
}
NODE_NAMES = ("max_concurrent", "max_per_minute")
FLOW_NAMES = ("max_concurrent_flows", "max_flows_per_minute")
ADAPTIVE_NAMES = (
    "initial_concurrent_flows",
    "min_concurrent_flows",
    "max_concurrent_flows",
    "backoff_factor",
    "recovery_threshold",
    "recovery_factor",
)


def presets_of(table):
    return {name: preset for name, preset in vars(table).items() if name.isupper()}


def named(names, figures):
    return {name: dict(zip(names, values, strict=True)) for name, values in figures.items()}


def test_the_names_of_pocketflow_throttled_give_its_figures():
    """No name is missing, none is added, and each preset equals the dict that it is there."""
    assert presets_of(Presets) == named(NODE_NAMES, FIGURES)
    assert presets_of(FlowPresets) == {
        **named(FLOW_NAMES, FLOW_FIGURES),
        **named(ADAPTIVE_NAMES, ADAPTIVE_FIGURES),
    }


@pytest.mark.parametrize("name", FIGURES)
def test_a_preset_unpacks_into_a_node_or_into_the_attributes_of_its_class(name):
    """The two ways that the README of pocketflow-throttled shows, and `get`."""
    preset = getattr(Presets, name)

    class Own(ThrottledParallelBatchNode):
        max_concurrent = preset["max_concurrent"]
        max_per_minute = preset["max_per_minute"]

    for node in (
        Own(),
        ThrottledParallelBatchNode(**preset),
        ThrottledParallelBatchNode(**Presets.get(name.lower())),
    ):
        assert (node.max_concurrent, node.max_per_minute) == FIGURES[name]
        assert (node.limiter.concurrency, node.limiter.per_minute) == FIGURES[name]


@pytest.mark.parametrize("name", [*FLOW_FIGURES, *ADAPTIVE_FIGURES])
def test_a_flow_preset_unpacks_into_a_flow(name):
    """Those of an adaptive limit into an adaptive flow."""
    adaptive = name in ADAPTIVE_FIGURES
    kind = AdaptiveThrottledBatchFlow if adaptive else ThrottledAsyncParallelBatchFlow
    preset = getattr(FlowPresets, name)
    flow = kind(**preset)
    assert {key: getattr(flow, key) for key in preset} == preset


def test_every_preset_says_where_its_figures_come_from():
    """The figure of a provider names a page of that provider."""
    for name, preset in [*presets_of(Presets).items(), *presets_of(FlowPresets).items()]:
        if re.match("OPENAI|ANTHROPIC|GOOGLE|COHERE", name):
            assert re.search(r"^\w+, (as of 2024|undated): https://\S+$", preset.source)
        else:
            assert preset.source == "a rule of thumb, not the figure of a provider"


def test_a_preset_cannot_be_changed():
    """A change would reach whoever uses the preset next."""
    with pytest.raises(TypeError):
        Presets.OPENAI_TIER1["max_concurrent"] = 99
    with pytest.raises(AttributeError):
        Presets.OPENAI_TIER1.source = ""


def test_a_name_that_is_unknown_is_answered_with_all_names():
    """AttributeError, so that `hasattr` works; KeyError from `get`."""
    says = (
        rf"There is no preset 'MISTRAL_FREE'; there are: {', '.join(sorted(presets_of(Presets)))}\."
    )
    with pytest.raises(AttributeError, match=f"^{says}$"):
        Presets.MISTRAL_FREE
    with pytest.raises(KeyError, match=says):
        Presets.get("mistral_free")
    assert not hasattr(Presets, "BATCH_PROCESSING")
    assert hasattr(FlowPresets, "BATCH_PROCESSING")
    assert {"OPENAI_TIER1", "get"} <= set(dir(Presets))


def test_a_preset_can_be_copied_and_pickled():
    """A node that keeps a preset is pickled with it."""
    preset = Presets.OPENAI_TIER1
    assert copy.deepcopy(preset) == pickle.loads(pickle.dumps(preset)) == preset


def test_a_subclass_has_presets_of_its_own_beside_them():
    """As users of pocketflow-throttled may have written it."""

    class Own(Presets):
        GATEWAY = {"max_concurrent": 7}

    assert Own.get("gateway") == {"max_concurrent": 7}
    assert Own.OPENAI_TIER1 is Presets.OPENAI_TIER1
