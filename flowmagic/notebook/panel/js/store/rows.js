import { PENDING, STATUSES, SUCCEEDED, bytesOf } from "./protocol.js";

/** The kind of a restored row; other rows have the number of their status as their kind. */
export const RESTORED = STATUSES.length;

/** The state of every row, in columns. */
export class Rows {
  constructor() {
    this.count = 0;
    this.allot(0);
  }

  allot(size) {
    this.started = new Float32Array(size);
    this.ended = new Float32Array(size);
    this.node = new Uint16Array(size);
    this.status = new Uint8Array(size);
    this.earlier = new Uint8Array(size);
  }

  /** Whether a row was restored from an earlier run: it has succeeded but never started. */
  restored(i) {
    return this.status[i] === SUCCEEDED && Number.isNaN(this.started[i]);
  }

  /** @returns {number} the kind of a row, by which it is drawn */
  kind(i) {
    const status = this.status[i];
    if (this.restored(i)) return RESTORED;
    return status < RESTORED ? status : PENDING;
  }

  /** Load all columns from the output of `pack_columns`; returns the sequence number at its end. */
  load(buffer) {
    const bytes = bytesOf(buffer);
    if (bytes.length < 4) return -1;
    const n = Math.floor((bytes.length - 4) / 12);
    let at = 0;
    const take = (size) => {
      const part = bytes.slice(at, at + size * n); // a copy, hence aligned
      at += size * n;
      return part.buffer;
    };
    this.started = new Float32Array(take(4));
    this.ended = new Float32Array(take(4));
    this.node = new Uint16Array(take(2));
    this.status = new Uint8Array(take(1));
    this.earlier = new Uint8Array(take(1));
    this.count = n;
    return new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, true);
  }

  /** Apply the output of `pack_rows`; returns the indices of its rows. */
  apply(buffer) {
    const bytes = bytesOf(buffer);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const changed = [];
    for (let at = 0; at + 16 <= bytes.length; at += 16) {
      const i = view.getUint32(at, true);
      if (i >= this.count) this.grow(i + 1);
      changed.push(i);
      this.status[i] = view.getUint8(at + 4);
      this.earlier[i] = view.getUint8(at + 5);
      this.node[i] = view.getUint16(at + 6, true);
      this.started[i] = view.getFloat32(at + 8, true);
      this.ended[i] = view.getFloat32(at + 12, true);
    }
    return changed;
  }

  grow(count) {
    if (count > this.status.length) {
      const old = this;
      const { started, ended, node, status, earlier } = old;
      this.allot(Math.max(count, 2 * status.length));
      this.started.fill(NaN);
      this.ended.fill(NaN);
      this.started.set(started);
      this.ended.set(ended);
      this.node.set(node);
      this.status.set(status);
      this.earlier.set(earlier);
    }
    this.count = count;
  }
}
