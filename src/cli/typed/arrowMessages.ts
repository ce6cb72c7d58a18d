/**
 * Checks the flatbuffers of Arrow files and streams before the library decodes them. The library
 * loops as often as a damaged length says, and creates objects without a limit.
 */
import type * as Fs from "node:fs/promises"
import { refuseArrow } from "../../internal/arrow/arrowProblem.ts"
import { FlatTable } from "../../internal/arrow/flatbuffer.ts"
import { maxFieldDepth, maxFields } from "../../internal/arrow/ipcSchema.ts"
import type { PulledBytes } from "./pulledBytes.ts"

/** Most bytes of the flatbuffer of a message or of a footer. */
const mostHeaderBytes = 256 * 1024 * 1024

/** Most bytes of a body: the most that one read of a file returns. */
const mostBodyBytes = 0x7fff_ffff

/** Strings may be shared between fields, so all of them may be longer than the message. */
const mostTextBytes = 64 * 1024 * 1024

const magicBytes = 6
const closingBytes = 4 + magicBytes

/** Kinds of messages, by number. */
const schemaKind = 1
const dictionaryKind = 2
const batchKind = 3

/** What the framing needs to know of a message. */
interface MessageFrame {
  readonly kind: number
  readonly bodyLength: number
}

/** Checks the flatbuffer of a message. Throws an `ArrowProblem`. */
export const checkMessage = (header: Uint8Array): MessageFrame => {
  const message = FlatTable.root(header)
  const kind = message.byte(1)
  const content = message.table(2)
  if (content === undefined) return refuseArrow("The message has no header.")
  const bodyLength = message.count(3)
  if (bodyLength > mostBodyBytes) refuseArrow("The body of the message is too long.")
  const left = budgetOf(header)
  checkMetadata(message, 4, left)
  if (kind === schemaKind) checkSchema(content, left)
  else if (kind === batchKind) checkBatch(content, bodyLength)
  else if (kind === dictionaryKind) {
    const data = content.table(1) ?? refuseArrow("The dictionary batch has no data.")
    checkBatch(data, bodyLength)
  } else refuseArrow("The message is neither a schema nor a batch.")
  return { kind, bodyLength }
}

/** How much may still be visited. Tables may point to each other, and share strings. */
interface Budget {
  fields: number
  entries: number
  textBytes: number
}

const budgetOf = (header: Uint8Array): Budget => ({
  fields: maxFields,
  // An entry takes at least four bytes.
  entries: header.length,
  textBytes: Math.max(mostTextBytes, header.length)
})

const checkSchema = (schema: FlatTable, left: Budget): void => {
  checkFields(schema, 1, left, 1)
  checkMetadata(schema, 2, left)
}

const checkFields = (parent: FlatTable, number: number, left: Budget, depth: number): void => {
  const vector = parent.vector(number, 4)
  if (vector.length === 0) return
  left.fields -= vector.length
  if (depth > maxFieldDepth || left.fields < 0) refuseArrow("The schema has too many fields.")
  for (let index = 0; index < vector.length; index++) {
    const field = parent.element(vector, index)
    checkText(field, 0, left)
    field.table(3)
    field.table(4)?.table(1)
    checkFields(field, 5, left, depth + 1)
    checkMetadata(field, 6, left)
  }
}

const checkMetadata = (parent: FlatTable, number: number, left: Budget): void => {
  const vector = parent.vector(number, 4)
  left.entries -= vector.length
  if (left.entries < 0) refuseArrow("The metadata has too many entries.")
  for (let index = 0; index < vector.length; index++) {
    const entry = parent.element(vector, index)
    checkText(entry, 0, left)
    checkText(entry, 1, left)
  }
}

const checkText = (table: FlatTable, number: number, left: Budget): void => {
  left.textBytes -= table.vector(number, 1).length
  if (left.textBytes < 0) refuseArrow("The texts of the message are too long.")
}

const checkBatch = (batch: FlatTable, bodyLength: number): void => {
  batch.count(0)
  const nodes = batch.vector(1, 16)
  for (let index = 0; index < nodes.length; index++) batch.pairCount(nodes, index, 0)
  const buffers = batch.vector(2, 16)
  const isCompressed = batch.table(3) !== undefined
  for (let index = 0; index < buffers.length; index++) {
    const size = batch.pairCount(buffers, index, 1)
    if (batch.pairCount(buffers, index, 0) + size > bodyLength) {
      refuseArrow("A buffer of the batch lies outside its body.")
    }
    if (isCompressed && size > 0 && size < 8) refuseArrow("A compressed buffer has no size.")
  }
  const views = batch.vector(4, 8)
  let viewed = 0
  for (let index = 0; index < views.length; index++) {
    viewed += batch.pairCount(views, index >> 1, (index & 1) as 0 | 1)
  }
  if (viewed > buffers.length) refuseArrow("The batch has fewer buffers than its views need.")
}

/**
 * The bytes of a stream, message by message, each of them checked. Behind the end of the stream the
 * rest follows as it is. Throws an `ArrowProblem`.
 */
export const checkedStream = async function* (bytes: PulledBytes): AsyncGenerator<Uint8Array> {
  for (let count = 0; ; count++) {
    const start = await bytes.peek(8)
    const { length, prefix } = prefixOf(start)
    if (length === 0) return yield* bytes.rest()
    const header = (await bytes.take(prefix + length)) ?? refuseArrow("The stream is cut off.")
    const { bodyLength, kind } = checkMessage(header.subarray(prefix))
    if ((kind === schemaKind) !== (count === 0)) {
      refuseArrow("A stream has one schema, in front of its batches.")
    }
    yield header
    if (bodyLength > 0) {
      yield (await bytes.take(bodyLength)) ?? refuseArrow("The stream is cut off.")
    }
  }
}

/** The length of a message, and the bytes in front of it. Early versions have no continuation. */
const prefixOf = (start: Buffer): { readonly length: number; readonly prefix: number } => {
  if (start.length < 4) return { length: 0, prefix: 0 }
  const hasMark = start.readInt32LE(0) === -1
  if (hasMark && start.length < 8) return { length: 0, prefix: 0 }
  const length = start.readInt32LE(hasMark ? 4 : 0)
  if (length < 0 || length > mostHeaderBytes) refuseArrow("The length of a message is damaged.")
  return { length, prefix: hasMark ? 8 : 4 }
}

interface Source {
  readonly handle: Fs.FileHandle
  readonly size: number
}

/** Checks the messages of a plain file of the format, which its footer leads to. */
export class CheckedFile {
  /** Positions of the record batches. */
  private readonly batches: ReadonlyArray<number>
  private readonly source: Source

  private constructor(source: Source, batches: ReadonlyArray<number>) {
    this.source = source
    this.batches = batches
  }

  /** Checks the footer and all dictionaries. Throws an `ArrowProblem`. */
  static async open(handle: Fs.FileHandle): Promise<CheckedFile> {
    const source = { handle, size: (await handle.stat()).size }
    const end = source.size - closingBytes
    const length = (await readAt(source, end, 4)).readInt32LE(0)
    if (length <= 0 || length > mostHeaderBytes) refuseArrow("The length of the footer is damaged.")
    const bytes = await readAt(source, end - length, length)
    const footer = FlatTable.root(bytes)
    const left = budgetOf(bytes)
    checkSchema(footer.table(1) ?? refuseArrow("The footer has no schema."), left)
    checkMetadata(footer, 4, left)
    const file = new CheckedFile(source, blocksOf(footer, 3))
    for (const at of blocksOf(footer, 2)) await file.check(at, dictionaryKind)
    return file
  }

  /** Checks a record batch before it is read; there may be none at the index. */
  async checkBatch(index: number): Promise<void> {
    const at = this.batches[index]
    if (at !== undefined) await this.check(at, batchKind)
  }

  private async check(at: number, expected: number): Promise<void> {
    const { length, prefix } = prefixOf(await readAt(this.source, at, 8))
    const header = await readAt(this.source, at + prefix, length)
    const { bodyLength, kind } = checkMessage(header)
    if (kind !== expected || at + prefix + length + bodyLength > this.source.size) {
      refuseArrow("The footer leads to no batch.")
    }
  }
}

/** The positions in a vector of blocks: 24 bytes each, with the position first. */
const blocksOf = (footer: FlatTable, number: number): ReadonlyArray<number> => {
  const vector = footer.vector(number, blockBytes)
  return Array.from({ length: vector.length }, (_, index) => {
    const start = vector.start + index * blockBytes
    return footer.pairCount({ start, length: 1 }, 0, 0)
  })
}

const blockBytes = 24

/** Exactly these bytes of a file. */
const readAt = async ({ handle, size }: Source, at: number, length: number): Promise<Buffer> => {
  if (at < 0 || at + length > size) return refuseArrow("The file is cut off.")
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, at)
  return bytesRead === length ? buffer : refuseArrow("The file is cut off.")
}
