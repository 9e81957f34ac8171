"""Texts that would do harm if anything took them for more than texts, as a model may write them."""

from __future__ import annotations

import random

from hypothesis import strategies as st

FRAGMENTS = (
    "<script>window.hit=1</script>",
    "<img src=x onerror=window.hit=1>",
    "</script></pre></details><svg onload=window.hit=1>",
    "\"'><b onmouseover='window.hit=1'>",
    "' style='position:fixed;inset:0",
    "javascript:window.hit=1",
    "[x](javascript:window.hit=1) ![x](x:x)",
    "$\\href{javascript:window.hit=1}{x}$ \\end{document} \\input{x}",
    "<!-- ]]> --> {{7*7}} ${7*7} `x`",
    "&lt;b&gt; &amp; &#0;",
    "\x1b[31mred\x1b[0m \x1b]8;;x:x\x07link\x1b]8;;\x07 \x9b2J",
    "a\x00b\x08\x7f",
    "\u202eturned\u202c \u2067and\u2069 \u2066again",
    "\u05d0\u05d1\u05d2 \u0627\u0628 123",
    "half \ud800 and \udfff",
    "\r\n\t \u2028\u2029\x85\x0b\x0c",
    "\ufeff\u200b\u00ad",
    "Z\u0300\u0301\u0302\u0303\u0304\u0305",
    "\U0001f600\U0001f468\u200d\U0001f469",
    "__proto__",
    "constructor",
    "%%batchflow x --limit 0",
    "None",
    "",
)

texts = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=20), max_size=4).map("".join)
"""Texts of such parts, and of any letters."""


def some_text(dice: random.Random) -> str:
    """Return a text of such parts and of any letters: where hypothesis cannot be, as in a notebook."""
    parts = []
    for _ in range(dice.randrange(1, 5)):
        if dice.random() < 0.7:
            parts.append(dice.choice(FRAGMENTS))
        else:
            parts.append("".join(chr(dice.randrange(0x110000)) for _ in range(8)))
    return "".join(parts)
