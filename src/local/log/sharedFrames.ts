/**
 * The frames of the shared log that are not records: the table and the format of a writer, and
 * notices that a table's records were dropped. Records use the frames of `logFrames.ts`.
 */
import type { FrameBuffer } from "../../internal/log/frames.ts"
import { formatCode, formatOf, formatBytes, type LogFormat } from "./logFrames.ts"

/** The table that records are for. */
export interface LogOwner {
  readonly tableId: string
  readonly table: string
}

/** The table and the record format of a writer. */
export interface OwnedFormat {
  readonly owner: LogOwner
  readonly format: LogFormat
}

const ownedKind = 4
const droppedKind = 5
const fixedBytes = 10

/** Appends the table and the format of a writer. They precede its first records in each file. */
export const writeOwned = (
  frames: FrameBuffer,
  writer: number,
  { format, owner }: OwnedFormat
): void => {
  const id = Buffer.from(owner.tableId, "utf8")
  const name = Buffer.from(owner.table, "utf8")
  const tail = formatBytes(format)
  const body = frames.begin(fixedBytes + id.length + name.length + tail.length)
  const { bytes } = frames
  bytes[body] = ownedKind
  bytes.writeUInt32LE(writer, body + 1)
  bytes[body + 5] = formatCode(format)
  bytes.writeUInt16LE(id.length, body + 6)
  bytes.writeUInt16LE(name.length, body + 8)
  bytes.set(id, body + fixedBytes)
  bytes.set(name, body + fixedBytes + id.length)
  bytes.set(tail, body + fixedBytes + id.length + name.length)
  frames.end()
}

/**
 * Appends a notice that the records of a table up to a sequence number are not needed: they were
 * moved, or the table was dropped.
 */
export const writeDropped = (frames: FrameBuffer, tableId: string, upTo: number): void => {
  const id = Buffer.from(tableId, "utf8")
  const body = frames.begin(9 + id.length)
  frames.bytes[body] = droppedKind
  frames.bytes.writeDoubleLE(upTo, body + 1)
  frames.bytes.set(id, body + 9)
  frames.end()
}

/** The content of a frame that holds no records; undefined for records. */
export type Notice =
  | { readonly writer: number; readonly owned: OwnedFormat }
  | { readonly dropped: string; readonly upTo: number }
  | undefined

/** Reads the body of a frame. */
export const readNotice = (body: Buffer): Notice => {
  if (body[0] === droppedKind)
    return { dropped: body.toString("utf8", 9), upTo: body.readDoubleLE(1) }
  if (body[0] !== ownedKind) return undefined
  const idEnd = fixedBytes + body.readUInt16LE(6)
  const nameEnd = idEnd + body.readUInt16LE(8)
  const owner = {
    tableId: body.toString("utf8", fixedBytes, idEnd),
    table: body.toString("utf8", idEnd, nameEnd)
  }
  const format = formatOf(body[5]!, body.subarray(nameEnd))
  return { writer: body.readUInt32LE(1), owned: { owner, format } }
}
