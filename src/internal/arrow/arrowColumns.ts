/**
 * The checked columns of a record batch: code with an `ArrowColumn` reads its values without
 * checking bounds again.
 */
import { refuseArrow } from "./arrowProblem.ts"
import type { ArrowField, ArrowType } from "./arrowSchema.ts"
import { typeText } from "./arrowSchema.ts"
import { type BatchLimits, BodyBuffers, type Decompress } from "./bodyBuffers.ts"
import type { BatchHeader } from "./ipcMessage.ts"

/** The values of a field in one batch. */
export interface ArrowColumn {
  readonly length: number
  /** One bit per value, set where it is not NULL; undefined when no value is NULL. */
  readonly validity: Uint8Array | undefined
  /** Values of fixed width one after another, bits of booleans, or the bytes of texts. */
  readonly values: Uint8Array
  /**
   * For texts, lists and maps: where each value begins, and where the last one ends. Offsets rise,
   * and the last one is within the bytes or the child.
   */
  readonly offsets: Int32Array
  /** The fields of a struct, the items of a list, or the entries of a map as a struct. */
  readonly children: ReadonlyArray<ArrowColumn>
}

const none = new Uint8Array(0)
const noOffsets = new Int32Array(1)
const noChildren: ReadonlyArray<ArrowColumn> = []

/** Reads the columns of a batch with these fields. Throws `ArrowProblem` when they are invalid. */
export const readColumns = (
  fields: ReadonlyArray<ArrowField>,
  header: BatchHeader,
  body: Uint8Array,
  decompress: Decompress,
  limits: BatchLimits
): ReadonlyArray<ArrowColumn> => {
  const buffers = new BodyBuffers(header, body, decompress, limits)
  const columns = fields.map((field) => readColumn(field, buffers))
  if (columns.some(({ length }) => length !== header.rows)) {
    refuseArrow("A column of the batch has another length than the batch.")
  }
  if (!buffers.isEmpty) refuseArrow("The batch has more columns than the schema.")
  return columns
}

/** Bytes of one value, for types of fixed width. */
export const widthOf = (type: ArrowType): number | undefined => {
  switch (type._tag) {
    case "Int":
    case "Float":
    case "Decimal":
      return type.bits > 0 && type.bits <= 256 && type.bits % 8 === 0 ? type.bits / 8 : undefined
    case "Date":
      return type.unit === "day" ? 4 : 8
    case "Timestamp":
      return 8
    case "Null":
    case "Bool":
    case "Struct":
    case "Utf8":
    case "Binary":
    case "List":
    case "Map":
    case "Other":
      return undefined
  }
}

const readColumn = (field: ArrowField, buffers: BodyBuffers): ArrowColumn => {
  const { children, dictionary, type } = field
  if (dictionary !== undefined) refuseArrow("A column is encoded by a dictionary. Send its values.")
  const { length, nulls } = buffers.node()
  const column = (
    validity: Uint8Array | undefined,
    values: Uint8Array,
    offsets: Int32Array = noOffsets,
    below: ReadonlyArray<ArrowColumn> = noChildren
  ): ArrowColumn => ({ length, validity, values, offsets, children: below })
  if (type._tag === "Null") return column(new Uint8Array(Math.ceil(length / 8)), none)
  const validity = readValidity(buffers, length, nulls)
  switch (type._tag) {
    case "Bool":
      return column(validity, ofSize(buffers.buffer(), Math.ceil(length / 8)))
    case "Utf8":
    case "Binary": {
      const offsets = readOffsets(buffers.buffer(), length, type.large)
      const values = buffers.buffer()
      checkEnd(offsets, values.length)
      return column(validity, values, offsets)
    }
    case "List":
    case "Map": {
      const offsets = readOffsets(buffers.buffer(), length, type._tag === "List" && type.large)
      const item = readColumn(onlyChild(children), buffers)
      checkEnd(offsets, item.length)
      return column(validity, none, offsets, [item])
    }
    case "Struct": {
      const below = children.map((child) => readColumn(child, buffers))
      if (below.some((child) => child.length < length)) {
        refuseArrow("A field of a struct has fewer values than the struct.")
      }
      return column(validity, none, noOffsets, below)
    }
    case "Int":
    case "Float":
    case "Decimal":
    case "Date":
    case "Timestamp":
    case "Other": {
      const width = widthOf(type)
      if (width === undefined) return refuseArrow(`Columns of ${typeText(type)} are not supported.`)
      return column(validity, ofSize(buffers.buffer(), length * width))
    }
  }
}

/** Writers omit the buffer when no value is NULL. */
const readValidity = (
  buffers: BodyBuffers,
  length: number,
  nulls: number
): Uint8Array | undefined => {
  const bits = buffers.buffer()
  return nulls === 0 ? undefined : ofSize(bits, Math.ceil(length / 8))
}

const ofSize = (bytes: Uint8Array, size: number): Uint8Array =>
  bytes.length < size ? refuseArrow("A buffer of the batch is shorter than its values.") : bytes

const onlyChild = (children: ReadonlyArray<ArrowField>): ArrowField =>
  children.length === 1 ? children[0]! : refuseArrow("A list or map must have exactly one child.")

/** Copies the offsets of the values into aligned memory. */
const readOffsets = (bytes: Uint8Array, length: number, large: boolean): Int32Array => {
  // A column without values may have no offsets.
  if (length === 0) return noOffsets
  const width = large ? 8 : 4
  const size = (length + 1) * width
  // `Buffer.slice` returns a view, so copy explicitly.
  const copy = new Uint8Array(size)
  copy.set(ofSize(bytes, size).subarray(0, size))
  const words = new Int32Array(copy.buffer)
  if (large) {
    for (let index = 0; index <= length; index++) {
      if (words[index * 2 + 1] !== 0) refuseArrow("An offset of the batch is out of range.")
      words[index] = words[index * 2]!
    }
  }
  let last = 0
  for (let index = 0; index <= length; index++) {
    const offset = words[index]!
    if (offset < last) refuseArrow("The offsets of a column are not in ascending order.")
    last = offset
  }
  return words.subarray(0, length + 1)
}

const checkEnd = (offsets: Int32Array, length: number): void => {
  if (offsets[offsets.length - 1]! > length) {
    refuseArrow("The offsets of a column lie outside its values.")
  }
}
