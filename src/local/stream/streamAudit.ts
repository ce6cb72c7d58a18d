/**
 * The audit of the streams of one table: what was received, durable and acknowledged on each
 * connection, in order, with the exact bytes up to a limit. Terms as in `serverStream.ts`.
 *
 * It only records. The number of rows in the table is an argument of `read`.
 */
import { recordTexts } from "../records/recordText.ts"
import { addTo, type Entry, newEntry, noSums, recorderOf, snapshot } from "./connectionEntry.ts"

/**
 * One connection of a table.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectionAudit {
  /** 1 for the first connection of the table since the server started. */
  readonly number: number
  /** The id that the server gave the stream. */
  readonly streamId: string
  /** The wire offset of its first message: 0, or where a persistent stream was resumed. */
  readonly firstOffset: number
  /** The client's address and port, if known. Streams over one connection have the same. */
  readonly peer: string | undefined
  /** The accepted create request. */
  readonly created:
    | {
        /** The format of the records. */
        readonly kind: string
        /** The schema of the records; undefined for JSON. */
        readonly descriptor: Uint8Array | undefined
      }
    | undefined
  /**
   * The received messages. The wire offset of a message is its index plus `firstOffset`. Each
   * message has its records, or one complete message for Arrow. Empty when recording is off.
   */
  readonly received: ReadonlyArray<ReadonlyArray<Uint8Array>>
  /** Received messages. */
  readonly receivedMessages: number
  /** Records of the received messages. */
  readonly receivedRecords: number
  /** The number of durable messages: the first ones of `received`, except `lostMessages`. */
  readonly durableMessages: number
  /** Records of the durable messages. */
  readonly durableRecords: number
  /**
   * The number of acknowledged messages; exceeds the durable ones only after a false
   * acknowledgement.
   */
  readonly ackedMessages: number
  /** Indexes of received messages that `Faults.loseMessages` discarded. */
  readonly lostMessages: ReadonlyArray<number>
  /** How it ended: `open`, `OK`, the name of a status, `cut` or `cancelled`. */
  readonly ended: string
}

/**
 * All connections of a table, with sums.
 *
 * @since 0.1.0
 * @category models
 */
export interface Audit {
  /** How many connections there were. */
  readonly connections: number
  /** The latest connections, at most 1,000. */
  readonly perConnection: ReadonlyArray<ConnectionAudit>
  /** Records that were received, over all connections. */
  readonly receivedRecords: number
  /** Records that are durable, over all connections. */
  readonly durableRecords: number
  /** Records that were acknowledged, over all connections. */
  readonly ackedRecords: number
  /** Distinct durable records, compared by their bytes. */
  readonly distinctRecords: number
  /** Durable records that equal an earlier one: sent again after a loss, or ingested twice. */
  readonly duplicates: number
  /**
   * Duplicates that no lost connection explains: the earlier copy arrived on the same connection,
   * or on one that ended with OK. A value above 0 means that the client sent a record again without
   * need, or that the test ingested equal records.
   */
  readonly unexplainedDuplicates: number
  /**
   * Records that `Faults.loseMessages` discarded. If acknowledged, they also count in
   * `ackedButMissing`.
   */
  readonly lostRecords: number
  /** Records that are acknowledged and not in the table. A value above 0 is a loss. */
  readonly ackedButMissing: number
  /** False when the records exceeded the limit of the audit, or when recording is off. */
  readonly complete: boolean
}

/** Records one connection. */
export interface ConnectionRecorder {
  readonly number: number
  readonly created: (kind: string, descriptor: Uint8Array | undefined) => void
  /**
   * The connection resumed the persistent stream with this id; its next message has this wire
   * offset.
   */
  readonly resumed: (streamId: string, firstOffset: number) => void
  /**
   * A message with this many records and bytes was received. Returns whether its bytes are kept.
   */
  readonly received: (records: ReadonlyArray<Uint8Array>, count: number, bytes: number) => boolean
  readonly durable: (messages: number, records: number) => void
  /**
   * An acknowledgement up to this wire offset was sent. Returns the number of records that it is
   * the first to cover.
   */
  readonly acked: (upTo: number) => number
  /** The same for a false acknowledgement of a fault. */
  readonly falseAck: (upTo: number) => void
  /** The last received message is discarded. */
  readonly lost: () => void
  readonly ended: (how: string) => void
}

/** Records the streams of one table. */
export interface StreamAudit {
  readonly connect: (streamId: string, peer?: string) => ConnectionRecorder
  /** Evaluates the audit. `storedRows` is the number of rows in the table. */
  readonly read: (storedRows: number) => Audit
}

/** The most connections of a table that are kept individually; older ones are kept as sums. */
export const maxConnections = 1000

/** Creates an empty audit that keeps at most `maxBytes` of records; 0 keeps none. */
export const makeStreamAudit = (maxBytes: number): StreamAudit => {
  const all: Array<Entry> = []
  /** Sums and copies of the connections that are not kept individually. */
  const past = noSums()
  let pastCopies = noCopies()
  let connections = 0
  let keptBytes = 0
  let complete = maxBytes > 0

  /** Keeps the records of a message if they fit the limit; returns whether it did. */
  const keep = (
    entry: Entry,
    records: ReadonlyArray<Uint8Array>,
    count: number,
    bytes: number
  ): boolean => {
    if (!complete) return false
    keptBytes += bytes + 64 * count
    complete = keptBytes <= maxBytes
    if (complete) entry.shown.received.push(records)
    else {
      pastCopies = noCopies()
      for (const { shown } of all) shown.received = []
    }
    return complete
  }

  const connect = (streamId: string, peer?: string): ConnectionRecorder => {
    const entry = newEntry(++connections, streamId, peer)
    all.push(entry)
    if (all.length > maxConnections) forgetOldest()
    return recorderOf(entry, (records, count, bytes) => keep(entry, records, count, bytes))
  }

  /** Reduces the oldest ended connection to its sums. */
  const forgetOldest = () => {
    const index = all.findIndex(({ shown }) => shown.ended !== "open")
    const [entry] = index < 0 ? [] : all.splice(index, 1)
    if (entry === undefined) return
    addDurable(entry.shown, pastCopies)
    entry.shown.received = []
    addTo(past, entry)
  }

  const read = (storedRows: number): Audit => {
    const sums = { ...past }
    for (const entry of all) addTo(sums, entry)
    const { falselyAcked, ...shownSums } = sums
    const copies = { ...pastCopies, left: new Map(pastCopies.left) }
    for (const { shown } of complete ? all : []) addDurable(shown, copies)
    return {
      connections,
      perConnection: all.map(({ shown }) => snapshot(shown)),
      ...shownSums,
      distinctRecords: copies.left.size,
      duplicates: complete ? sums.durableRecords - copies.left.size : 0,
      unexplainedDuplicates: copies.unexplained,
      ackedButMissing: Math.max(falselyAcked, sums.ackedRecords - storedRows, 0),
      complete
    }
  }

  return { connect, read }
}

/** The records that are durable so far, and for each the number of explained further copies. */
interface Copies {
  /** Per record, by its bytes: copies on lost connections that were not sent again yet. */
  readonly left: Map<string, number>
  unexplained: number
}

const noCopies = (): Copies => ({ left: new Map(), unexplained: 0 })

/** Counts the durable records of a connection. Lost connections explain further copies. */
const addDurable = (shown: ConnectionAudit, copies: Copies): void => {
  const lost = new Set(shown.lostMessages)
  let durable = 0
  const keysOf = recordKeys(shown.created)
  const here: Array<string> = []
  for (const [offset, message] of shown.received.entries()) {
    if (lost.has(offset)) continue
    if (durable++ >= shown.durableMessages) break
    for (const record of message) here.push(...keysOf(record))
  }
  for (const key of here) {
    const left = copies.left.get(key)
    if (left === undefined) copies.left.set(key, 0)
    else if (left > 0) copies.left.set(key, left - 1)
    else copies.unexplained++
  }
  if (shown.ended === "OK") return
  for (const key of here) copies.left.set(key, copies.left.get(key)! + 1)
}

/**
 * The keys that identify the records of a connection: their bytes, or the text of each row for
 * Arrow.
 */
const recordKeys = (
  created: ConnectionAudit["created"]
): ((record: Uint8Array) => ReadonlyArray<string>) => {
  if (created?.kind === "Arrow") return recordTexts({ _tag: "Arrow", schema: created.descriptor! })
  return (record) => [
    Buffer.from(record.buffer, record.byteOffset, record.length).toString("latin1")
  ]
}
