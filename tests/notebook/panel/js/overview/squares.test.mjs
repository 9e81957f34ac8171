import assert from "node:assert/strict";
import { test } from "node:test";

import { truncate } from "../../../../../flowmagic/notebook/panel/js/overview/squares.js";

test("a text is truncated to fit, and never splits a surrogate pair", () => {
  const fits = (room) => (part) => [...part].length <= room;
  assert.equal(truncate("user_id=3", fits(9)), "user_id=3");
  assert.equal(truncate("user_id=31", fits(9)), "user_id=…");
  assert.equal(truncate("😀😀😀😀", fits(3)), "😀😀…");
  assert.equal(truncate("abc", fits(1)), "");
  assert.equal(truncate("", fits(0)), "");
});
