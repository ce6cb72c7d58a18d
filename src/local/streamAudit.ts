/**
 * What the server saw and said on the streams of one table: received, durable and acknowledged per connection, in order, with
 * the exact bytes while they fit a bound.
 *
 * It only records. Whether the acknowledged records are really in the table is asked of the store by whoever reads the audit.
 */

/** One connection of a table. */
export interface ConnectionAudit {
  /** 1 for the first connection of the table since the server started. */
  readonly number: number
  readonly streamId: string
  /** The messages that were accepted, in order; `wireOffset` is their index. Empty when recording is off. */
  readonly received: ReadonlyArray<ReadonlyArray<Uint8Array>>
  readonly receivedMessages: number
  readonly receivedRecords: number
  /** Messages that became durable; they are the first ones of `received`. */
  readonly durableMessages: number
  readonly durableRecords: number
  /** Messages covered by the highest acknowledgement that was sent; more than `durableMessages` only when a fault lied. */
  readonly ackedMessages: number
  /** How it ended: `open`, `OK`, the name of a status, `cut` or `cancelled`. */
  readonly ended: string
}

/** All connections of a table, with sums. */
export interface Audit {
  readonly connections: number
  /** The latest ones; of more than 1,000 the oldest are left out. */
  readonly perConnection: ReadonlyArray<ConnectionAudit>
  readonly receivedRecords: number
  readonly durableRecords: number
  readonly ackedRecords: number
  /** Different records among the durable ones, by their bytes. */
  readonly distinctRecords: number
  /** Durable records beyond the first of each kind: what was sent again after a lost connection, or ingested twice. */
  readonly duplicates: number
  /** Records that were acknowledged and are not in the table. Anything but 0 breaks the promise. */
  readonly ackedButMissing: number
  /** False when records were dropped from the audit because they exceeded its bound, or when recording is off. */
  readonly complete: boolean
}

/** Collects one connection. */
export interface ConnectionRecorder {
  readonly number: number
  readonly received: (records: ReadonlyArray<Uint8Array>, bytes: number) => void
  readonly durable: (messages: number, records: number) => void
  /** `upTo` is the acknowledged wire offset. */
  readonly acked: (upTo: number) => void
  readonly ended: (how: string) => void
}

/** Collects the streams of one table. */
export interface StreamAudit {
  readonly connect: (streamId: string) => ConnectionRecorder
  /** Evaluates what was collected; `storedRows` is what the store says the table holds. */
  readonly read: (storedRows: number) => Audit
}

/** Connections of a table that are kept one by one; of older ones only the sums are. */
export const maxConnections = 1000

type Entry = { -readonly [K in keyof ConnectionAudit]: ConnectionAudit[K] } & {
  received: Array<ReadonlyArray<Uint8Array>>
  ackedRecords: number
  /** Record counts of the messages that are not acknowledged yet, oldest first. */
  readonly unacked: Array<number>
}

/** Makes an empty audit that keeps at most `maxBytes` of records; 0 turns the recording of bytes off. */
export const makeStreamAudit = (maxBytes: number): StreamAudit => {
  const all: Array<Entry> = []
  const past = { receivedRecords: 0, durableRecords: 0, ackedRecords: 0, lied: 0, distinct: new Set<string>() }
  let connections = 0
  let kept = 0
  let complete = maxBytes > 0

  const connect = (streamId: string): ConnectionRecorder => {
    const entry: Entry = {
      number: ++connections,
      streamId,
      received: [],
      receivedMessages: 0,
      receivedRecords: 0,
      durableMessages: 0,
      durableRecords: 0,
      ackedMessages: 0,
      ackedRecords: 0,
      unacked: [],
      ended: "open"
    }
    all.push(entry)
    if (all.length > maxConnections) forgetOldest()
    return {
      number: entry.number,
      received: (records, bytes) => {
        entry.receivedMessages++
        entry.receivedRecords += records.length
        entry.unacked.push(records.length)
        if (!complete) return
        kept += bytes + 64 * records.length
        if (kept > maxBytes) {
          complete = false
          past.distinct.clear()
          for (const other of all) other.received = []
        } else entry.received.push(records)
      },
      durable: (messages, records) => {
        entry.durableMessages += messages
        entry.durableRecords += records
      },
      acked: (upTo) => {
        if (upTo + 1 <= entry.ackedMessages) return
        for (const records of entry.unacked.splice(0, upTo + 1 - entry.ackedMessages)) entry.ackedRecords += records
        entry.ackedMessages = upTo + 1
      },
      ended: (how) => {
        if (entry.ended !== "open") return
        entry.ended = how
        entry.unacked.length = 0
      }
    }
  }

  /** Keeps only the sums of the oldest connection that has ended. */
  const forgetOldest = () => {
    const index = all.findIndex((entry) => entry.ended !== "open")
    const [entry] = index < 0 ? [] : all.splice(index, 1)
    if (entry === undefined) return
    addDurable(entry, past.distinct)
    entry.received = []
    past.receivedRecords += entry.receivedRecords
    past.durableRecords += entry.durableRecords
    past.ackedRecords += entry.ackedRecords
    past.lied += Math.max(0, entry.ackedMessages - entry.durableMessages)
  }

  const read = (storedRows: number): Audit => {
    const sum = (of: (entry: Entry) => number) => all.reduce((total, entry) => total + of(entry), 0)
    const durable = new Set(past.distinct)
    for (const entry of complete ? all : []) addDurable(entry, durable)
    const ackedRecords = past.ackedRecords + sum((entry) => entry.ackedRecords)
    const durableRecords = past.durableRecords + sum((entry) => entry.durableRecords)
    const lied = past.lied + sum((entry) => Math.max(0, entry.ackedMessages - entry.durableMessages))
    return {
      connections,
      perConnection: all.map(snapshot),
      receivedRecords: past.receivedRecords + sum((entry) => entry.receivedRecords),
      durableRecords,
      ackedRecords,
      distinctRecords: durable.size,
      duplicates: complete ? durableRecords - durable.size : 0,
      ackedButMissing: Math.max(lied, ackedRecords - storedRows, 0),
      complete
    }
  }

  return { connect, read }
}

const snapshot = (entry: Entry): ConnectionAudit => ({
  number: entry.number,
  streamId: entry.streamId,
  received: [...entry.received],
  receivedMessages: entry.receivedMessages,
  receivedRecords: entry.receivedRecords,
  durableMessages: entry.durableMessages,
  durableRecords: entry.durableRecords,
  ackedMessages: entry.ackedMessages,
  ended: entry.ended
})

const addDurable = (entry: Entry, distinct: Set<string>): void => {
  for (const message of entry.received.slice(0, entry.durableMessages)) {
    for (const record of message) distinct.add(textKey(record))
  }
}

const textKey = (record: Uint8Array): string =>
  Buffer.from(record.buffer, record.byteOffset, record.length).toString("latin1")
