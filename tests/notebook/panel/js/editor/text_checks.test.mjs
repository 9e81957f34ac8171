import assert from "node:assert/strict";
import { test } from "node:test";

import { checkJson } from "../../../../../flowmagic/notebook/panel/js/editor/text_checks.js";

test("a list of dicts is counted; other texts are rejected or left to the kernel", () => {
  assert.deepEqual(checkJson('[{"a": 1}, {}]'), { count: 2, unsure: false });
  assert.deepEqual(checkJson('[{"a": "•••"}]'), { count: 1, unsure: true });
  assert.deepEqual(checkJson("[{'a': 1}]"), { unsure: true });
  assert.match(checkJson('{"a": 1}').message, /not a list of dicts/);
  assert.match(checkJson('[{}, [], {}]').message, /Item 1 is not a dict/);
});
