/**
 * A program in a process of its own, to be killed, that ingests numbered records: with a spool, or
 * with a persistent stream whose source goes on where it is resumed.
 *
 * It loads and prints `ready`, and begins with the line of JSON that it is given on standard input.
 * It prints `taken N` for each record that `ingestRecord` took, and `stream ID` for a source. With
 * a last number it flushes then, and prints `done`. With an aim it kills itself in an operation:
 * before it begins, while it runs in a thread of the pool, or when it has ended.
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

/** What a client is told. */
export interface ClientOrder {
  /**
   * A stream with a spool, a persistent stream with one, or one without whose source goes on where
   * it is resumed.
   */
  readonly mode: "ephemeral" | "persistent" | "source"
  readonly spool: string
  /** The first number; a source begins where its stream, of this id, is resumed. */
  readonly first: number
  readonly streamId?: string | undefined
  /** The number behind the last one; without it the client goes on until it is killed. */
  readonly end?: number | undefined
  readonly aim?: Aim | undefined
}

/** Where a client kills itself: in the operation of this number. */
export interface Aim {
  readonly operation: "write" | "sync" | "delete" | "connect"
  readonly number: number
  readonly moment: "before" | "during" | "after"
}

/** Files of 32 KiB, so that some are deleted in a short life. */
const maxBytes = 256 * 1024

/** Turns of the event loop after which a connection that was begun is under way. */
const connecting = 12

const die = (): never => {
  process.kill(process.pid, "SIGKILL")
  throw new Error("killed")
}

/** Counts operations, and kills the process in the one that is aimed at. */
const aimed = (aim: Aim | undefined) => {
  let left = aim?.number ?? Infinity
  return async <A>(operation: Aim["operation"], run: () => Promise<A>): Promise<A> => {
    if (aim?.operation !== operation || --left > 0) return run()
    if (aim.moment === "before") die()
    const running = run()
    if (aim.moment === "after") await running
    if (operation !== "connect") return die()
    // What is aimed at follows: the connection and its first requests.
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
      // The connection of the request that follows is what is under way.
      beforeOpen: Effect.promise(() => at("connect", () => Promise.resolve())),
      // A server that was killed needs its time to start; a client that gave up would not be
      // killed.
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
// Its parent is gone.
input.once("close", () => process.exit(1))
print("ready\n")
