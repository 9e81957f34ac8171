"""The joining of the front end's modules."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from flowmagic.notebook.panel.esm import ScriptError, joined
from flowmagic.notebook.panel.widget import Panel

FRONT = Path(__file__).parents[3] / "flowmagic" / "notebook" / "front"
NODE = shutil.which("node")
node = pytest.mark.skipif(NODE is None, reason="no node found: apt-get install nodejs")


def modules(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (folder / f"{name}.js").write_text(text)
    return folder


def evaluated(folder: Path, script: str) -> str:
    """Return what a script, alone in a folder, gives as its default export's `value`."""
    (folder / "alone").mkdir()
    (folder / "alone" / "script.mjs").write_text(script)
    show = 'import("./script.mjs").then((made) => console.log(made.default.value))'
    run = subprocess.run(
        [NODE, "-e", show], cwd=folder / "alone", capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


def test_the_panels_script_needs_no_other_file():
    """No import is left in what the page is given, and one export, the default one."""
    script = Panel("Flow", lambda batch, limits: None)._esm
    assert re.findall(r"^[ \t]*(?:import|export)\b.*", script, re.MULTILINE) == [
        "export default $panel.$default;"
    ]
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", script)


def test_every_module_is_part_of_the_script():
    """No module lies there unused, and none has grown beyond a noun."""
    script = joined(FRONT, "panel")
    for module in FRONT.glob("*.js"):
        assert f"const ${module.stem} = (() => {{" in script
        assert len(module.read_text().splitlines()) <= 300, module.name


@node
def test_modules_may_use_one_name_for_different_things(tmp_path):
    """Each has its own scope, is run once, and after what it imports."""
    modules(
        tmp_path,
        panel='import { one } from "./first.js";\nimport { other, Other } from "./second.js";\n'
        "const same = 3;\nexport default { value: [one(), other, new Other().same, same] };\n",
        first="const same = 1;\nglobalThis.runs = (globalThis.runs ?? 0) + 1;\n"
        "export function one() { return same; }\n",
        second='import {\n  one,\n} from "./first.js";\nconst same = 2;\n'
        "export const other = one() + same + globalThis.runs;\n"
        "export class Other { get same() { return same; } }\n",
    )
    assert evaluated(tmp_path, joined(tmp_path, "panel")) == "[ 1, 4, 2, 3 ]"


def test_modules_that_import_each_other_are_named_in_their_circle(tmp_path):
    """The message shows the way round, and what to do."""
    modules(
        tmp_path,
        panel='import { a } from "./one.js";\nexport default { a };\n',
        one='import { b } from "./two.js";\nexport const a = () => b;\n',
        two='import { a } from "./one.js";\nexport const b = () => a;\n',
    )
    with pytest.raises(ScriptError, match=r"one -> two -> one\. Move what they share"):
        joined(tmp_path, "panel")


def test_a_missing_module_is_named_with_the_one_that_wants_it(tmp_path):
    """A module renamed on one side only is found when the class is made, not in the page."""
    modules(tmp_path, panel='import { a } from "./gone.js";\nexport default { a };\n')
    with pytest.raises(ScriptError, match=r"no module gone\.js in .*, which panel\.js imports"):
        joined(tmp_path, "panel")
    with pytest.raises(ScriptError, match=r"no module other\.js"):
        joined(tmp_path, "other")


def test_a_missing_export_is_named_with_those_that_there_are(tmp_path):
    """In the page it would be undefined, and fail when it is first called."""
    modules(
        tmp_path,
        panel='import { a, c } from "./one.js";\nexport default { a };\n',
        one="export const a = 1;\nexport const b = 2;\nconst c = 3;\n",
    )
    with pytest.raises(
        ScriptError, match=r"imports c, which one\.js does not export\. .*: a, b\.$"
    ):
        joined(tmp_path, "panel")


@pytest.mark.parametrize(
    "line",
    [
        'import * as all from "./one.js";',
        'import one from "./one.js";',
        'import "https://example.org/one.js";',
        'import { a as b } from "./one.js";',
        'export * from "./one.js";',
        "export let a = 1;",
        "export { a };",
        'const one = await import("./one.js");',
    ],
)
def test_what_cannot_be_joined_is_refused(tmp_path, line):
    """A form that is not understood would reach the page and fail there."""
    modules(tmp_path, panel=f"{line}\nexport default {{}};\n", one="export const a = 1;\n")
    with pytest.raises(ScriptError):
        joined(tmp_path, "panel")


def test_words_about_imports_are_no_imports(tmp_path):
    """A comment may speak of them."""
    modules(
        tmp_path, panel='/** @import { A } from "./one.js" */\n// import("x")\nexport default {};\n'
    )
    assert "@import" in joined(tmp_path, "panel")
