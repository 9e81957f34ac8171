// The messages between the kernel and the page.

/**
 * The types mirror those in `protocol.py` of the kernel.
 * @typedef {{name: string, kind: string, level: number, where: string}} GraphNode
 * @typedef {{nodes: any[][], edges: number[][], unplaced: number, uncounted: number}} GraphCounts
 * @typedef {{nodes: GraphNode[], edges: any[][], omitted: number, counts: GraphCounts}} Graph
 * @typedef {{name: string, concurrency: number | null, adaptive: number[] | null,
 *   per_minute: number | null, tokens_per_minute: number | null, window: number, running: number,
 *   waiting: number, calls: number | null, tokens: number | null, cooling: number}} LimitState
 * @typedef {{id: number, count: number, text: string, node: string, row: number}} FailureGroup
 * @typedef {{text: string, limit: string}} HeldBack
 * @typedef {{text: string, ranges: number[]}} WaitingRows
 * @typedef {{flow: string, status: string, counts: number[], restored: number, left: number, total: number | null,
 *   limit: number, per_minute: number | null, limit_history: number[][], adaptive: number[] | null, refused: number,
 *   cooling: number, elapsed: number, idle: number, ticking: boolean, nodes: string[], can: string[], compact: boolean, earlier: string, notice: string,
 *   reason: string, failures: FailureGroup[], held_back: HeldBack, waits: WaitingRows[], findings: string[], dropped: number, limits: LimitState[], limits_omitted: number,
 *   acknowledged: Object<string, number>}} Header
 * @typedef {{version: number, text: string, editable: boolean, reason: string}} Editor
 * @typedef {{names: string[], numeric: boolean[], same: string, more: number}} Columns
 * @typedef {[string, number, string]} ChainLink
 * @typedef {{rows: number[], texts: string[], cells: string[][], outcomes: string[], actions: string[],
 *   chains: ChainLink[][], pictures: number[]}} RowTexts
 * @typedef {{rows: number[], texts: string[], cells: string[][], outcomes: string[], actions: string[],
 *   chains: ChainLink[][], pictures: number[], columns: Columns, labels: string[]}} FirstTexts
 * @typedef {{client: string, n: number}} SearchDone
 * @typedef {{key: string, value: string, mark: string, source: string,
 *   unread: boolean}} ParamDetail
 * @typedef {{text: string, head: string[], rows: string[][], picture: boolean, more: boolean}} OutputDetail
 * @typedef {{client: string, index: number, attempt: number, copy: number, output: OutputDetail | null}} FullOutput
 * @typedef {{node: string, depth: number, previous: number | null, params: ParamDetail[],
 *   started: number, seconds: number | null, action: string | null, output: OutputDetail | null,
 *   error: string, remark: string}} CopyDetail
 * @typedef {{number: number, status: string, started: number, seconds: number, error: string,
 *   copies: CopyDetail[], note: string, printed: string}} AttemptDetail
 * @typedef {{index: number, status: string, attempts: number, started: number | null,
 *   seconds: number | null, output: OutputDetail | null, error: string, traceback: string,
 *   copies: CopyDetail[], note: string, printed: string, code: string,
 *   restored: number | null, history: AttemptDetail[]}} Detail
 * @typedef {{client: string, n: number, count: number | null, message: string,
 *   line: number | null}} TextCheck
 * @typedef {{type: "delta", seq: number, packed?: string[], header?: Partial<Header>, rows?: RowTexts[],
 *   details?: Detail[], outputs?: FullOutput[], checks?: TextCheck[], searches?: SearchDone[],
 *   graph?: GraphCounts}} Delta
 * @typedef {{type: string, value?: number | null, name?: string, field?: string,
 *   text?: string | null, rows?: number[], view?: string, group?: number | null, index?: number | null, attempt?: number,
 *   copy?: number, sort?: number | null, descending?: boolean}} Command
 */

export const STATUSES = ["pending", "running", "succeeded", "failed", "cancelled"];
export const PENDING = 0;
export const RUNNING = 1;
export const SUCCEEDED = 2;
export const FAILED = 3;
export const CANCELLED = 4;

/** @param {DataView | ArrayBuffer | Uint8Array | null | undefined} buffer @returns {Uint8Array} */
export function bytesOf(buffer) {
  if (!buffer) return new Uint8Array(0);
  if (buffer instanceof ArrayBuffer) return new Uint8Array(buffer);
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}
