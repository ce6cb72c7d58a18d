/**
 * Compares the public stream with a small model: random sequences of calls, whose results must
 * match those of the model. A failing sequence is shortened as long as it still fails.
 */
import { Effect, Scope } from "effect"
import { Zerobus } from "effect-zerobus"
import { type Life, offer, recorded, stage, type World } from "./calls.ts"
import type { Outcome, StreamSettings } from "./history.ts"
import { outcomeOf } from "./outcomes.ts"
import type { Plan, StreamPlan } from "./plan.ts"
import { makeRandom, type SeededRandom } from "./seededRandom.ts"
import { simulate } from "./simulation.ts"

/** One step of a sequence. */
export type Command =
  | {
      readonly _tag:
        | "Ingest"
        | "Offer"
        | "Flush"
        | "AwaitLast"
        | "Close"
        | "Unacked"
        | "Recreate"
        | "Cut"
        | "Refuse"
        | "LoseServer"
    }
  | { readonly _tag: "Batch"; readonly size: number }
  | { readonly _tag: "WaitFor"; readonly offset: number }
  | { readonly _tag: "Pause"; readonly millis: number }

const kinds: ReadonlyArray<Command["_tag"]> = [
  "Ingest",
  "Ingest",
  "Ingest",
  "Offer",
  "Batch",
  "Batch",
  "Flush",
  "AwaitLast",
  "WaitFor",
  "Pause",
  "Close",
  "Unacked",
  "Recreate",
  "Recreate",
  "Cut",
  "Refuse",
  "LoseServer"
]

/** The commands of a seed. */
export const makeCommands = (random: SeededRandom): ReadonlyArray<Command> =>
  Array.from({ length: random.between(1, 25) }, (): Command => {
    const _tag = random.pick(kinds)
    switch (_tag) {
      case "Batch":
        return { _tag, size: random.int(5) }
      case "WaitFor":
        return { _tag, offset: random.int(12) }
      case "Pause":
        return { _tag, millis: random.int(50) }
      default:
        return { _tag }
    }
  })

const settings: StreamSettings = {
  maxInflightRecords: 1_000,
  maxInflightBytes: 134_217_728,
  recovery: true,
  recoveryTimeout: 5_000,
  recoveryBackoff: 10,
  recoveryRetries: 4,
  serverLackOfAckTimeout: 20_000,
  flushTimeout: 3_000,
  drainTimeout: 50,
  scopeCloseTimeout: 1_000
}

const streamPlan: StreamPlan = {
  format: "json",
  startAt: 0,
  settings,
  options: settings,
  workers: 1,
  operations: 0,
  pace: 0,
  interrupts: 0,
  leave: "close",
  recreates: 0,
  invalidates: true
}

const plan: Plan = {
  generation: 1,
  profile: "lossy",
  schedule: { shuffle: 0.2, yields: 0.05 },
  horizon: 1e9,
  latency: [0, 3],
  window: 4,
  sentLag: 0,
  fsync: [0, 5],
  ackInterval: 5,
  streamLife: Infinity,
  closeGrace: 0,
  readDelay: 0,
  maxUndurableBytes: 1_000_000,
  tokenLife: Infinity,
  tokenFailures: 0,
  poison: false,
  faults: [],
  streams: [streamPlan]
}

/**
 * The model's state of a stream: its state, its calls, and how many of them are durable once it has
 * ended.
 */
interface Model {
  state: "active" | "closed" | "refused"
  readonly calls: Array<ReadonlyArray<number>>
  durable: number
  recreated: boolean
}

const shown = (outcome: Outcome): string => {
  switch (outcome._tag) {
    case "Error":
      return outcome.error
    case "Offset":
      return `offset ${outcome.offset}`
    case "Records":
      return JSON.stringify(outcome.groups)
    default:
      return outcome._tag
  }
}

/**
 * Runs the commands. Returns the differences from the model, and the violations found by the
 * history checker.
 */
export const runCommands = (
  seed: string,
  commands: ReadonlyArray<Command>
): ReadonlyArray<string> => traceCommands(seed, commands).differences

const traceCommands = (seed: string, commands: ReadonlyArray<Command>) => {
  const said: Array<string> = []
  const { hash, history, violations } = simulate(seed, plan, (world) =>
    Effect.orDie(execute(world, commands, said))
  )
  return { commands, differences: [...said, ...violations], events: history.events, hash }
}

/** The complete trace of the sequence of an index, not shortened. */
export const traceModel = (index: number) =>
  traceCommands(`model/${index}`, makeCommands(makeRandom(`model/${index}`)))

const execute = (world: World, commands: ReadonlyArray<Command>, differences: Array<string>) =>
  Effect.gen(function* () {
    const zerobus = yield* Zerobus
    const random = makeRandom("records")
    const current = { id: world.streams++ }
    const { options, table } = stage(world, streamPlan, current, random)
    const scope = yield* Scope.make()
    const born = (stream: Life["stream"]): Life => ({
      id: current.id,
      plan: streamPlan,
      stream,
      acks: [],
      readers: [],
      random
    })
    let life = born(
      yield* recorded(
        world,
        { stream: current.id, op: "createStream", settings },
        zerobus.createStream(table, options).pipe(Scope.provide(scope))
      )
    )
    let model: Model = { state: "active", calls: [], durable: 0, recreated: false }

    const say = <A, E>(
      op: string,
      effect: Effect.Effect<A, E>,
      describe: (value: A) => Outcome,
      fields: object = {}
    ) =>
      Effect.map(
        Effect.exit(recorded(world, { stream: life.id, op, ...fields }, effect, describe)),
        (exit) => shown(outcomeOf(exit, describe))
      )
    const done = (): Outcome => ({ _tag: "Done" })
    const expect = (command: Command, got: string, due: string) => {
      if (got !== due)
        differences.push(`${JSON.stringify(command)} returned ${got}, but the model returns ${due}`)
    }
    const keep = (ack: { readonly offset: number } | undefined): Outcome => {
      if (ack === undefined) return { _tag: "Nothing" }
      life.acks.push(ack as never)
      return { _tag: "Offset", offset: ack.offset }
    }
    const ending = (): string => (model.state === "refused" ? "InvalidArgument" : "StreamClosed")
    const newRecord = () => world.records.next(random, "json")
    const took = (records: ReadonlyArray<number>): string => {
      if (model.state !== "active") return "StreamClosed"
      model.calls.push(records)
      return `offset ${model.calls.length - 1}`
    }
    const ingest = Effect.fnUntraced(function* (command: Command) {
      const id = newRecord()
      const got = yield* say("ingest", life.stream.ingestRecord(world.records.text(id)), keep, {
        records: [id]
      })
      expect(command, got, took([id]))
    })
    const flush = Effect.fnUntraced(function* (command: Command) {
      expect(
        command,
        yield* say("flush", life.stream.flush, done),
        model.state === "active" ? "Done" : ending()
      )
    })

    for (const command of commands) {
      switch (command._tag) {
        case "Ingest":
          yield* ingest(command)
          break
        case "Batch": {
          const ids = Array.from({ length: command.size }, newRecord)
          const got = yield* say(
            "ingestBatch",
            life.stream.ingestRecords(ids.map((id) => world.records.text(id))),
            keep,
            { records: ids }
          )
          expect(command, got, ids.length > 0 || model.state !== "active" ? took(ids) : "Nothing")
          break
        }
        case "Offer": {
          const before = life.acks.length
          const taken = offer(world, life, random)
          const last = life.acks[life.acks.length - 1]
          const record = world.history.events.findLast((event) => event.e === "call")
          const ids = record?.e === "call" ? (record.records ?? []) : []
          expect(
            command,
            taken ? `offset ${last?.offset}` : "Nothing",
            model.state === "active" ? took(ids) : "Nothing"
          )
          if (!taken && life.acks.length !== before)
            differences.push("a refused offer left a receipt")
          break
        }
        case "Flush":
          yield* flush(command)
          break
        case "AwaitLast": {
          const ack = life.acks[life.acks.length - 1]
          if (ack === undefined) break
          const got = yield* say("await", ack.await, (offset) => ({ _tag: "Offset", offset }), {
            offset: ack.offset
          })
          expect(
            command,
            got,
            model.state === "active" || ack.offset < model.durable
              ? `offset ${ack.offset}`
              : ending()
          )
          break
        }
        case "WaitFor": {
          const { offset } = command
          const got = yield* say(
            "waitForOffset",
            life.stream.waitForOffset(offset as never),
            (value) => ({ _tag: "Offset", offset: value }),
            { offset }
          )
          const known = offset < model.calls.length
          const due =
            model.state === "active" || offset < model.durable ? `offset ${offset}` : ending()
          expect(command, got, known ? due : "InvalidArgument")
          break
        }
        case "Pause":
          yield* Effect.sleep(command.millis)
          break
        case "Close":
          expect(
            command,
            yield* say("close", life.stream.close, done),
            model.state === "refused" ? "InvalidArgument" : closeAnswer(model)
          )
          if (model.state === "active") {
            model.state = "closed"
            model.durable = model.calls.length
          }
          break
        case "Unacked": {
          const describe = (groups: ReadonlyArray<ReadonlyArray<any>>): Outcome => ({
            _tag: "Records",
            groups: groups.map((group) => group.map((record) => world.records.recognise(record)))
          })
          const got = yield* say("unacked", life.stream.getUnackedBatches, describe)
          expect(
            command,
            got,
            model.state === "active"
              ? "InvalidState"
              : JSON.stringify(model.calls.slice(model.durable))
          )
          break
        }
        case "Recreate": {
          const allowed = model.state !== "active" && !model.recreated
          if (!allowed) {
            const got = yield* say(
              "recreateAgain",
              Effect.scoped(zerobus.recreateStream(life.stream)),
              done
            )
            expect(command, got, "InvalidState")
            break
          }
          // The scope of the old stream is still open and must have nothing to report later.
          yield* say("unacked", life.stream.getUnackedBatches, (groups): Outcome => ({
            _tag: "Records",
            groups: groups.map((group) => group.map((record) => world.records.recognise(record)))
          }))
          const from = life.id
          model.recreated = true
          current.id = world.streams++
          life = born(
            yield* recorded(
              world,
              { stream: current.id, op: "recreateStream", settings, from },
              zerobus.recreateStream(life.stream).pipe(Scope.provide(scope))
            )
          )
          model = {
            state: "active",
            calls: model.calls.slice(model.durable),
            durable: 0,
            recreated: false
          }
          break
        }
        case "Cut":
          world.strike({ at: 0, kind: "cut", sees: "both", otherAfter: 0 })
          break
        case "Refuse": {
          // Everything before it becomes durable first, so that the model knows which records are
          // left.
          yield* flush(command)
          if (model.state !== "active") break
          world.strike({
            at: 0,
            kind: "script",
            // FAILED_PRECONDITION is final. INVALID_ARGUMENT would start the search for a refused
            // record.
            fault: { at: "message", action: { _tag: "Status", code: 9, message: "refused" } }
          })
          yield* ingest(command)
          model.state = "refused"
          model.durable = model.calls.length - 1
          expect(command, yield* say("flush", life.stream.flush, done), "InvalidArgument")
          break
        }
        case "LoseServer": {
          // Nothing more arrives, so closing reaches its limit and the records are left. A
          // connection exists by then.
          yield* ingest(command)
          yield* flush(command)
          if (model.state !== "active") break
          model.durable = model.calls.length
          world.strike({ at: 0, kind: "blackHole", up: true, down: true, foundAfter: 600_000 })
          yield* ingest(command)
          expect(command, yield* say("close", life.stream.close, done), "FlushTimeout")
          model.state = "closed"
          timedOut.add(model)
          break
        }
      }
    }
    if (model.state === "active")
      yield* Effect.exit(recorded(world, { stream: life.id, op: "close" }, life.stream.close))
    yield* say("unacked", life.stream.getUnackedBatches, (groups): Outcome => ({
      _tag: "Records",
      groups: groups.map((group) => group.map((record) => world.records.recognise(record)))
    }))
    yield* Scope.close(scope, { _tag: "Success", value: undefined } as never)
  })

const timedOut = new WeakSet<Model>()

/** A second close repeats the result of the first. */
const closeAnswer = (model: Model): string => (timedOut.has(model) ? "FlushTimeout" : "Done")

/** The shortest sequence that still fails, found by removing one command after another. */
export const shorten = (
  commands: ReadonlyArray<Command>,
  fails: (commands: ReadonlyArray<Command>) => boolean
): ReadonlyArray<Command> => {
  let shortest = commands
  for (let index = 0; index < shortest.length;) {
    const shorter = shortest.filter((_, i) => i !== index)
    if (fails(shorter)) shortest = shorter
    else index++
  }
  return shortest
}

/** The first sequence of a range that differs from the model. */
export interface Difference {
  readonly index: number
  /** Shortened as long as it still differs. */
  readonly commands: ReadonlyArray<Command>
  readonly differences: ReadonlyArray<string>
  /** The trace of the whole sequence. */
  readonly hash: string
}

/** Compares `count` random sequences with the model; undefined if none differs. */
export const firstDifference = (from: number, count: number): Difference | undefined => {
  for (let index = from; index < from + count; index++) {
    const seed = `model/${index}`
    const { commands, differences, hash } = traceModel(index)
    if (differences.length === 0) continue
    const shortest = shorten(commands, (shorter) => runCommands(seed, shorter).length > 0)
    return { index, commands: shortest, differences: runCommands(seed, shortest), hash }
  }
  return undefined
}
