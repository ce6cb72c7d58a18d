/**
 * `zerobus spool drain`: opens a stream on the spool, which sends the waiting records. It ends when
 * the server has acknowledged all of them, or when the server cannot be reached.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as AvroTable from "../../avro/AvroTable.ts"
import * as DeadLetters from "../../DeadLetters.ts"
import * as Spool from "../../Spool.ts"
import * as TableProperties from "../../TableProperties.ts"
import type { AckError } from "../../RecordAck.ts"
import { Zerobus, ZerobusLayer } from "../../Zerobus.ts"
import * as ZerobusMetrics from "../../ZerobusMetrics.ts"
import type { StreamFailure } from "../../ZerobusError.ts"
import type { ZerobusStream } from "../../ZerobusStream.ts"
import { unreachable } from "./unreachable.ts"
import { because, type CommandFailed, failed } from "../terminal/CommandFailed.ts"
import { missingSetting } from "../terminal/missingSetting.ts"
import { print, printJson } from "../terminal/print.ts"
import {
  count,
  counted,
  type Counts,
  noCounts,
  shareDone,
  showProgress
} from "../terminal/progress.ts"

/** Flags and arguments of `drain`. */
export interface DrainInput {
  readonly folder: string
  readonly deadLetters: Option.Option<string>
  readonly json: boolean
}

/** The cause of a closed stream, else the error itself. */
const reasonOf = (error: AckError): CommandFailed =>
  because(error._tag === "StreamClosed" ? (error.cause ?? error) : error)

/**
 * Succeeds once every record up to an offset is durable or refused. Fails when the server cannot be
 * reached.
 */
const settledUpTo = (
  stream: ZerobusStream<any>,
  offset: number
): Effect.Effect<void, CommandFailed> =>
  stream.durableOffsets.pipe(
    Stream.takeUntil((durable) => durable >= offset),
    Stream.runDrain,
    Effect.mapError(reasonOf),
    Effect.raceFirst(unreachable(stream))
  )

/** Numbers of durable and refused records of a table so far, from the client's metrics. */
const countedFor = (table: string) => {
  const labelled = { table }
  const durable = Metric.withAttributes(ZerobusMetrics.recordsDurable, labelled)
  const refused = Metric.withAttributes(ZerobusMetrics.recordsRefused, labelled)
  return Effect.map(Effect.all([Metric.value(durable), Metric.value(refused)]), (values) =>
    values.map((value) => Number(value.count))
  )
}

/** Opens the stream, sends the waiting records, closes the stream, and shows the progress. */
const send = Effect.fnUntraced(function* (
  { deadLetters, folder }: DrainInput,
  { descriptor, nextOffset, recordType, streamId, tableName, waitingRecords }: Spool.SpoolContent,
  counts: Counts
): Effect.fn.Return<void, CommandFailed, Scope.Scope> {
  const zerobus = yield* Layer.build(ZerobusLayer).pipe(
    Effect.map(Context.get(Zerobus)),
    Effect.mapError((error) =>
      error._tag === "ConfigError" ? missingSetting(error) : because(error)
    )
  )
  const options = {
    spool: Spool.directory(folder),
    scopeCloseTimeout: 0,
    ...(Option.isNone(deadLetters)
      ? {}
      : { onRefused: DeadLetters.file(deadLetters.value), maxRefusals: Number.MAX_SAFE_INTEGER })
  }
  /** A persistent stream's spool is opened as that stream. */
  const openOn = <A>(table: TableProperties.TableProperties<A>) =>
    streamId === undefined
      ? zerobus.createStream(table, options)
      : zerobus.createPersistentStream(table, options)
  const opened: Effect.Effect<ZerobusStream<any>, StreamFailure, Scope.Scope> = recordType ===
    "json" || descriptor === undefined
    ? openOn(TableProperties.json(tableName))
    : recordType === "avro"
      ? openOn(AvroTable.make(tableName, new TextDecoder().decode(descriptor)))
      : openOn(TableProperties.proto(tableName, descriptor))
  const before = yield* countedFor(tableName)
  const stream = yield* Effect.mapError(opened, because)
  const look = Effect.map(countedFor(tableName), ([durable, refused]) => {
    counts.durable = durable! - before[0]!
    counts.refused = refused! - before[1]!
    counts.stored = counts.durable + counts.refused
  })
  counts.total = waitingRecords
  const line = ({ refused, stored }: Counts, speed: number, millis: number): string =>
    [
      ...shareDone(counts, millis),
      `${count(stored)} of ${counted(waitingRecords, "record")}`,
      `${count(Math.round(speed))}/s`,
      ...(refused > 0 ? [`${count(refused)} refused`] : [])
    ].join("  ")
  yield* Effect.forkScoped(showProgress(counts, process.stderr, look, line))
  yield* settledUpTo(stream, nextOffset - 1).pipe(
    Effect.andThen(Effect.mapError(stream.close, reasonOf)),
    Effect.ensuring(look)
  )
})

/** Runs the command. */
export const drainSpool = Effect.fnUntraced(function* (
  input: DrainInput
): Effect.fn.Return<void, CommandFailed> {
  const { deadLetters, folder, json } = input
  const content = yield* Effect.mapError(Spool.inspect(folder), because)
  const { recordType, streamId, tableName, waitingRecords } = content
  if (recordType === "arrow") {
    return yield* failed(
      `The spool ${folder} holds Arrow batches. Open a stream on it with ArrowTable to send them.`
    )
  }
  const counts = noCounts()
  /** Reports the result from the spool itself, after the stream is closed. */
  const report = Effect.gen(function* () {
    const left = (yield* Spool.inspect(folder)).waitingRecords
    const { refused } = counts
    const durable = waitingRecords - left - refused
    if (json) {
      yield* printJson(JSON.stringify({ table: tableName, records: durable, refused, left }))
      return
    }
    yield* print(
      [
        `${counted(durable, "record")} of ${folder} durable in ${tableName}.`,
        ...(refused > 0
          ? [`${counted(refused, "record")} refused by the server, see the dead letters.`]
          : []),
        left === 0 ? "No record is waiting." : `Waiting in the spool: ${counted(left, "record")}.`
      ].join("\n")
    )
  })
  if (streamId !== undefined && Option.isSome(deadLetters)) {
    return yield* failed(
      `The spool ${folder} belongs to a persistent stream, which cannot skip a refused ` +
        `record. ` +
        `Leave --dead-letters out; export refused records with: zerobus spool export ${folder}`
    )
  }
  if (waitingRecords === 0) return yield* Effect.mapError(report, because)
  return yield* Effect.scoped(send(input, content, counts)).pipe(
    Effect.onExit(() => Effect.ignore(report))
  )
})
