/**
 * The states of a stream.
 */

/**
 * - `connecting`: the first session is being opened. Records are accepted once it is open.
 * - `replaying`: a session is open and sends unacknowledged records of the previous one again, in
 *   order, before new records.
 * - `open`: a session is open and sends new records.
 * - `paused`: the server announced the end of the session. Records are accepted but not sent, and
 *   acknowledgements still count.
 * - `recovering`: the session was lost and another one is being opened. Records are accepted.
 * - `idle`: the retry budget is spent and nothing is unacknowledged, so there is no connection. The
 *   next record opens one.
 * - `waiting`: the retry budget is spent and the stream's spool holds its records. It retries every
 *   30 seconds.
 * - `closed`: closed by `close` or by its scope.
 * - `failed`: ended by a final error.
 *
 * With several lanes: `recovering` while any lane is recovering; else `waiting`, `replaying` or
 * `paused` while any lane is; `idle` when all lanes are.
 *
 * @since 0.1.0
 * @category models
 */
export type StreamState =
  | "connecting"
  | "replaying"
  | "open"
  | "paused"
  | "recovering"
  | "idle"
  | "waiting"
  | "closed"
  | "failed"
