/**
 * The states a stream goes through.
 */

/**
 * - `connecting`: the first session is being opened; records are accepted once it is.
 * - `replaying`: a session is open and sends again what was not acknowledged on the one before, in
 *   order, before new records.
 * - `open`: a session is open and new records flow.
 * - `paused`: the server announced the end of the session; records are accepted, nothing is sent,
 *   acknowledgements still count.
 * - `recovering`: the session was lost; the supervisor opens another one. Records are accepted.
 * - `idle`: the retry budget is spent and nothing is unacknowledged, so there is no connection; the
 *   next record opens one.
 * - `waiting`: the retry budget is spent and the stream's spool keeps its records; there is an
 *   attempt every 30 seconds.
 * - `closed`: closed by `close` or by its scope.
 * - `failed`: ended by a final error.
 *
 * With several lanes: `recovering` while any lane is, else `waiting`, `replaying` or `paused` while
 * one is, and `idle` when all are.
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
