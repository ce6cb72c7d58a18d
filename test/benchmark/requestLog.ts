/**
 * `npm run bench:log -- [messages] [rounds]`: the cost of the local server's request log for each
 * message of one record. Client and servers share this process. A round sends in turn to a server
 * without the log, to one with it, and to one at the level debug. Prints the processor time per
 * message in the median round, and the median ratio to the same round without the log, which is
 * reliable on a machine with other work.
 */
import { Context, Effect, Layer, Logger, References } from "effect"
import { TableProperties, Zerobus } from "effect-zerobus"
import { ZerobusLocal } from "effect-zerobus/testing"
import { logLine } from "../../src/cli/terminal/logLine.ts"

const messages = Number(process.argv[2] ?? 5000)
const rounds = Number(process.argv[3] ?? 31)
const table = "main.default.t"

/** Formatted lines, as the command writes them; writing them costs the same with any log. */
let lines = 0
const counting = Logger.layer([Logger.map(logLine, () => void lines++)])

const cases = [
  { name: "without the log", requestLog: false, level: "Info" },
  { name: "with the log", requestLog: true, level: "Info" },
  { name: "at the level debug", requestLog: true, level: "Debug" }
] as const

const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!

const program = Effect.gen(function* () {
  const streams = yield* Effect.forEach(cases, ({ level, requestLog }) =>
    Effect.gen(function* () {
      const services = yield* Layer.build(
        Layer.fresh(ZerobusLocal.layerMemoryWith({ requestLog, auditBytes: 0 }))
      )
      yield* Context.get(services, ZerobusLocal).createTable(`${table}(id BIGINT, note STRING)`)
      return yield* Context.get(services, Zerobus).createStream(TableProperties.json(table), {
        batching: "off"
      })
    }).pipe(Effect.provideService(References.MinimumLogLevel, level))
  )
  const send = (index: number, count: number) =>
    Effect.gen(function* () {
      const stream = streams[index]!
      const before = process.cpuUsage()
      for (let id = 0; id < count; id++) yield* stream.ingestRecord({ id, note: "a short note" })
      yield* stream.flush
      const { system, user } = process.cpuUsage(before)
      return (system + user) / count
    })
  for (const index of cases.keys()) yield* send(index, messages)
  const micros = cases.map((): Array<number> => [])
  const logged = cases.map(() => 0)
  for (let round = 0; round < rounds; round++) {
    // Each one begins a third of the rounds.
    for (let turn = 0; turn < cases.length; turn++) {
      const index = (round + turn) % cases.length
      const before = lines
      micros[index]!.push(yield* send(index, messages))
      logged[index]! += lines - before
    }
  }
  console.log(`${rounds} rounds of ${messages} messages of one record each`)
  for (const [index, { name }] of cases.entries()) {
    const ratio = median(micros[index]!.map((value, round) => value / micros[0]![round]!))
    const perMessage = (logged[index]! / (rounds * messages)).toFixed(2)
    console.log(
      `${name}: ${median(micros[index]!).toFixed(1)} µs of processor time a message, ` +
        `${ratio.toFixed(2)} times that without, ${perMessage} lines a message`
    )
  }
})

await Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(counting)))
