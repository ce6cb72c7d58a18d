/**
 * What became of the calls of a stream with lanes, derived from the messages sent and the records
 * handed back.
 */
import { ackedAtLeast, ackedAtMost, type Call, type StreamView, type View } from "../view.ts"

export type Report = (rule: string, text: string) => void

/** The known state of one call's records. */
export interface Standing {
  /**
   * When an acknowledgement arrived that may cover it, and when one arrived that certainly covers
   * it.
   */
  told: number
  surely: number
  /** The quiet moment of the latter. */
  quiet: number
  /** Whether the acknowledgement arrived before the records were durable. */
  lie: boolean
}

/** The results of a stream's calls. */
export interface Settled {
  readonly standings: ReadonlyMap<Call, Standing>
  /** When a call's record was passed to `onRefused`. */
  readonly refused: ReadonlyMap<Call, number>
}

/** Derives the results of a stream's calls. */
export const settledOf = (view: View, stream: StreamView, report: Report): Settled => {
  const standings = new Map<Call, Standing>()
  const standingOf = (call: Call): Standing => {
    const known = standings.get(call) ?? {
      told: Infinity,
      surely: Infinity,
      quiet: Infinity,
      lie: false
    }
    standings.set(call, known)
    return known
  }
  for (const connection of stream.connections) {
    let covered = 0
    for (const { seq } of connection.responses) {
      const acked = ackedAtMost(connection, seq + 1)
      for (; covered < acked; covered++) {
        for (const call of connection.messages[covered]!.calls) {
          const standing = standingOf(call)
          const lie = call.records.some(
            (record) => (view.durable.get(record)?.seq ?? Infinity) > seq
          )
          if (lie && view.profile !== "hostile")
            report(
              "server",
              `connection ${connection.conn} acknowledged ${call.op} #${call.id} before it was ` +
                `durable`
            )
          if (standing.told === Infinity || (standing.lie && !lie))
            Object.assign(standing, { told: seq, lie })
        }
      }
    }
    let sure = 0
    for (const { quiet, seq } of [...connection.responses, ...connection.sent].toSorted(
      (a, b) => a.seq - b.seq
    )) {
      const acked = ackedAtLeast(connection, quiet + 1)
      for (; sure < acked; sure++) {
        for (const call of connection.messages[sure]!.calls) {
          const standing = standingOf(call)
          if (standing.surely === Infinity) Object.assign(standing, { surely: seq, quiet })
        }
      }
    }
  }
  const refused = new Map<Call, number>()
  for (const { records, seq } of stream.refused) {
    const call = view.callOf.get(records[0] ?? -1)
    if (call !== undefined) refused.set(call, seq)
  }
  return { standings, refused }
}

/** The calls that a stream took over from the one that it recreates. */
export const adoptedBy = (view: View, stream: StreamView): ReadonlyArray<Call> => {
  const from = stream.opening.from === undefined ? undefined : view.streams.get(stream.opening.from)
  return from === undefined ? [] : (handedBack(view, from) ?? [])
}

/** The calls that a stream handed back, in order; `undefined` if nobody read them. */
export const handedBack = (view: View, stream: StreamView): ReadonlyArray<Call> | undefined => {
  const lists = stream.calls.flatMap(({ end, op }) =>
    op === "unacked" && end?.outcome._tag === "Records" ? [end.outcome.groups] : []
  )
  const list =
    stream.opening.op === "openSink"
      ? stream.unacked[0]?.records.map((record) => [record])
      : lists.at(-1)
  return list?.flatMap((group) => view.callOf.get(group[0] ?? -1) ?? [])
}
