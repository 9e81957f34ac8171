"""Limits by name, with the figures of pocketflow-throttled.

    node = ThrottledParallelBatchNode(**Presets.OPENAI_TIER1)
    flow = ThrottledAsyncParallelBatchFlow(start=node, **FlowPresets.BATCH_PROCESSING)

Every figure was copied on 2026-11-30 from pocketflow-throttled's presets.py
(https://github.com/Jason-AI-lab/pocketflow-throttled, commit e92d753). None was compared with what
the provider publishes today: `source` names the page that pocketflow-throttled refers to. Look up
the limits of your own account there before you rely on a preset.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn


@dataclass(frozen=True, eq=False)
class Preset(Mapping[str, Any]):
    """Arguments for a throttled node or flow; read it like a dict, or unpack it with `**`.

    Attributes:
        arguments: the limits, by the names that the node or flow takes them under.
        source: where pocketflow-throttled says that the figures come from.
    """

    arguments: Mapping[str, Any]
    source: str = "a rule of thumb, not the figure of a provider"

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.arguments)

    def __len__(self) -> int:
        return len(self.arguments)


class _ListingNames(type):
    """Makes the error about an unknown preset list the names that there are."""

    def __getattr__(cls, name: str) -> NoReturn:
        names = ", ".join(each for each in dir(cls) if each.isupper())
        raise AttributeError(f"There is no preset {name!r}; there are: {names}.")


class _Table(metaclass=_ListingNames):
    @classmethod
    def get(cls, name: str) -> Preset:
        """Return a preset by its name, in upper or lower case.

        Raises:
            KeyError: there is no preset with this name.
        """
        try:
            return getattr(cls, name.upper())  # type: ignore[no-any-return]
        except AttributeError as error:
            raise KeyError(str(error)) from None


_OPENAI = "OpenAI, as of 2024: https://platform.openai.com/docs/guides/rate-limits"
_ANTHROPIC = "Anthropic, undated: https://docs.anthropic.com/claude/reference/rate-limits"
_GOOGLE = "Google, undated: https://ai.google.dev/pricing"
_COHERE = "Cohere, undated: https://docs.cohere.com/docs/rate-limits"


def _node(max_concurrent: int, max_per_minute: int | None, *source: str) -> Preset:
    return Preset({"max_concurrent": max_concurrent, "max_per_minute": max_per_minute}, *source)


def _flow(concurrent: int, per_minute: int | None) -> Preset:
    return Preset({"max_concurrent_flows": concurrent, "max_flows_per_minute": per_minute})


def _adaptive_flow(
    limits: tuple[int, int, int], backoff: float, threshold: int, recovery: float
) -> Preset:
    initial, minimum, maximum = limits
    return Preset(
        {
            "initial_concurrent_flows": initial,
            "min_concurrent_flows": minimum,
            "max_concurrent_flows": maximum,
            "backoff_factor": backoff,
            "recovery_threshold": threshold,
            "recovery_factor": recovery,
        }
    )


class Presets(_Table):
    """Limits for a throttled node, by provider and tier, or as a rule of thumb."""

    OPENAI_FREE = _node(3, 3, _OPENAI)
    OPENAI_TIER1 = _node(5, 60, _OPENAI)
    OPENAI_TIER2 = _node(10, 500, _OPENAI)
    OPENAI_TIER3 = _node(15, 5_000, _OPENAI)
    OPENAI_TIER4 = _node(20, 10_000, _OPENAI)
    OPENAI_TIER5 = _node(30, 30_000, _OPENAI)
    ANTHROPIC_FREE = _node(2, 5, _ANTHROPIC)
    ANTHROPIC_STANDARD = _node(5, 50, _ANTHROPIC)
    ANTHROPIC_SCALE = _node(15, 2_000, _ANTHROPIC)
    ANTHROPIC_BUILD_TIER1 = _node(5, 50, _ANTHROPIC)
    ANTHROPIC_BUILD_TIER2 = _node(10, 1_000, _ANTHROPIC)
    ANTHROPIC_BUILD_TIER3 = _node(15, 2_000, _ANTHROPIC)
    ANTHROPIC_BUILD_TIER4 = _node(20, 4_000, _ANTHROPIC)
    GOOGLE_FREE = _node(2, 15, _GOOGLE)
    GOOGLE_PAY_AS_YOU_GO = _node(10, 1_000, _GOOGLE)
    COHERE_TRIAL = _node(2, 20, _COHERE)
    COHERE_PRODUCTION = _node(10, 10_000, _COHERE)
    CONSERVATIVE = _node(2, 20)
    MODERATE = _node(5, 60)
    AGGRESSIVE = _node(10, 200)
    UNLIMITED_CONCURRENT = _node(50, None)
    SCRAPING_POLITE = _node(2, 10)
    SCRAPING_MODERATE = _node(5, 30)
    SCRAPING_AGGRESSIVE = _node(10, 60)


class FlowPresets(_Table):
    """Limits for a throttled flow, as rules of thumb; the ADAPTIVE ones for an adaptive flow."""

    CONSERVATIVE = _flow(3, 30)
    MODERATE = _flow(10, 60)
    AGGRESSIVE = _flow(25, 200)
    HIGH_THROUGHPUT = _flow(50, 500)
    UNLIMITED = _flow(100, None)
    BATCH_PROCESSING = _flow(10, 100)
    DATA_PIPELINE = _flow(20, 200)
    REALTIME = _flow(5, None)
    HEAVY_PROCESSING = _flow(5, 20)
    ADAPTIVE_CONSERVATIVE = _adaptive_flow((5, 2, 15), 0.5, 20, 1.2)
    ADAPTIVE_MODERATE = _adaptive_flow((10, 3, 30), 0.5, 15, 1.3)
    ADAPTIVE_AGGRESSIVE = _adaptive_flow((20, 5, 50), 0.6, 10, 1.4)
