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
  /** The client's address and port, where there is one: streams over one connection have the same. */
  readonly peer: string | undefined
  /** What the create request asked for; undefined when none was accepted. */
  readonly created: { readonly kind: string; readonly descriptor: Uint8Array | undefined } | undefined
  /** The messages that were accepted, in order; `wireOffset` is their index. Empty when recording is off. */
  readonly received: ReadonlyArray<ReadonlyArray<Uint8Array>>
  readonly receivedMessages: number
  readonly receivedRecords: number
  /** Messages that became durable; they are the first ones of `received`, but for `lostMessages`. */
  readonly durableMessages: number
  readonly durableRecords: number
  /** Messages covered by the highest acknowledgement that was sent; more than `durableMessages` only when a fault lied. */
  readonly ackedMessages: number
  /** Wire offsets of messages that count as received and were thrown away, because `Faults.loseMessages` said so. */
  readonly lostMessages: ReadonlyArray<number>
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
  /**
   * Duplicates that no lost connection explains: the earlier copy arrived on the same connection, or on one that ended well. Anything but
   * 0 means that the client sent something again without need, or that the test ingested equal records.
   */
  readonly unexplainedDuplicates: number
  /** Records that the server threw away because `Faults.loseMessages` said so; when acknowledged they are also in `ackedButMissing`. */
  readonly lostRecords: number
  /** Records that were acknowledged and are not in the table. Anything but 0 breaks the promise. */
  readonly ackedButMissing: number
  /** False when records were dropped from the audit because they exceeded its bound, or when recording is off. */
  readonly complete: boolean
}

/** Collects one connection. */
export interface ConnectionRecorder {
  readonly number: number
  readonly created: (kind: string, descriptor: Uint8Array | undefined) => void
  readonly received: (records: ReadonlyArray<Uint8Array>, bytes: number) => void
  readonly durable: (messages: number, records: number) => void
  /** `upTo` is the acknowledged wire offset. */
  readonly acked: (upTo: number) => void
  /** The same for an acknowledgement that a fault made up. */
  readonly lied: (upTo: number) => void
  /** The message received last was thrown away. */
  readonly lost: () => void
  readonly ended: (how: string) => void
}

/** Collects the streams of one table. */
export interface StreamAudit {
  readonly connect: (streamId: string, peer?: string) => ConnectionRecorder
  /** Evaluates what was collected; `storedRows` is what the store says the table holds. */
  readonly read: (storedRows: number) => Audit
}

/** Connections of a table that are kept one by one; of older ones only the sums are. */
export const maxConnections = 1000

type Entry = { -readonly [K in keyof ConnectionAudit]: ConnectionAudit[K] } & {
  received: Array<ReadonlyArray<Uint8Array>>
  lostMessages: Array<number>
  lostRecords: number
  /** Lost messages and records that were acknowledged. */
  ackedLost: { messages: number; records: number }
  ackedRecords: number
  /** Record counts of the messages that are not acknowledged yet, oldest first. */
  readonly unacked: Array<number>
}

/** Makes an empty audit that keeps at most `maxBytes` of records; 0 turns the recording of bytes off. */
export const makeStreamAudit = (maxBytes: number): StreamAudit => {
  const all: Array<Entry> = []
  const past = { receivedRecords: 0, durableRecords: 0, ackedRecords: 0, lostRecords: 0, lied: 0 }
  /** Copies of the connections that are not kept one by one. */
  let pastCopies = noCopies()
  let connections = 0
  let kept = 0
  let complete = maxBytes > 0

  const connect = (streamId: string, peer?: string): ConnectionRecorder => {
    const entry: Entry = {
      number: ++connections,
      streamId,
      peer,
      created: undefined,
      received: [],
      lostMessages: [],
      lostRecords: 0,
      ackedLost: { messages: 0, records: 0 },
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
    const acked = (upTo: number) => {
      if (upTo + 1 <= entry.ackedMessages) return
      const from = entry.ackedMessages
      for (const [index, records] of entry.unacked.splice(0, upTo + 1 - from).entries()) {
        entry.ackedRecords += records
        if (!entry.lostMessages.includes(from + index)) continue
        entry.ackedLost.messages++
        entry.ackedLost.records += records
      }
      entry.ackedMessages = upTo + 1
    }
    return {
      number: entry.number,
      created: (kind, descriptor) => {
        entry.created = { kind, descriptor: descriptor?.slice() }
      },
      received: (records, bytes) => {
        entry.receivedMessages++
        entry.receivedRecords += records.length
        entry.unacked.push(records.length)
        if (!complete) return
        kept += bytes + 64 * records.length
        if (kept > maxBytes) {
          complete = false
          pastCopies = noCopies()
          for (const other of all) other.received = []
        } else entry.received.push(records)
      },
      durable: (messages, records) => {
        entry.durableMessages += messages
        entry.durableRecords += records
      },
      acked,
      lied: acked,
      lost: () => {
        entry.lostMessages.push(entry.receivedMessages - 1)
        entry.lostRecords += entry.unacked[entry.unacked.length - 1] ?? 0
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
    addDurable(entry, pastCopies)
    entry.received = []
    past.receivedRecords += entry.receivedRecords
    past.durableRecords += entry.durableRecords
    past.ackedRecords += entry.ackedRecords
    past.lostRecords += entry.lostRecords
    past.lied += liedOf(entry)
  }

  const read = (storedRows: number): Audit => {
    const sum = (of: (entry: Entry) => number) => all.reduce((total, entry) => total + of(entry), 0)
    const copies: Copies = { ...pastCopies, left: new Map(pastCopies.left) }
    for (const entry of complete ? all : []) addDurable(entry, copies)
    const ackedRecords = past.ackedRecords + sum((entry) => entry.ackedRecords)
    const durableRecords = past.durableRecords + sum((entry) => entry.durableRecords)
    const lied = past.lied + sum(liedOf)
    return {
      connections,
      perConnection: all.map(snapshot),
      receivedRecords: past.receivedRecords + sum((entry) => entry.receivedRecords),
      durableRecords,
      ackedRecords,
      distinctRecords: copies.left.size,
      duplicates: complete ? durableRecords - copies.left.size : 0,
      unexplainedDuplicates: copies.unexplained,
      lostRecords: past.lostRecords + sum((entry) => entry.lostRecords),
      ackedButMissing: Math.max(lied, ackedRecords - storedRows, 0),
      complete
    }
  }

  return { connect, read }
}

const snapshot = (entry: Entry): ConnectionAudit => ({
  number: entry.number,
  streamId: entry.streamId,
  peer: entry.peer,
  created: entry.created,
  received: [...entry.received],
  receivedMessages: entry.receivedMessages,
  receivedRecords: entry.receivedRecords,
  durableMessages: entry.durableMessages,
  durableRecords: entry.durableRecords,
  ackedMessages: entry.ackedMessages,
  lostMessages: [...entry.lostMessages],
  ended: entry.ended
})

/** What was acknowledged on a connection without being durable: records that were lost, and messages beyond those. */
const liedOf = ({ ackedLost, ackedMessages, durableMessages }: Entry): number =>
  ackedLost.records + Math.max(0, ackedMessages - ackedLost.messages - durableMessages)

/** Which records were durable so far, and which further copies of each are explained. */
interface Copies {
  /** Per record, by its bytes: how many copies lost connections left behind that were not sent again yet. */
  readonly left: Map<string, number>
  unexplained: number
}

const noCopies = (): Copies => ({ left: new Map(), unexplained: 0 })

const addDurable = (entry: Entry, copies: Copies): void => {
  const lost = new Set(entry.lostMessages)
  let durable = 0
  const here: Array<string> = []
  for (const [offset, message] of entry.received.entries()) {
    if (lost.has(offset)) continue
    if (durable++ >= entry.durableMessages) break
    for (const record of message) here.push(textKey(record))
  }
  for (const key of here) {
    const left = copies.left.get(key)
    if (left === undefined) copies.left.set(key, 0)
    else if (left > 0) copies.left.set(key, left - 1)
    else copies.unexplained++
  }
  if (entry.ended === "OK") return
  for (const key of here) copies.left.set(key, copies.left.get(key)! + 1)
}

const textKey = (record: Uint8Array): string =>
  Buffer.from(record.buffer, record.byteOffset, record.length).toString("latin1")
