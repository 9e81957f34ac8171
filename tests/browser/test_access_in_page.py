"""The panel for those who do not see it, or see it enlarged: axe-core's rules, zoom, narrow pages."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .test_overview_in_page import mixed
from .test_panel_in_page import in_lab

expect.set_options(timeout=30_000)

TABS = ("Table", "Timeline", "Graph", "Params")


def violations(book) -> list[str]:
    """Return what axe-core finds wrong in the panel, in words."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright",
        reason="no axe-core: pip install axe-playwright-python",
    )
    found = axe.Axe().run(book.page, context=".fm-panel").response["violations"]
    return [
        f"{each['impact']}: {each['help']}: {node['html'][:160]} {node.get('failureSummary', '')[:300]}"
        for each in found
        for node in each["nodes"]
    ]


def settle(book) -> None:
    """Let transitions end: a colour on its way is neither of the two."""
    book.page.wait_for_function(
        "() => document.querySelector('.fm-panel').getAnimations({subtree: true})"
        ".every(each => each.playState !== 'running' || each.effect.getTiming().iterations === Infinity)"
    )


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
@in_lab
def test_axe_finds_nothing_wrong(notebook, theme):
    """In each way to look at the instances, with one of them opened and the params unfolded."""
    book = mixed(notebook)
    book.theme(theme)
    book.row(2).click()
    expect(book.panel.get_by_role("region", name="Opened instance")).to_contain_text("ValueError")
    for tab in TABS:
        book.panel.get_by_role("tab", name=tab).click()
        settle(book)
        assert violations(book) == [], tab


@in_lab
def test_all_of_it_fits_when_it_is_enlarged(notebook):
    """At 300 % on a page of 1,280 pixels nothing stands beside the panel, in each of the views."""
    book = mixed(notebook, width=427, height=300)  # what a page of 1,280 has left at 300 %
    for tab in TABS:
        book.panel.get_by_role("tab", name=tab).click()
        beyond = book.panel.evaluate(
            """panel => [...panel.querySelectorAll("*")].filter(each => {
                const box = each.getBoundingClientRect();
                const clipped = each.closest(".fm-hidden, .fm-row, canvas, svg, [class*=scroll]");
                return box.width && !clipped && box.right > panel.getBoundingClientRect().right + 1;
            }).map(each => each.className)"""
        )
        assert beyond == [], tab
