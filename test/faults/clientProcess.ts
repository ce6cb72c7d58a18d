/**
 * A program in a separate process, to be killed, that ingests numbered records: with a spool, or
 * with a persistent stream whose source continues where the stream is resumed.
 *
 * It loads, prints `ready`, and starts when it receives a line of JSON on standard input. It prints
 * `taken N` for each record that `ingestRecord` accepted, and `stream ID` for a source. If the
 * order has an end, it then flushes and prints `done`. If the order has an aim, the program kills
 * itself in an operation: before the operation begins, while it runs in a thread of the pool, or
 * when it has ended.
 */
import { Effect, References, Stream } from "effect"
import {
  type StreamConfigurationOptions,
  TableProperties,
  Zerobus,
  ZerobusLayer
} from "effect-zerobus"
import { createInterface } from "node:readline"
import { type LogDisk, type LogFile, nodeDisk } from "../../src/internal/log/logDisk.ts"
import { openSpool } from "../../src/internal/spool/openSpool.ts"
import { print } from "../support/printed.ts"

/** What a client is ordered to do. */
export interface ClientOrder {
  /**
   * A stream with a spool, a persistent stream with a spool, or a persistent stream without one
   * whose source continues where the stream is resumed.
   */
  readonly mode: "ephemeral" | "persistent" | "source"
  readonly spool: string
  /** The first number. A source begins where the stream with this id is resumed. */
  readonly first: number
  readonly streamId?: string | undefined
  /** The number after the last one. Without it the client runs until it is killed. */
  readonly end?: number | undefined
  readonly aim?: Aim | undefined
}

/** Where a client kills itself: in the operation with this number. */
export interface Aim {
  readonly operation: "write" | "sync" | "delete" | "connect"
  readonly number: number
  readonly moment: "before" | "during" | "after"
}

/** Results in files of 32 KiB, so that a short run deletes some. */
const maxBytes = 256 * 1024

/** Turns of the event loop after which a new connection is being established. */
const connecting = 12

const die = (): never => {
  process.kill(process.pid, "SIGKILL")
  throw new Error("killed")
}

/** Counts operations, and kills the process in the chosen one. */
const aimed = (aim: Aim | undefined) => {
  let left = aim?.number ?? Infinity
  return async <A>(operation: Aim["operation"], run: () => Promise<A>): Promise<A> => {
    if (aim?.operation !== operation || --left > 0) return run()
    if (aim.moment === "before") die()
    const running = run()
    if (aim.moment === "after") await running
    if (operation !== "connect") return die()
    // The connection and its first requests happen after the operation.
    let turns = aim.moment === "during" ? 1 : connecting
    const turn = (): unknown => (turns-- > 0 ? setImmediate(turn) : die())
    turn()
    return running
  }
}

const aimedDisk = (at: ReturnType<typeof aimed>): LogDisk => {
  const around = (file: LogFile): LogFile => ({
    ...file,
    write: (parts, position) => at("write", () => file.write(parts, position)),
    datasync: () => at("sync", () => file.datasync())
  })
  return {
    ...nodeDisk,
    create: async (path) => around(await nodeDisk.create(path)),
    open: async (path, readOnly) =>
      readOnly ? nodeDisk.open(path, true) : around(await nodeDisk.open(path, false)),
    remove: (path) => at("delete", () => nodeDisk.remove(path))
  }
}

const table = TableProperties.json("main.default.kills")

/** The stream, and the number of its first record. */
const open = ({ aim, first, mode, spool: folder, streamId }: ClientOrder) =>
  Effect.gen(function* () {
    const zerobus = yield* Zerobus
    const at = aimed(aim)
    const options: StreamConfigurationOptions = {
      // The operation in progress is the connection of the next request.
      beforeOpen: Effect.promise(() => at("connect", () => Promise.resolve())),
      // Allows a killed server time to start. A client that gave up could not be killed.
      recoveryBackoff: 20,
      recoveryRetries: 1_000_000
    }
    const spooled: StreamConfigurationOptions = {
      ...options,
      spool: {
        path: folder,
        open: ({ now, ...identity }) =>
          openSpool({ folder, identity, maxBytes, sync: "group", disk: aimedDisk(at), now }),
        left: () => Promise.resolve(undefined)
      }
    }
    if (mode === "ephemeral")
      return { stream: yield* zerobus.createStream(table, spooled), from: first }
    if (mode === "persistent")
      return { stream: yield* zerobus.createPersistentStream(table, spooled), from: first }
    const stream = yield* streamId === undefined
      ? zerobus.createPersistentStream(table, options)
      : zerobus.resumePersistentStream(table, streamId, options)
    print(`stream ${stream.streamId}\n`)
    return { stream, from: stream.resumedAt }
  })

const run = (order: ClientOrder) =>
  Effect.gen(function* () {
    const { from, stream } = yield* open(order)
    yield* Effect.forkScoped(
      Stream.runForEach(stream.durableOffsets, (offset) =>
        Effect.sync(() => print(`durable ${offset}\n`))
      )
    )
    const { end = Infinity } = order
    for (let n: number = from; n < end; n++) {
      yield* stream.ingestRecord({ n, pad: "x".repeat(60) })
      print(`taken ${n}\n`)
    }
    yield* stream.flush
    print("done\n")
  }).pipe(
    Effect.scoped,
    Effect.provide(ZerobusLayer),
    Effect.provideService(References.MinimumLogLevel, "None")
  )

const input = createInterface({ input: process.stdin })
input.once(
  "line",
  (line) => void Effect.runPromise(run(JSON.parse(line) as ClientOrder)).then(() => process.exit(0))
)
// The parent process has ended.
input.once("close", () => process.exit(1))
print("ready\n")
