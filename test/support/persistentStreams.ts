/** Shared by the tests of persistent streams: a server, and streams to its table. */
import { Effect, type Scope } from "effect"
import {
  type PersistentStream,
  type StreamConfigurationOptions,
  type StreamFailure,
  TableProperties,
  Zerobus
} from "effect-zerobus"
import { type Faults, ZerobusLocal } from "effect-zerobus/testing"

/** The table of all these tests. */
export const table = TableProperties.json("main.default.sources")
/** A record of the table. */
export const record = (n: number) => ({ n })
/** `count` consecutive numbers. */
export const upTo = (count: number, from = 0) =>
  Array.from({ length: count }, (_, index) => from + index)
/** The numbers in the table. */
export const rows = ZerobusLocal.use((local) => local.records(table)).pipe(
  Effect.map((all) => all.map(({ n }) => n))
)
/** The audit of the table. */
export const audit = ZerobusLocal.use((local) => local.audit(table))
/** Adds faults. */
export const inject = (...faults: ReadonlyArray<Faults.Fault>) =>
  ZerobusLocal.use((local) => local.inject(table, ...faults))

/** Options that do not make a test wait. */
export const quick = { recoveryBackoff: 5, scopeCloseTimeout: 0, drainTimeout: 0 }
/** Options of a stream. */
export type Options = StreamConfigurationOptions<any>
/** Creates a stream. */
export const create = (options: Options = {}) =>
  Zerobus.use((zerobus) => zerobus.createPersistentStream(table, { ...quick, ...options }))
/** Resumes one. */
export const resume = (id: string, options: Options = {}) =>
  Zerobus.use((zerobus) => zerobus.resumePersistentStream(table, id, { ...quick, ...options }))
/** Ingests a record for each number. */
export const ingest = (stream: PersistentStream<any>, numbers: ReadonlyArray<number>) =>
  Effect.forEach(numbers, (n) => stream.ingestRecord(record(n)), { discard: true })

/** Runs a program against a new server with the table. */
export const onServer = <A, E>(
  program: Effect.Effect<A, E, Scope.Scope | Zerobus | ZerobusLocal>
) =>
  ZerobusLocal.use((local) => local.createTable("main.default.sources(n INT)")).pipe(
    Effect.andThen(program),
    Effect.scoped,
    Effect.provide(ZerobusLocal.layerMemory)
  )

/** Creates a stream, ingests these records, and closes it. */
export const created = (numbers: ReadonlyArray<number>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const stream = yield* create()
      yield* ingest(stream, numbers)
      yield* stream.close
      return stream.streamId
    })
  )

/** The tag of a failure. */
export const tagOf = <A, R>(effect: Effect.Effect<A, StreamFailure, R>) =>
  Effect.map(Effect.flip(effect), (error) => error._tag)
