"""Joining the modules of the panel into one script."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from flowmagic.notebook.panel.esm import ScriptError, joined
from flowmagic.notebook.panel.widget import Panel

JS = Path(__file__).parents[3] / "flowmagic" / "notebook" / "panel" / "js"
NODE = shutil.which("node")
node = pytest.mark.skipif(NODE is None, reason="no node found: apt-get install nodejs")


def modules(folder: Path, texts: dict[str, str] | None = None, **more: str) -> None:
    """Write modules, given by their keys."""
    for key, text in {**(texts or {}), **more}.items():
        file = folder / f"{key}.js"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def evaluated(folder: Path, script: str) -> str:
    """Return the `value` of the default export of a script that is alone in a folder."""
    (folder / "alone").mkdir()
    (folder / "alone" / "script.mjs").write_text(script)
    show = 'import("./script.mjs").then((made) => console.log(made.default.value))'
    run = subprocess.run(
        [NODE, "-e", show], cwd=folder / "alone", capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


def test_the_panels_script_needs_no_other_file():
    """The script has no imports, and its only export is the default one."""
    script = Panel("Flow", lambda batch, limits: None)._esm
    (only,) = re.findall(r"^[ \t]*(?:import|export)\b.*", script, re.MULTILINE)
    assert only.startswith("export default ")
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", script)


def test_every_module_is_part_of_the_script():
    """No module is unused, and none has more than 300 lines."""
    script = joined(JS, "panel")
    keys = [module.relative_to(JS).with_suffix("").as_posix() for module in JS.rglob("*.js")]
    assert "panel" in keys
    for key in keys:
        variable = "module$" + key.replace("/", "$")
        assert script.count(f"const {variable} = (() => {{") == 1
        assert len((JS / f"{key}.js").read_text().splitlines()) <= 300, key


@node
def test_modules_may_use_one_name_for_different_things(tmp_path):
    """Each module has its own scope, and runs once, after those that it imports."""
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


@node
def test_a_script_runs_once_in_a_page_however_many_panels_bring_it(tmp_path):
    """Each further panel is there sooner; another version of the script is another script."""
    modules(
        tmp_path,
        panel="globalThis.runs = (globalThis.runs ?? 0) + 1;\n"
        "export default { value: globalThis.runs };\n",
    )
    script = joined(tmp_path, "panel")
    (tmp_path / "copy.mjs").write_text(script)
    modules(tmp_path, panel="export default { value: globalThis.runs + 1 };\n")
    (tmp_path / "next.mjs").write_text(joined(tmp_path, "panel"))
    more = 'import copy from "../copy.mjs";\nimport next from "../next.mjs";\n'
    more += "made.value = [made === copy, globalThis.runs, next.value];\n"
    script = script.replace("export default", "const made =") + more + "export default made;\n"
    assert evaluated(tmp_path, script) == "[ true, 1, 2 ]"


@node
def test_modules_import_each_other_by_relative_paths(tmp_path):
    """Paths lead down, beside and up; a module that is imported by several paths runs once."""
    modules(
        tmp_path,
        {
            "panel": 'import { a } from "./store/a.js";\nimport { b } from "./ui/deep/b2.js";\n'
            "export default { value: [a, b, globalThis.runs] };\n",
            "store/a": 'import { own } from "./own_name.js";\nexport const a = `a${own}`;\n',
            "store/own_name": "globalThis.runs = (globalThis.runs ?? 0) + 1;\n"
            "export const own = globalThis.runs;\n",
            "ui/deep/b2": 'import { own } from "../../store/own_name.js";\n'
            'import { up } from "../up.js";\nexport const b = `b${own}${up}`;\n',
            "ui/up": "export const up = 2;\n",
        },
    )
    assert evaluated(tmp_path, joined(tmp_path, "panel")) == "[ 'a1', 'b12', 1 ]"


@node
def test_modules_of_one_name_in_two_folders_are_two_modules(tmp_path):
    """Modules get different variables even if their paths are similar."""
    modules(
        tmp_path,
        {
            "panel": 'import { a } from "./one/two.js";\nimport { b } from "./two.js";\n'
            'import { c } from "./one_two.js";\nimport { d } from "./default.js";\n'
            "export default { value: [a, b, c, d] };\n",
            "one/two": "export const a = 1;\n",
            "two": "export const b = 2;\n",
            "one_two": "export const c = 3;\n",
            "default": "export const d = 4;\n",
        },
    )
    assert evaluated(tmp_path, joined(tmp_path, "panel")) == "[ 1, 2, 3, 4 ]"


@pytest.mark.parametrize(
    ("importer", "path"),
    [("panel", "../other.js"), ("panel", "../panel/other.js"), ("ui/deep/a", "../../../other.js")],
)
def test_an_import_from_outside_the_folder_is_refused(tmp_path, importer, path):
    """Even if the file exists: the wheel would not contain it, or not where the module looks."""
    folder = tmp_path / "panel"
    modules(
        folder,
        {
            "panel": 'import { a } from "./ui/deep/a.js";\nexport default { a };\n',
            "ui/deep/a": "export const a = 1;\n",
            "other": "export const b = 2;\n",
            "../other": "export const b = 2;\n",
        },
    )
    file = folder / f"{importer}.js"
    file.write_text(f'import {{ b }} from "{path}";\n{file.read_text()}')
    with pytest.raises(ScriptError, match=rf"{importer}\.js imports {path}, which lies outside"):
        joined(folder, "panel")


def test_modules_that_import_each_other_are_named_in_their_circle(tmp_path):
    """The message shows the circle, and what to do."""
    modules(
        tmp_path,
        {
            "panel": 'import { a } from "./ui/one.js";\nexport default { a };\n',
            "ui/one": 'import { b } from "../two.js";\nexport const a = () => b;\n',
            "two": 'import { a } from "./ui/one.js";\nexport const b = () => a;\n',
        },
    )
    with pytest.raises(ScriptError, match=r"ui/one -> two -> ui/one\. Move what they share"):
        joined(tmp_path, "panel")


def test_a_missing_module_is_named_with_its_importer(tmp_path):
    """A wrong import is found when the class is created, not in the page."""
    modules(tmp_path, panel='import { a } from "./gone.js";\nexport default { a };\n')
    with pytest.raises(ScriptError, match=r"no module gone\.js in .*, which panel\.js imports"):
        joined(tmp_path, "panel")
    modules(
        tmp_path,
        {
            "panel": 'import { a } from "./ui/one.js";\nexport default { a };\n',
            "ui/one": 'import { b } from "./gone.js";\nexport const a = () => b;\n',
            "gone": "export const b = 1;\n",
        },
    )
    with pytest.raises(ScriptError, match=r"no module ui/gone\.js in .*, which ui/one\.js imports"):
        joined(tmp_path, "panel")
    with pytest.raises(ScriptError, match=r"no module other\.js"):
        joined(tmp_path, "other")


def test_a_missing_export_is_named_with_the_existing_ones(tmp_path):
    """In the page, it would be undefined and fail when it is first called."""
    modules(
        tmp_path,
        {
            "panel": 'import { a, c } from "./ui/one.js";\nexport default { a };\n',
            "ui/one": "export const a = 1;\nexport const b = 2;\nconst c = 3;\n",
        },
    )
    with pytest.raises(
        ScriptError, match=r"imports c, which ui/one\.js does not export\. .*: a, b\.$"
    ):
        joined(tmp_path, "panel")


@pytest.mark.parametrize(
    "line",
    [
        'import * as all from "./one.js";',
        'import one from "./one.js";',
        'import "https://example.org/one.js";',
        'import { a as b } from "./one.js";',
        'import { a } from "one.js";',
        'import { a } from "/one.js";',
        'import { a } from "./ui/../one.js";',
        'import { a } from "./../one.js";',
        'import { a } from "././one.js";',
        'import { a } from ".//one.js";',
        'import { a } from "./ui/One.js";',
        'import { a } from "./one.mjs";',
        'import { a } from "./one";',
        'export * from "./one.js";',
        "export let a = 1;",
        "export { a };",
        'const one = await import("./one.js");',
    ],
)
def test_unsupported_forms_are_refused(tmp_path, line):
    """An unsupported form would reach the page and fail there."""
    modules(
        tmp_path,
        {
            "panel": f"{line}\nexport default {{}};\n",
            "one": "export const a = 1;\n",
            "ui/One": "export const a = 1;\n",
        },
    )
    with pytest.raises(ScriptError):
        joined(tmp_path, "panel")


def test_comments_and_indentation_stay_where_they_are_read(tmp_path):
    """The page gets a quarter less. A comment may mention an import; one beside code stays."""
    code = "const a = 1; // one\n/** @type {any} */ const b = a;\n"
    modules(
        tmp_path,
        panel='/** @import { A } from "./one.js" */\n// import("x")\n'
        f"{code}  /*\n   * More.\n   */\n\n  // Most.\n  const c = b; /* three */\nexport default {{}};\n",
    )
    assert f"{{\n{code}const c = b; /* three */\nconst $default" in joined(tmp_path, "panel")


def test_no_text_of_a_module_has_several_lines():
    """One of them might look like a comment, or be indented."""
    for module in JS.rglob("*.js"):
        for line in module.read_text().splitlines():
            assert line.count("`") % 2 == 0, f"{module.name}: {line}"
