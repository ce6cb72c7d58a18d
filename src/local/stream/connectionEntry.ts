/**
 * The audit of one connection: the reports of its stream and their sums. Terms as in
 * `serverStream.ts`.
 */
import type { ConnectionAudit, ConnectionRecorder } from "./streamAudit.ts"

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** A connection, and the counts for its sums. */
export interface Entry {
  readonly shown: Mutable<ConnectionAudit> & {
    received: Array<ReadonlyArray<Uint8Array>>
    readonly lostMessages: Array<number>
  }
  lostRecords: number
  ackedRecords: number
  /** Lost messages and records that are acknowledged. */
  readonly ackedLost: { messages: number; records: number }
  /** The record counts of unacknowledged messages, oldest first. */
  readonly unacked: Array<number>
}

/** Creates the entry of a new connection. */
export const newEntry = (number: number, streamId: string, peer: string | undefined): Entry => ({
  shown: {
    number,
    streamId,
    firstOffset: 0,
    peer,
    created: undefined,
    received: [],
    receivedMessages: 0,
    receivedRecords: 0,
    durableMessages: 0,
    durableRecords: 0,
    ackedMessages: 0,
    lostMessages: [],
    ended: "open"
  },
  lostRecords: 0,
  ackedRecords: 0,
  ackedLost: { messages: 0, records: 0 },
  unacked: []
})

type Received = ConnectionRecorder["received"]

/** Creates the recorder of a stream. `keep` is called with the records of each message. */
export const recorderOf = (entry: Entry, keep: Received): ConnectionRecorder => {
  const { ackedLost, shown, unacked } = entry
  const acked = (upTo: number): number => {
    const messages = upTo + 1 - shown.firstOffset
    if (messages <= shown.ackedMessages) return 0
    const before = entry.ackedRecords
    const from = shown.ackedMessages
    for (const [index, records] of unacked.splice(0, messages - from).entries()) {
      entry.ackedRecords += records
      if (!shown.lostMessages.includes(from + index)) continue
      ackedLost.messages++
      ackedLost.records += records
    }
    shown.ackedMessages = messages
    return entry.ackedRecords - before
  }
  return {
    number: shown.number,
    created: (kind, descriptor) => {
      shown.created = { kind, descriptor: descriptor?.slice() }
    },
    resumed: (streamId, firstOffset) => {
      shown.streamId = streamId
      shown.firstOffset = firstOffset
    },
    received: (records, count, bytes) => {
      shown.receivedMessages++
      shown.receivedRecords += count
      unacked.push(count)
      return keep(records, count, bytes)
    },
    durable: (messages, records) => {
      shown.durableMessages += messages
      shown.durableRecords += records
    },
    acked,
    falseAck: acked,
    lost: () => {
      shown.lostMessages.push(shown.receivedMessages - 1)
      entry.lostRecords += unacked[unacked.length - 1] ?? 0
    },
    ended: (how) => {
      if (shown.ended !== "open") return
      shown.ended = how
      unacked.length = 0
    }
  }
}

/** A copy of the connection's current state. */
export const snapshot = (shown: ConnectionAudit): ConnectionAudit => ({
  ...shown,
  received: [...shown.received],
  lostMessages: [...shown.lostMessages]
})

/** Sums of no connections. */
export const noSums = () => ({
  receivedRecords: 0,
  durableRecords: 0,
  ackedRecords: 0,
  lostRecords: 0,
  falselyAcked: 0
})

/** Adds a connection to the sums. */
export const addTo = (sums: ReturnType<typeof noSums>, entry: Entry): void => {
  const { ackedLost, ackedRecords, lostRecords, shown } = entry
  sums.receivedRecords += shown.receivedRecords
  sums.durableRecords += shown.durableRecords
  sums.ackedRecords += ackedRecords
  sums.lostRecords += lostRecords
  // Acknowledged but not durable: lost records, and further messages beyond the durable ones.
  const beyond = shown.ackedMessages - ackedLost.messages - shown.durableMessages
  sums.falselyAcked += ackedLost.records + Math.max(0, beyond)
}
