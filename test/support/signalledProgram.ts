/**
 * A program with `NodeRuntime.runMain` and a record that its server never acknowledges. It prints
 * its progress, one line each: `ready`, `waiting` when its scope waits for the record, and the
 * argument of `onUnacked`.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { Zerobus } from "../../src/Zerobus.ts"
import * as TableProperties from "../../src/TableProperties.ts"
import { ingestServer, memoryClient } from "./memoryClient.ts"

const say = (line: string): void => void process.stdout.write(`${line}\n`)

const logger = Logger.make(({ message }) => {
  if (String(message).includes("waits until the records")) say("waiting")
})

const program = Effect.gen(function* () {
  const zerobus = yield* Zerobus
  const stream = yield* zerobus.createStream(TableProperties.json("main.default.readings"), {
    scopeCloseTimeout: "1 hour",
    serverLackOfAckTimeout: "1 hour",
    onUnacked: ({ records }) => Effect.sync(() => say(`unacked ${records.length}`))
  })
  yield* stream.ingestRecord({ n: 1 })
  yield* Effect.sync(() => say("ready"))
  yield* Effect.never
})

program.pipe(
  Effect.scoped,
  Effect.provide(memoryClient(ingestServer(() => {}))),
  Effect.provide(Logger.layer([logger])),
  NodeRuntime.runMain
)
// The client's timers do not keep a process alive; real programs have something that does.
setInterval(() => {}, 1000)
