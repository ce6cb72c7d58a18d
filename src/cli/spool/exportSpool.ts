/**
 * `zerobus spool export`: writes the waiting records, one line each, to a new file or to standard
 * output.
 *
 * A JSON object, or a record that the spool's descriptor describes, becomes a line that `zerobus
 * ingest` reads. Any other record becomes `{"offset", "payloadBase64"}`, so that none is omitted.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs/promises"
import * as Spool from "../../Spool.ts"
import { because, type CommandFailed, failed } from "../terminal/CommandFailed.ts"
import { type ReaderGone, remark, visibleJson, withOutput } from "../terminal/print.ts"
import { counted } from "../terminal/progress.ts"
import { avroTextOf } from "./avroText.ts"
import { messageTextOf } from "./messageText.ts"

/** Flags and arguments of `export`. */
export interface ExportInput {
  readonly folder: string
  readonly to: Option.Option<string>
  readonly payloads: boolean
}

/** Number of characters that are collected before they are written. */
const writtenAtOnce = 256 * 1024

/** Returns the function that formats a record as a line. */
const lineOf = (
  { descriptor, recordType }: Spool.SpoolContent,
  payloads: boolean
): ((record: Spool.SpooledRecord) => { readonly line: string; readonly isRecord: boolean }) => {
  const textOf = payloads ? undefined : textOfRecords(recordType, descriptor)
  return ({ offset, payload }) => {
    const text = textOf?.(payload)
    return text === undefined
      ? {
          line: JSON.stringify({ offset, payloadBase64: Buffer.from(payload).toString("base64") }),
          isRecord: false
        }
      : { line: visibleJson(text), isRecord: true }
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Returns the function from payloads to text, when there is one for the record type. */
const textOfRecords = (
  recordType: Spool.SpoolContent["recordType"],
  descriptor: Uint8Array | undefined
): ((payload: Uint8Array) => string | undefined) | undefined => {
  if (recordType === "json") return objectText
  if (descriptor === undefined || recordType === "arrow") return undefined
  return recordType === "avro" ? avroTextOf(descriptor) : messageTextOf(descriptor)
}

/** A JSON object on one line. `undefined` for bytes that are not JSON. */
const objectText = (payload: Uint8Array): string | undefined => {
  try {
    const text = decoder.decode(payload)
    // In valid JSON, line ends and tabs appear only between values, never inside strings.
    JSON.parse(text)
    return text.replace(/[\r\n\t]+/g, " ").trim()
  } catch {
    return undefined
  }
}

type Write = (text: string) => Effect.Effect<void, CommandFailed | ReaderGone>

const writeAll = Effect.fnUntraced(function* (
  input: ExportInput,
  content: Spool.SpoolContent,
  write: Write
): Effect.fn.Return<
  { readonly records: number; readonly undecoded: number },
  CommandFailed | ReaderGone
> {
  const line = lineOf(content, input.payloads)
  let text = ""
  let records = 0
  let undecoded = 0
  yield* Spool.records(input.folder).pipe(
    Stream.mapError(because),
    Stream.runForEach((record) => {
      const next = line(record)
      records++
      if (!next.isRecord) undecoded++
      text += `${next.line}\n`
      if (text.length < writtenAtOnce) return Effect.void
      const full = text
      text = ""
      return write(full)
    })
  )
  yield* write(text)
  return { records, undecoded }
})

/** Writes to a new file, which is deleted when the export fails. */
const toFile = (
  path: string,
  use: (write: Write) => Effect.Effect<void, CommandFailed | ReaderGone>
): Effect.Effect<void, CommandFailed | ReaderGone> => {
  const attempt = <A>(run: () => Promise<A>): Effect.Effect<A, CommandFailed> =>
    Effect.tryPromise({
      try: run,
      catch: (error) =>
        (error as NodeJS.ErrnoException).code === "EEXIST"
          ? failed(`${path} exists already, and is not overwritten. Choose another file with --to.`)
          : failed(`${path} cannot be written: ${(error as Error).message}`)
    })
  return Effect.acquireUseRelease(
    attempt(() => Fs.open(path, "wx", 0o600)),
    (file) =>
      Effect.andThen(
        use((text) => attempt(() => file.writeFile(text))),
        attempt(() => file.sync())
      ),
    (file, exit) =>
      Effect.promise(async () => {
        await file.close()
        if (Exit.isFailure(exit)) await Fs.rm(path, { force: true })
      })
  )
}

/** Runs the command. */
export const exportSpool = Effect.fnUntraced(function* (
  input: ExportInput
): Effect.fn.Return<void, CommandFailed> {
  const { folder, payloads, to } = input
  const content = yield* Effect.mapError(Spool.inspect(folder), because)
  const path = Option.getOrUndefined(to)
  const use = Effect.fnUntraced(function* (
    write: Write
  ): Effect.fn.Return<void, CommandFailed | ReaderGone> {
    const { records, undecoded } = yield* writeAll(input, content, write)
    yield* remark(
      `Wrote ${counted(records, "record")} of ${folder}${path === undefined ? "" : ` to ${path}`}.`
    )
    if (undecoded === 0 || payloads) return
    yield* remark(
      `${counted(undecoded, "record")} of them as base64: ` +
        (content.recordType === "json"
          ? "they are not JSON objects."
          : content.recordType === "arrow"
            ? "they are IPC streams of Arrow batches."
            : content.recordType === "avro"
              ? "the Avro schema of the spool does not describe them."
              : "the descriptor of the spool does not describe them in full.")
    )
  })
  yield* (path === undefined ? withOutput(use) : toFile(path, use)).pipe(
    Effect.catchTag("ReaderGone", () => Effect.void)
  )
})
