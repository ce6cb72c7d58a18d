/**
 * Handlers for `onRefused` and `onUnacked` that store records in a file or in another table.
 *
 * @packageDocumentation
 *
 * @example
 * const letters = DeadLetters.file("dead-letters.ndjson")
 * const stream = yield* zerobus.createStream(TableProperties.json("main.default.air_quality"), {
 *   onRefused: letters
 * })
 *
 * @since 0.2.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { AppendedLines } from "./internal/log/appendedLines.ts"
import type { AckError } from "./RecordAck.ts"
import type { Refused, Unacked } from "./ReturnedRecords.ts"
import type { StreamConfigurationOptions } from "./StreamConfigurationOptions.ts"
import * as TableProperties from "./TableProperties.ts"
import { Zerobus } from "./Zerobus.ts"
import type { StreamFailure } from "./ZerobusError.ts"
import type { IngestError } from "./ZerobusStream.ts"

/**
 * The input of a handler: a refused record or batch, or the unacknowledged records of a stream.
 *
 * @since 0.2.0
 * @category models
 */
export type Letter = Refused<any> | Unacked<any>

/**
 * Dead letters could not be written to a file.
 *
 * @since 0.2.0
 * @category errors
 */
export class LetterNotWritten extends Data.TaggedError("LetterNotWritten")<{
  /** The file as it was given to {@link file}. */
  readonly path: string
  /** The operating system's error code, such as `ENOSPC`. */
  readonly code: string
}> {
  /** What happened, and what becomes of the record, as full sentences. */
  override get message(): string {
    return (
      `The dead letters could not be written to ${this.path} (${this.code}). The record ` +
      `stays with the stream.`
    )
  }
}

/**
 * Options of a dead-letter file.
 *
 * @since 0.2.0
 * @category configuration
 */
export interface FileOptions {
  /**
   * Size in bytes at which the file is renamed to `path.1`, `path.2`, ... and a new one is started.
   * Default 64 MiB. Files are never deleted.
   */
  readonly maxBytes?: number | undefined
}

/** One record of a letter. */
interface Kept {
  readonly offset: number | undefined
  /** JSON text of the record, or its bytes. */
  readonly content: string | Uint8Array
}

/**
 * Appends each record to a file as a line of JSON: `{ at, table, streamId, offset, reason, record
 * }`. Payloads that are not JSON, such as protobuf and Avro, have `payloadBase64` instead of
 * `record`. `offset` is null for unacknowledged records. The lines are on disk when the handler
 * succeeds. It fails with `LetterNotWritten`. The path must be a regular file; a new one is
 * readable only by its owner.
 *
 * @example
 * const letters = DeadLetters.file("dead-letters.ndjson", { maxBytes: 10_000_000 })
 *
 * @since 0.2.0
 * @category constructors
 */
export const file = (
  path: string,
  options: FileOptions = {}
): ((letter: Letter) => Effect.Effect<void, LetterNotWritten>) => {
  const lines = new AppendedLines(path, options.maxBytes ?? 64 * 1024 * 1024)
  return (letter) =>
    Effect.clockWith((clock) => {
      const at = new Date(clock.currentTimeMillisUnsafe()).toISOString()
      const text = kept(letter).map((one) => line(letter, one, at))
      return text.length === 0
        ? Effect.void
        : Effect.tryPromise({
            try: () => lines.append(text.join("")),
            catch: (error) =>
              new LetterNotWritten({
                path,
                code: (error as NodeJS.ErrnoException).code ?? (error as Error).name
              })
          })
    })
}

const line = (
  { cause, streamId, tableName }: Letter,
  { content, offset }: Kept,
  at: string
): string => {
  const head = JSON.stringify({
    at,
    table: tableName,
    streamId,
    offset: offset ?? null,
    reason: cause.message
  })
  // The record's original text, so that no number in it is rounded.
  const rest =
    typeof content === "string"
      ? `"record":${content}`
      : `"payloadBase64":${JSON.stringify(base64(content))}`
  return `${head.slice(0, -1)},${rest}}\n`
}

/**
 * Ingests each record as a row of another table, through a separate stream in the current scope.
 * The table's columns are `at TIMESTAMP, table STRING, stream STRING, offset BIGINT, reason STRING,
 * record STRING`, where `record` is JSON text, or base64 for other payloads. The rows of a letter
 * are durable when the handler succeeds. A record that this table refuses ends its stream and does
 * not become a letter again.
 *
 * @example
 * const letters = yield* DeadLetters.table("main.default.dead_letters")
 *
 * @since 0.2.0
 * @category constructors
 */
export const table = <R = never>(
  tableName: string,
  options: Omit<
    StreamConfigurationOptions<TableProperties.JsonRecord, R>,
    "onRefused" | "onUnacked"
  > = {}
): Effect.Effect<
  (letter: Letter) => Effect.Effect<void, IngestError | AckError>,
  StreamFailure,
  Zerobus | Scope.Scope | R
> =>
  Effect.gen(function* () {
    const zerobus = yield* Zerobus
    const stream = yield* zerobus.createStream(TableProperties.json(tableName), {
      ...options,
      // Explicit, because the client's default may be a handler that leads back here.
      onRefused: ({ cause }) => Effect.fail(cause),
      onUnacked: ({ records }) =>
        Effect.logWarning("Dead letters were not acknowledged", {
          table: tableName,
          records: records.length
        })
    })
    return (letter) =>
      Effect.clockWith((clock) => {
        const at = clock.currentTimeMillisUnsafe() * 1_000
        const rows = kept(letter).map(({ content, offset }) => ({
          at,
          table: letter.tableName,
          stream: letter.streamId,
          ...(offset === undefined ? {} : { offset }),
          reason: letter.cause.message,
          record: typeof content === "string" ? content : base64(content)
        }))
        return Effect.flatMap(stream.ingestRecords(rows), (ack) =>
          ack === undefined ? Effect.void : ack.await
        ).pipe(Effect.asVoid)
      })
  })

const kept = (letter: Letter): ReadonlyArray<Kept> =>
  "payloads" in letter
    ? letter.payloads.map((payload) => ({
        offset: letter.offset,
        content: textOf(payload) ?? payload
      }))
    : [...letter.records, ...letter.unreadable].map((record) => ({
        offset: undefined,
        content: contentOf(record)
      }))

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/**
 * The JSON text of a payload; `undefined` for other payloads. Avro payloads may also start with a
 * brace.
 */
const textOf = (payload: Uint8Array): string | undefined => {
  if (payload[0] !== 0x7b) return undefined
  try {
    const text = decoder.decode(payload)
    JSON.parse(text)
    return onOneLine(text)
  } catch {
    return undefined
  }
}

const contentOf = (record: unknown): string | Uint8Array => {
  if (record instanceof Uint8Array) return textOf(record) ?? record
  return typeof record === "string" ? onOneLine(record) : JSON.stringify(record, withoutLoss)
}

/** In valid JSON, line breaks appear only between values, never inside strings. */
const onOneLine = (json: string): string => json.replace(/[\r\n]+/g, " ")

const withoutLoss = (_: string, value: unknown): unknown =>
  typeof value === "bigint" ? value.toString() : value instanceof Uint8Array ? base64(value) : value

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64")
