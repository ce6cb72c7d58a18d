/**
 * The audit of the streams of one table: what was received, durable and acknowledged on each
 * connection, in order, with the exact bytes while they fit a bound. Terms as in `serverStream.ts`.
 *
 * It only records: `read` takes the number of rows that the store has in the table.
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
  readonly streamId: string
  /** The wire offset of its first message: 0, or where a persistent stream was resumed. */
  readonly firstOffset: number
  /**
   * The client's address and port, where there is one: streams over one connection have the same.
   */
  readonly peer: string | undefined
  /** The accepted create request. */
  readonly created:
    | { readonly kind: string; readonly descriptor: Uint8Array | undefined }
    | undefined
  /**
   * The received messages; their index and `firstOffset` make the wire offset. Each has its
   * records, or with Arrow one whole message. Empty when recording is off.
   */
  readonly received: ReadonlyArray<ReadonlyArray<Uint8Array>>
  readonly receivedMessages: number
  readonly receivedRecords: number
  /** Messages that are durable: the first ones of `received`, except `lostMessages`. */
  readonly durableMessages: number
  readonly durableRecords: number
  /** Acknowledged messages; more than the durable ones only after a false acknowledgement. */
  readonly ackedMessages: number
  /** Indexes of received messages that `Faults.loseMessages` threw away. */
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
  readonly connections: number
  /** The latest ones; of more than 1,000 the oldest are left out. */
  readonly perConnection: ReadonlyArray<ConnectionAudit>
  readonly receivedRecords: number
  readonly durableRecords: number
  readonly ackedRecords: number
  /** Different records among the durable ones, by their bytes. */
  readonly distinctRecords: number
  /** Durable records that equal an earlier one: sent again after a loss, or ingested twice. */
  readonly duplicates: number
  /**
   * Duplicates that no lost connection explains: the earlier copy came on the same connection, or
   * on one that ended with OK. Anything but 0 means that the client sent a record again without
   * need, or that the test ingested equal records.
   */
  readonly unexplainedDuplicates: number
  /** Records that `Faults.loseMessages` threw away; if acknowledged also in `ackedButMissing`. */
  readonly lostRecords: number
  /** Records that are acknowledged and not in the table. Anything but 0 is a loss. */
  readonly ackedButMissing: number
  /** False when the records exceeded the bound of the audit, or when recording is off. */
  readonly complete: boolean
}

/** Collects one connection. */
export interface ConnectionRecorder {
  readonly number: number
  readonly created: (kind: string, descriptor: Uint8Array | undefined) => void
  /** It resumed the persistent stream of this id, whose next message has this wire offset. */
  readonly resumed: (streamId: string, firstOffset: number) => void
  /** A message of so many records and bytes was received; answers whether its bytes are kept. */
  readonly received: (records: ReadonlyArray<Uint8Array>, count: number, bytes: number) => boolean
  readonly durable: (messages: number, records: number) => void
  /**
   * An acknowledgement up to this wire offset was sent; returns how many records it is the first
   * of.
   */
  readonly acked: (upTo: number) => number
  /** The same for one that a fault invented. */
  readonly falseAck: (upTo: number) => void
  /** The message that was received last is thrown away. */
  readonly lost: () => void
  readonly ended: (how: string) => void
}

/** Collects the streams of one table. */
export interface StreamAudit {
  readonly connect: (streamId: string, peer?: string) => ConnectionRecorder
  /** Evaluates what was collected; `storedRows` is the number of rows in the table. */
  readonly read: (storedRows: number) => Audit
}

/** Most connections of a table that are kept one by one; older ones are kept as sums. */
export const maxConnections = 1000

/** Makes an empty audit that keeps at most `maxBytes` of records; 0 keeps none. */
export const makeStreamAudit = (maxBytes: number): StreamAudit => {
  const all: Array<Entry> = []
  /** Sums and copies of the connections that are not kept one by one. */
  const past = noSums()
  let pastCopies = noCopies()
  let connections = 0
  let keptBytes = 0
  let complete = maxBytes > 0

  /** Keeps the records of a message while they fit; answers whether it does. */
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

  /** Keeps only the sums of the oldest connection that has ended. */
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

/** The records that are durable so far, and the further copies of each that are explained. */
interface Copies {
  /** Per record, by its bytes: copies on lost connections that were not sent again. */
  readonly left: Map<string, number>
  unexplained: number
}

const noCopies = (): Copies => ({ left: new Map(), unexplained: 0 })

/** Counts the durable records of a connection. Further copies are explained by lost connections. */
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
 * What tells the records of a connection apart: their bytes, or with Arrow the text of each row.
 */
const recordKeys = (
  created: ConnectionAudit["created"]
): ((record: Uint8Array) => ReadonlyArray<string>) => {
  if (created?.kind === "Arrow") return recordTexts({ _tag: "Arrow", schema: created.descriptor! })
  return (record) => [
    Buffer.from(record.buffer, record.byteOffset, record.length).toString("latin1")
  ]
}
