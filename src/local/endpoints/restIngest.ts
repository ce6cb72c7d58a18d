/**
 * REST ingest: a JSON array of records, answered once they are durable. All of them are stored, or
 * none.
 *
 * It has no offsets and no streams, so a client cannot determine whether its records were stored
 * when a response is lost. Only the gRPC endpoint supports that.
 */
import * as Effect from "effect/Effect"
import { type CatalogAnswer, catalogError } from "./catalogApi.ts"
import { RecordRejected, type StorageFailure } from "../log/storageErrors.ts"
import type { TableStoreShape, TableWriter } from "../store/tableStore.ts"

/** The most records of one request. */
const maxRecords = 100_000

const refuse = (status: number, code: string, message: string) =>
  Effect.succeed(catalogError(status, code, message))

/** Stores the records of a body. `onStored` is called with their number and their bytes. */
export const insertRecords = (
  store: TableStoreShape,
  tableName: string,
  body: string,
  onStored: (records: number, bytes: number) => void
): Effect.Effect<CatalogAnswer> => {
  const records = splitArray(body)
  if (typeof records === "string") return refuse(400, "INVALID_PARAMETER_VALUE", records)
  return store.openWriter(tableName, { _tag: "Json" }).pipe(
    Effect.flatMap((writer) =>
      append(writer, records).pipe(Effect.ensuring(Effect.sync(() => writer.close())))
    ),
    Effect.map((refused) => {
      if (refused !== undefined)
        return catalogError(400, "INVALID_PARAMETER_VALUE", refused.message)
      onStored(records.length, body.length)
      return { status: 200, body: {} }
    }),
    Effect.catchTags({
      TableNotFound: (error) => refuse(404, "NOT_FOUND", error.message),
      SchemaRejected: (error) => refuse(400, "INVALID_PARAMETER_VALUE", error.message),
      StorageFailure: (error) =>
        refuse(
          503,
          "UNAVAILABLE",
          error.reason === "TableRefused"
            ? error.message
            : `The server could not store the records. ${error.message}`
        )
    })
  )
}

/** Appends all records as one message, once there is room, and waits until they are durable. */
const append = (
  writer: TableWriter,
  records: ReadonlyArray<Uint8Array>
): Effect.Effect<RecordRejected | undefined, StorageFailure> =>
  Effect.callback<RecordRejected | undefined, StorageFailure>((resume) => {
    writer.onRoom(() => {
      const ticket = writer.appendUnsafe(records)
      if (ticket instanceof RecordRejected) return resume(Effect.succeed(ticket))
      writer.onDurable(ticket, (failure) =>
        resume(failure === undefined ? Effect.succeed(undefined) : Effect.fail(failure))
      )
    })
  })

/**
 * The elements of a JSON array as their original text, or the problem of the array. Parsing and
 * serialising them again would change numbers beyond 2^53, which the store would otherwise refuse.
 */
const splitArray = (text: string): ReadonlyArray<Uint8Array> | string => {
  try {
    const parsed: unknown = JSON.parse(text)
    if (!Array.isArray(parsed)) return "The body must be a JSON array, also for one record."
    if (parsed.length === 0) return "The array holds no record."
    if (parsed.length > maxRecords) return `The array holds more than ${maxRecords} records.`
  } catch {
    return "The body is not JSON."
  }
  const records: Array<Uint8Array> = []
  let depth = 0
  let start = 0
  for (let n = 0; n < text.length; n++) {
    switch (text.charCodeAt(n)) {
      case 0x22: // a string: skip it
        for (n++; text.charCodeAt(n) !== 0x22; n++) if (text.charCodeAt(n) === 0x5c) n++
        break
      case 0x5b: // [
      case 0x7b: // {
        if (++depth === 1) start = n + 1
        break
      case 0x2c: // ,
        if (depth === 1) {
          records.push(Buffer.from(text.slice(start, n)))
          start = n + 1
        }
        break
      case 0x5d: // ]
      case 0x7d: // }
        if (--depth === 0) records.push(Buffer.from(text.slice(start, n)))
        break
    }
  }
  return records
}
