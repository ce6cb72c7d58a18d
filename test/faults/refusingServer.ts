/**
 * A gRPC server over TCP that refuses messages with a bad record, and records which records became
 * durable, in which order and how often. The number of a record is its first four bytes; the fifth
 * byte is 1 in a bad record. The refusal names no record.
 */
import * as Grpc from "@grpc/grpc-js"
import { ackResponse, createdResponse, readRequest } from "../../src/local/stream/streamMessages.ts"
import { duplexMethod } from "../support/duplexMethod.ts"

/** How a table acknowledges and refuses. */
export interface Manner {
  /** Milliseconds from the arrival of a message to its acknowledgement; 0 acknowledges at once. */
  readonly ackAfter: number
  /**
   * `in order`: everything before the bad record is acknowledged first. `at once`: pending
   * acknowledgements are never sent, and their messages are durable, or lost.
   */
  readonly refuses: "in order" | "at once"
  readonly unacknowledged: "durable" | "lost"
}

/** What happened to a table. */
export interface RefusingTable {
  readonly manner: Manner
  sessions: number
  refusals: number
  /** The number of distinct durable records. */
  durable: number
  duplicates: number
  /** One above the highest record that is durable and acknowledged. */
  next: number
  acknowledged: number
  /** Numbers below `next` that were not durable when their turn came. */
  readonly skipped: Array<number>
  readonly violations: Array<string>
  /** Called at the first refusal, before any of it is sent. */
  onFirstRefusal: () => void
}

export interface RefusingServer {
  readonly port: number
  readonly table: (name: string, manner: Manner) => RefusingTable
  readonly close: () => void
}

type Call = Grpc.ServerDuplexStream<Buffer, Buffer>

const numberOf = (record: Uint8Array): number =>
  ((record[0]! << 24) | (record[1]! << 16) | (record[2]! << 8) | record[3]!) >>> 0

const isBad = (record: Uint8Array): boolean => record[4] === 1

/** A record of 20 bytes. The buffer is reused: read its content at once. */
export const recordOf = (() => {
  const bytes = Buffer.alloc(20, 0x61)
  return (number: number, bad: boolean): Uint8Array => {
    bytes.writeUInt32BE(number)
    bytes[4] = bad ? 1 : 0
    return bytes
  }
})()

/** The number of a record that a handler received. */
export const numberIn = (payload: Uint8Array): number => numberOf(payload)

const store = (table: RefusingTable, records: ReadonlyArray<Uint8Array>): void => {
  for (const record of records) {
    const number = numberOf(record)
    if (number < table.next) table.duplicates++
    else {
      for (let skipped = table.next; skipped < number; skipped++) table.skipped.push(skipped)
      table.next = number + 1
      table.durable++
    }
  }
}

/** Pending responses of one call, in order: acknowledgements, and possibly a refusal at the end. */
class Due {
  private readonly call: Call
  private readonly table: RefusingTable
  private readonly entries: Array<{ readonly at: number; readonly run: () => void }> = []
  private over = false
  /** A bad record was read; nothing after it is processed. */
  private stopped = false
  /** Acknowledgements being written. */
  private writing = 0

  constructor(call: Call, table: RefusingTable) {
    this.call = call
    this.table = table
  }

  take(offset: number, records: ReadonlyArray<Uint8Array>): void {
    if (this.over || this.stopped) return
    const { manner } = this.table
    if (records.some(isBad)) {
      this.stopped = true
      if (manner.refuses === "at once") this.refuse()
      else this.later(() => this.refuseWritten())
      return
    }
    const lasts = manner.refuses === "in order" || manner.unacknowledged === "durable"
    if (lasts) store(this.table, records)
    this.later(() => {
      if (!lasts) store(this.table, records)
      this.table.acknowledged = Math.max(
        this.table.acknowledged,
        numberOf(records[records.length - 1]!) + 1
      )
      this.writing++
      this.call.write(Buffer.from(ackResponse(offset)), () => this.writing--)
    })
  }

  end(): void {
    if (this.over) return
    this.over = true
    this.call.end()
  }

  cancel(): void {
    this.over = true
  }

  private later(run: () => void): void {
    const { ackAfter } = this.table.manner
    if (ackAfter === 0) return run()
    this.entries.push({ at: performance.now() + ackAfter, run })
    if (this.entries.length === 1) setTimeout(this.turn, ackAfter)
  }

  private readonly turn = (): void => {
    while (!this.over && this.entries.length > 0 && this.entries[0]!.at <= performance.now() + 0.5)
      this.entries.shift()!.run()
    if (!this.over && this.entries.length > 0)
      setTimeout(this.turn, Math.max(1, this.entries[0]!.at - performance.now()))
  }

  /**
   * Refuses some milliseconds after the last acknowledgement was sent: in grpc-js a failure
   * overtakes unread messages.
   */
  private refuseWritten(): void {
    if (this.writing === 0) setTimeout(() => this.refuse(), 20)
    else setImmediate(() => this.refuseWritten())
  }

  private refuse(): void {
    if (this.over) return
    this.over = true
    if (this.table.refusals++ === 0) this.table.onFirstRefusal()
    this.call.emit("error", {
      code: Grpc.status.INVALID_ARGUMENT,
      details: "A record does not fit the table."
    })
  }
}

/** Starts a server on a free port of 127.0.0.1. */
export const startRefusingServer = async (): Promise<RefusingServer> => {
  const tables = new Map<string, RefusingTable>()
  const server = new Grpc.Server({ "grpc.max_receive_message_length": -1 })
  const ephemeralStream = (call: Call): void => {
    let table: RefusingTable | undefined
    let due: Due | undefined
    let nextOffset = 0
    call.on("error", () => {})
    call.on("cancelled", () => due?.cancel())
    call.on("data", (bytes: Buffer) => {
      const request = readRequest(bytes)
      if (request._tag === "Create") {
        table = tables.get(request.tableName ?? "")!
        due = new Due(call, table)
        call.write(Buffer.from(createdResponse(`session-${++table.sessions}`)))
        return
      }
      if (request._tag !== "Ingest" || request.offset !== nextOffset) {
        table?.violations.push(`${request._tag} with wire offset ${nextOffset}`)
        return
      }
      nextOffset++
      due?.take(request.offset, request.records)
    })
    call.on("end", () => due?.end())
  }
  server.addService(
    {
      ephemeralStream: duplexMethod("/databricks.zerobus.Zerobus/EphemeralStream")
    },
    { ephemeralStream }
  )
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", Grpc.ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error)
    )
  )
  return {
    port,
    table: (name, manner) => {
      const table: RefusingTable = {
        manner,
        sessions: 0,
        refusals: 0,
        durable: 0,
        duplicates: 0,
        next: 0,
        acknowledged: 0,
        skipped: [],
        violations: [],
        onFirstRefusal: () => {}
      }
      tables.set(name, table)
      return table
    },
    close: () => server.forceShutdown()
  }
}
