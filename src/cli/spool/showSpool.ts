/**
 * `zerobus spool show`: prints table, record type, offsets, waiting records, the position and the
 * lock holder. It opens no stream and takes no lock, so it does not disturb the program that uses
 * the spool.
 */
import * as Effect from "effect/Effect"
import * as Path from "node:path"
import { type LockHolder, lockHolder } from "../../internal/log/folderLock.ts"
import * as Spool from "../../Spool.ts"
import { because, type CommandFailed, failed } from "../terminal/CommandFailed.ts"
import { print, printJson, visible } from "../terminal/print.ts"
import { count, counted } from "../terminal/progress.ts"

/** Flags and arguments of `show`. */
export interface ShowInput {
  readonly folder: string
  readonly json: boolean
}

const decoder = new TextDecoder("utf-8", { fatal: true })

/** A position as text when it is printable, else `undefined`. */
const positionText = (position: Uint8Array): string | undefined => {
  try {
    const text = decoder.decode(position)
    return /\p{Cc}/u.test(text) ? undefined : text
  } catch {
    return undefined
  }
}

const recordNames: Readonly<Record<Spool.SpoolContent["recordType"], string>> = {
  json: "JSON",
  proto: "protobuf",
  avro: "Avro",
  arrow: "Arrow batches"
}

const holderText: Readonly<Record<LockHolder["state"], string>> = {
  alive: "runs",
  gone: "has ended; its lock is taken over by the next program",
  unknown: "runs in another container or on another machine, or has ended"
}

/** The holder of the lock. Fails when the lock file cannot be read. */
export const holderOf = (folder: string): Effect.Effect<LockHolder | undefined, CommandFailed> =>
  Effect.tryPromise({
    try: () => lockHolder(Path.resolve(folder)),
    catch: (error) => failed(`The lock of ${folder} cannot be read: ${(error as Error).message}`)
  })

/** Runs the command. */
export const showSpool = Effect.fnUntraced(function* ({
  folder,
  json
}: ShowInput): Effect.fn.Return<void, CommandFailed> {
  const content = yield* Effect.mapError(Spool.inspect(folder), because)
  const holder = yield* holderOf(folder)
  const {
    bytes,
    firstOffset,
    nextOffset,
    position,
    recordType,
    streamId,
    tableName,
    waitingBytes,
    waitingRecords
  } = content
  const text = position === undefined ? undefined : positionText(position)
  const base64 = position === undefined ? undefined : Buffer.from(position).toString("base64")
  if (json) {
    return yield* printJson(
      JSON.stringify({
        table: tableName,
        recordType,
        ...(streamId === undefined ? {} : { streamId }),
        firstOffset,
        nextOffset,
        waitingRecords,
        waitingBytes,
        bytesOnDisk: bytes,
        position: base64 === undefined ? null : { base64, ...(text === undefined ? {} : { text }) },
        lock: holder ?? null
      })
    )
  }
  const lines = [
    `table     ${tableName}`,
    `records   ${recordNames[recordType]}`,
    ...(streamId === undefined ? [] : [`stream    ${streamId} (persistent)`]),
    waitingRecords === 0
      ? `waiting   nothing`
      : `waiting   ${counted(waitingRecords, "record")}, ${count(waitingBytes)} bytes`,
    firstOffset === nextOffset
      ? `offsets   next ${nextOffset}`
      : `offsets   ${firstOffset} to ${nextOffset - 1} wait, next ${nextOffset}`,
    `on disk   ${count(bytes)} bytes`,
    ...(base64 === undefined ? [] : [`position  ${text ?? `${base64} (base64)`}`]),
    holder === undefined
      ? "lock      free"
      : `lock      process ${holder.pid} on ${holder.host}, which ${holderText[holder.state]}`
  ]
  yield* print(lines.map(visible).join("\n"))
})
