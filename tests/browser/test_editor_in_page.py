"""The param list edited in a real page: as a table, by mouse, keys and clipboard."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from .test_panel_in_page import SETUP, in_lab, started

expect.set_options(timeout=30_000)

CELL = (
    "%%batchflow flow -o run\n"
    "[{'city': 'Oslo', 'n': 1.0, 'api_key': 'real-one'}, {'city': 'Rome', 'n': 2.0, 'api_key': 'real-one'}]"
)


def sheet(book):
    return book.panel.get_by_role("grid", name="Param list as a table")


def opened(notebook, cell: str = CELL, **options):
    """Run a cell to its end, and unfold the param list."""
    book = started(notebook, cell, permissions=["clipboard-read", "clipboard-write"], **options)
    book.until("run.ended")
    book.params()
    expect(sheet(book)).to_be_visible()
    return book


def cell(book, row: int, column: int):
    return sheet(book).locator(f'[data-row="{row}"][data-column="{column}"]')


def ran(book) -> list:
    book.value("[globals().pop('run'), 0][1]")
    book.panel.get_by_role("button", name=re.compile("^Run (again|edited params)$")).click()
    book.until("'run' in globals() and run.ended and run.ok")
    return book.value("[each.params for each in run.instances]")


def paste(book, text: str) -> None:
    """Put a text on the clipboard, as another program does, and press the keys for it."""
    book.page.evaluate("text => navigator.clipboard.writeText(text)", text)
    book.page.keyboard.press("Control+v")


def test_cells_are_edited_by_keys_alone_and_run(notebook):
    """Types are kept, masks stand for what they hide, and no key is the notebook's."""
    book = opened(notebook)
    cells = book.page.evaluate("() => window.jupyterapp.shell.currentWidget.content.widgets.length")
    expect(cell(book, 0, 2)).to_have_text("•••")
    expect(cell(book, 0, 1)).to_have_text("1.0")
    sheet(book).focus()
    keys = book.page.keyboard
    keys.type("Bergen")  # typing begins an edit
    keys.press("Tab")
    keys.press("F2")
    keys.type("2.50")
    keys.press("Enter")
    expect(cell(book, 0, 1)).to_have_text("2.50")
    keys.press("Delete")
    keys.press("ArrowUp")
    keys.press("ArrowUp")
    keys.press("Enter")  # the name of the param
    keys.type("count")
    keys.press("Shift+Enter")
    expect(cell(book, -1, 1)).to_have_text("count")
    assert ran(book) == [
        {"city": "Bergen", "count": 2.5, "api_key": "real-one"},
        {"city": "Rome", "api_key": "real-one"},
    ]
    assert cells == book.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.content.widgets.length"
    )


def test_rows_pasted_from_a_spreadsheet_become_the_list(notebook):
    """Into an empty list with its first line as names; into another as a block."""
    book = opened(notebook)
    sheet(book).focus()
    book.page.keyboard.press("Control+a")
    book.panel.get_by_role("button", name="Remove rows").click()
    expect(book.panel).to_contain_text(
        "Paste rows from a spreadsheet, add a row, or drop a .csv or .json file here."
    )
    sheet(book).focus()
    paste(book, "town\tsize\r\nLima\t10\r\nBonn\t0.3\r\n")
    expect(book.panel).to_contain_text("edited, 2 instances")
    expect(book.panel).to_contain_text("The first line became the column names")
    cell(book, 1, 1).click()
    paste(book, '"a,b",true\n[1],')
    expect(cell(book, 2, 1)).to_have_text("[1]")
    cell(book, 0, 0).click()
    paste(book, "Lima, of course")  # one text, not two cells
    expect(cell(book, 0, 0)).to_have_text("Lima, of course")
    book.page.keyboard.press("Shift+ArrowRight")
    book.page.keyboard.press("Control+c")
    expect(cell(book, 0, 1)).to_have_attribute("aria-selected", "true")
    assert book.page.evaluate("() => navigator.clipboard.readText()") == "Lima, of course\t10"
    cell(book, 2, 0).click()
    paste(book, '[{"town": "Rom", "mayor": null}]')
    expect(book.panel).to_contain_text("1 row appended.")
    assert ran(book) == [
        {"town": "Lima, of course", "size": 10},
        {"town": "Bonn", "size": "a,b", "param": True},
        {"size": [1]},
        {"town": "Rom", "mayor": None},
    ]


@in_lab
def test_nan_is_edited_a_date_is_kept_and_a_pasted_header_is_no_row(notebook):
    """Nothing is locked; what cannot be typed is named with its row and key, and runs as it was."""
    rows = "[{'n': float('nan'), 'day': date(2025, 1, 2)}, {'n': 2.5, 'day': date(2025, 1, 3)}]"
    cell_text = f"%%batchflow flow -o run\nfrom datetime import date\n{rows}"
    book = opened(notebook, cell_text)
    expect(cell(book, 0, 0)).to_have_text("NaN")
    assert cell(book, 0, 0).get_attribute("data-kind") == "number"
    expect(cell(book, 1, 1)).to_have_text("••• datetime.date(2025, 1, 3)")
    expect(book.panel).to_contain_text("'day' of row 0 (date), and 1 more, cannot be written")
    cell(book, 0, 0).click()
    paste(book, "n\n7\nNaN")
    expect(book.panel).to_contain_text("The first line named the columns")
    expect(cell(book, 0, 0)).to_have_text("7")
    expect(cell(book, 1, 0)).to_have_text("NaN")
    expect(book.panel).to_contain_text("edited, 2 instances")
    book.value("[globals().pop('run'), 0][1]")
    book.button("Run edited params").click()
    book.until("'run' in globals() and run.ended and run.ok")
    shown = book.value("[[str(each) for each in row.params.values()] for row in run]")
    assert shown == [["7", "2025-01-02"], ["nan", "2025-01-03"]]


@in_lab
def test_rows_and_columns_are_added_doubled_and_removed_and_all_is_undone(notebook):
    """Each step back, and forth again."""
    book = opened(notebook, "%%batchflow flow -o run\n[{'n': 1}, {'n': 2}]")
    keys = book.page.keyboard
    cell(book, 0, 0).click()
    book.panel.get_by_role("button", name="Duplicate").click()
    expect(book.panel).to_contain_text("edited, 3 instances")
    book.panel.get_by_role("button", name="Add row").click()
    keys.type("7")
    keys.press("Enter")
    expect(book.panel).to_contain_text("edited, 4 instances")
    book.panel.get_by_role("button", name="Add column").click()
    keys.type("city")
    keys.press("Enter")
    expect(cell(book, -1, 1)).to_have_text("city")
    book.panel.get_by_role("button", name="Remove column").click()
    expect(cell(book, -1, 1)).to_have_count(0)
    undo = book.panel.get_by_role("button", name="Undo", exact=True)
    for _ in range(3):
        undo.click()
    sheet(book).focus()
    keys.press("Control+z")
    keys.press("Control+z")
    keys.press("Control+z")
    expect(undo).to_be_disabled()
    keys.press("Control+Shift+z")
    expect(book.panel).to_contain_text("edited, 3 instances")
    book.button("Revert").click()
    assert ran(book) == [{"n": 1}, {"n": 2}]


@in_lab
def test_what_is_wrong_is_told_where_it_stands_and_cannot_be_run(notebook):
    """In the cell as one types, and what only the kernel knows by its row."""
    book = opened(notebook)
    cell(book, 1, 1).dblclick()
    box = book.panel.get_by_role("textbox", name="n of row 1")
    box.fill("[1,")
    expect(book.panel).to_contain_text("starts like JSON but is not valid JSON")
    expect(box).to_have_attribute("aria-invalid", "true")
    expect(book.button("Run again")).to_be_disabled()
    box.press("Escape")
    expect(cell(book, 1, 1)).to_have_text("2.0")
    expect(book.button("Run again")).to_be_enabled()
    cell(book, -1, 1).dblclick()
    book.panel.get_by_role("textbox", name="Name of the param").fill("city")
    expect(book.panel).to_contain_text("There is already a param city.")
    book.page.keyboard.press("Escape")
    cell(book, 0, 0).dblclick()
    book.panel.get_by_role("textbox", name="city of row 0").fill("••• and more")
    book.page.keyboard.press("Enter")
    expect(book.panel).to_contain_text(
        re.compile("Row 0: the masked value of 'city' is unknown, .*•••")
    )
    expect(cell(book, 0, 0)).to_have_attribute("aria-invalid", "true")
    expect(cell(book, 1, 2)).not_to_have_attribute("aria-invalid", "true")
    expect(book.button("Run edited params")).to_be_disabled()


@in_lab
def test_values_are_combined_into_rows(notebook):
    """As nested loops would; what is wrong with them is said, and too many are refused."""
    book = opened(notebook)
    book.panel.get_by_text("Combine values…").click()
    names = book.panel.get_by_role("textbox", name="Name of a param")
    values = book.panel.get_by_role("textbox", name="Its values, separated by commas")
    names.first.fill("model")
    values.first.fill("a, b")
    book.button("Another param").click()
    names.last.fill("t")
    values.last.fill(", ".join(map(str, range(501))))
    expect(book.panel).to_contain_text("1,002 rows are too many to edit")
    expect(book.button("Append")).to_be_disabled()
    values.last.fill('0, [0, 5], "1"')
    expect(book.panel).to_contain_text(re.compile("2 . 3 = 6 instances"))
    book.button("Another param").click()
    names.last.fill("extra")
    expect(book.panel).to_contain_text("extra has no values.")
    book.button("Remove this param").last.click()
    expect(names.last).to_be_focused()
    book.button("Replace the list").click()
    expect(book.panel).to_contain_text("6 rows created")
    values.last.fill("Hello, you\nGoodbye, you")  # one per line
    book.button("Remove this param").first.click()
    book.button("Append").click()
    expect(book.panel).to_contain_text("edited, 8 instances")
    assert ran(book) == [
        *[{"model": m, "t": t} for m in "ab" for t in (0, [0, 5], "1")],
        {"t": "Hello, you"},
        {"t": "Goodbye, you"},
    ]


@in_lab
def test_a_thousand_rows_are_a_few_elements_and_python_is_edited_as_text(notebook):
    """The last row can be reached and edited; a list that is no JSON says why it is no table."""
    book = opened(notebook, "%%batchflow flow --limit 100 -o run\n[{'n': n} for n in range(1000)]")
    sheet(book).focus()
    book.page.keyboard.press("Control+End")
    expect(cell(book, 999, 0)).to_have_text("999")
    paste(book, "1\n2")
    expect(book.panel).to_contain_text("up to 1,000 rows; this would make 1,001 rows")
    expect(cell(book, 999, 0)).to_have_text("999")
    assert book.panel.locator(".fm-sheet-row").count() < 30
    book.page.keyboard.type("5")
    book.page.keyboard.press("Enter")
    book.button("Text").click()
    text = book.panel.get_by_role("textbox", name="Param list")
    expect(text).to_have_value(re.compile(r'\{"n": 998\},\n  \{"n": 5\}\n\]$'))
    text.fill("[{'n': None}]")
    expect(book.panel).to_contain_text("edited as text")
    expect(book.button("Table")).to_be_disabled()
    assert ran(book) == [{"n": None}]


@in_lab
def test_an_idle_panel_without_a_list_asks_for_rows_and_runs_them(notebook):
    """It unfolds by itself; rows are written or pasted, and Run leaves the keyboard in the panel."""
    book = notebook(
        SETUP, "%batchflow flow -o run", permissions=["clipboard-read", "clipboard-write"]
    )
    book.run(0)
    book.run(1)
    expect(book.panel).to_contain_text(
        "Paste rows from a spreadsheet, add a row, or drop a .csv or .json file here."
    )
    expect(book.panel).to_contain_text("There are no rows yet")
    book.panel.get_by_role("button", name="Add row").press("Enter")
    keys = book.page.keyboard
    keys.type("4")
    keys.press("Enter")
    keys.press("ArrowUp")
    keys.press("F2")
    keys.type("user_id")
    keys.press("Enter")
    expect(cell(book, -1, 0)).to_have_text("user_id")
    book.button("Run edited params").press("Enter")
    book.until("'run' in globals() and run.ok")
    assert book.value("[each.params for each in run.instances]") == [{"user_id": 4}]
    expect(sheet(book)).to_be_hidden()
    assert book.page.evaluate("() => document.activeElement.tagName") == "BUTTON"
    book.params()
    expect(sheet(book)).to_be_visible()


@in_lab
def test_a_file_dropped_on_the_table_is_appended_by_its_names(notebook):
    """CSV with a header, and JSON Lines."""
    book = opened(notebook)
    for name, text in (("a.csv", "n,city\n3,Kiel\n"), ("b.jsonl", '{"n": 4}\n{"city": "Ur"}\n')):
        sheet(book).evaluate(
            """(grid, [name, text]) => {
                const dataTransfer = new DataTransfer();
                dataTransfer.items.add(new File([text], name));
                const how = { dataTransfer, bubbles: true, cancelable: true };
                grid.dispatchEvent(new DragEvent("drop", how));
            }""",
            [name, text],
        )
        expect(book.panel).to_contain_text(re.compile("1 row appended|2 rows appended"))
        expect(book.panel).to_contain_text("edited, 3" if name == "a.csv" else "edited, 5")
    assert ran(book)[2:] == [{"city": "Kiel", "n": 3}, {"n": 4}, {"city": "Ur"}]
