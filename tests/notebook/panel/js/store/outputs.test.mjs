// Outputs in full and pictures, and when they are requested.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Outputs } from "../../../../../flowmagic/notebook/panel/js/store/outputs.js";

/** Outputs with a store that records what is sent and of which rows the views are notified. */
function create(t) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const urls = new Set();
  let count = 0;
  t.mock.method(URL, "createObjectURL", ({ type, size }) => {
    const url = `${type} ${size} ${(count += 1)}`;
    urls.add(url);
    return url;
  });
  t.mock.method(URL, "revokeObjectURL", (url) => urls.delete(url));
  globalThis.Image = class extends EventTarget {};
  const sent = [];
  const notified = [];
  const store = { client: "me", rows: { earlier: new Uint8Array(1_000) }, send: (command) => sent.push(command), notify: (rows) => notified.push(...rows) };
  return { outputs: new Outputs(store), store, sent, notified, urls };
}

const picture = (name, bytes = 3) => new Map([[name, new Uint8Array(bytes)]]);

test("the pictures of the rows on the screen are requested together, and once", (t) => {
  const { outputs, sent } = create(t);
  for (let frame = 0; frame < 3; frame += 1) for (const row of [4, 7]) assert.equal(outputs.thumbnail(row), undefined);
  t.mock.timers.tick(100);
  outputs.thumbnail(4);
  t.mock.timers.tick(100);
  assert.deepEqual(sent, [{ type: "pictures", rows: [4, 7] }]);
});

test("a picture that has arrived is shown, and the views are told when it can be drawn", (t) => {
  const { outputs, notified } = create(t);
  outputs.thumbnail(4);
  outputs.applyPictures(picture("picture me 4 0 -1 small image/png"));
  const { url, image } = outputs.thumbnail(4);
  assert.equal(url, "image/png 3 1");
  image.dispatchEvent(new Event("load"));
  assert.deepEqual(notified, [4]);
  outputs.applyPictures(picture("picture me 4 0 2 large image/jpeg"));
  assert.equal(outputs.large(4, 0, 2).url, "image/jpeg 3 2");
  assert.equal(outputs.thumbnail(4).url, url);
});

test("only PNG and JPEG are shown, and only what this page has requested", (t) => {
  const { outputs, urls } = create(t);
  outputs.applyPictures(picture("picture me 1 0 -1 small image/svg+xml"));
  outputs.applyPictures(picture("picture me 2 0 -1 small ", 0));
  outputs.applyPictures(picture("picture another 3 0 -1 small image/png"));
  outputs.applyPictures(picture("segments me"));
  assert.deepEqual([outputs.thumbnail(1).url, outputs.thumbnail(2).url, outputs.thumbnail(3)], ["", "", undefined]);
  assert.equal(urls.size, 0);
});

test("an output in full is requested once, and is that of the attempt it was requested for", (t) => {
  const { outputs, store, sent } = create(t);
  outputs.request(4, 0, 1);
  outputs.request(4, 0, 1);
  assert.deepEqual(sent, [{ type: "output", index: 4, attempt: 0, copy: 1 }]);
  const output = { text: "whole", head: [], rows: [], picture: false, more: false };
  const before = outputs.version;
  outputs.apply([{ client: "me", index: 4, attempt: 0, copy: 1, output }, { client: "another", index: 5, attempt: 0, copy: 1, output }]);
  assert.equal(outputs.full(4, 0, 1), output);
  assert.equal(outputs.full(5, 0, 1), undefined);
  assert.notEqual(outputs.version, before);
  store.rows.earlier[4] = 1; // it has been retried
  outputs.request(4, 0, 1);
  assert.deepEqual([sent.length, outputs.full(4, 0, 1)], [2, undefined]);
});

test("pictures that are no longer needed are released", (t) => {
  const { outputs, urls } = create(t);
  for (let row = 0; row < 600; row += 1) outputs.applyPictures(picture(`picture me ${row} 0 -1 small image/png`));
  assert.equal(urls.size, 400);
  assert.equal(outputs.thumbnail(599).url, "image/png 3 600");
  outputs.clear();
  assert.equal(urls.size, 0);
});
