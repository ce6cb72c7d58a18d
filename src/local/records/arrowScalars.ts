/**
 * Appends single values of Arrow columns to their leaves, with the range checks of the column
 * types. Most columns are copied as a whole (`arrowCopies.ts`).
 */
import { isAscii, isUtf8 } from "node:buffer"
import type { ArrowColumn } from "../../internal/arrow/arrowColumns.ts"
import { expectation } from "../../internal/columns/expectation.ts"
import { integerRange, numberRange } from "../../internal/columns/scalarTypes.ts"
import { fittedText } from "../../internal/columns/textLength.ts"
import type { Leaf, Validity } from "../parquet/columnBuffer.ts"
import type { LeafNode } from "../parquet/columnTree.ts"
import { isVariant } from "../parquet/variantCheck.ts"
import { copyBits, copyBytes, copyFixed } from "./arrowCopies.ts"
import { addDecimal } from "./decimalText.ts"
import { RecordProblem } from "./recordProblem.ts"

/** Appends the values of a node. */
export interface ValueAppender {
  /** Sets the column of a batch. Returns the maximum number of leaf entries that it creates. */
  readonly load: (column: ArrowColumn) => number
  /** Appends the value at an index, at a repetition level. */
  readonly append: (index: number, repetition: number) => void
  /**
   * Appends the first values of the column together, if the leaf is not repeated and NULL is
   * allowed. Returns false, without appending any, if they have to be appended one by one.
   */
  readonly appendAll?: (count: number, validity: Validity) => boolean
}

const noBytes = new Uint8Array(0)
const noView = new DataView(noBytes.buffer)

/** The longest text of a DECIMAL. */
const maxDecimalBytes = 100

/** The appender for values of fixed width. `append` reads a value at a byte position. */
const fixedAppender = (
  width: number,
  leaf: Leaf,
  append: (view: DataView, at: number, repetition: number) => void,
  fits: ((view: DataView, count: number) => boolean) | undefined
): ValueAppender => {
  const isWhole = leaf.shape.maxRepetition === 0 && leaf.shape.width === width
  let values = noBytes
  let view = noView
  return {
    load: (column) => {
      values = column.values as Uint8Array<ArrayBuffer>
      view = new DataView(values.buffer, values.byteOffset, values.byteLength)
      return column.length
    },
    append: (index, repetition) => append(view, index * width, repetition),
    appendAll: (count, nulls) => {
      if (!isWhole || fits?.(view, count) !== true) return false
      leaf.addAll(count, nulls, count * width, (out, at) =>
        copyFixed(values, width, count, nulls.validity, out, at)
      )
      return true
    }
  }
}

const anyFits = (): boolean => true

/**
 * The appender for values of variable length. `whole` is the leaf that they may be copied into
 * unchanged, if `loaded` returns true for the column.
 */
const bytesAppender = (
  append: (values: Uint8Array, start: number, end: number, repetition: number) => void,
  whole?: Leaf,
  loaded: (column: ArrowColumn) => boolean = () => true
): ValueAppender => {
  let isWhole = false
  let values: Uint8Array = noBytes
  let offsets = new Int32Array(0)
  return {
    load: (column) => {
      values = column.values
      offsets = column.offsets as Int32Array<ArrayBuffer>
      isWhole = loaded(column) && whole !== undefined && whole.shape.maxRepetition === 0
      return column.length
    },
    append: (index, repetition) => append(values, offsets[index]!, offsets[index + 1]!, repetition),
    appendAll: (count, nulls) => {
      if (!isWhole) return false
      const bytes = offsets[count]! - offsets[0]! + 4 * count
      whole!.addAll(count, nulls, bytes, (out, at) =>
        copyBytes(values, offsets, count, nulls.validity, out, at)
      )
      return true
    }
  }
}

/** The appender for non-NULL values of a column whose type was checked against the node. */
export const scalarAppender = (node: LeafNode, leaves: ReadonlyArray<Leaf>): ValueAppender => {
  const { path, type } = node
  const leaf = leaves[node.firstLeaf]!
  const refuse = (): never => {
    throw new RecordProblem(path, expectation(type))
  }
  switch (type._tag) {
    case "Boolean": {
      let bits: Uint8Array = noBytes
      return {
        load: ({ length, values }) => {
          bits = values
          return length
        },
        append: (index, repetition) =>
          leaf.addBoolean(repetition, ((bits[index >> 3]! >> (index & 7)) & 1) === 1),
        appendAll: (count, nulls) => {
          if (leaf.shape.maxRepetition > 0) return false
          leaf.addAll(count, nulls, count, (out, at) =>
            copyBits(bits, count, nulls.validity, out, at)
          )
          return true
        }
      }
    }
    case "TinyInt":
      return fixedAppender(
        1,
        leaf,
        (view, at, repetition) => leaf.addWord(repetition, view.getInt8(at)),
        undefined
      )
    case "SmallInt":
      return fixedAppender(
        2,
        leaf,
        (view, at, repetition) => leaf.addWord(repetition, view.getInt16(at, true)),
        undefined
      )
    case "Int":
    case "Float":
      return fixedAppender(
        4,
        leaf,
        (view, at, repetition) => leaf.addWord(repetition, view.getInt32(at, true)),
        anyFits
      )
    case "Date": {
      const [min, max] = numberRange(type._tag)
      const isDate = (days: number): boolean => days >= min && days <= max
      return fixedAppender(
        4,
        leaf,
        (view, at, repetition) => {
          const days = view.getInt32(at, true)
          leaf.addWord(repetition, isDate(days) ? days : refuse())
        },
        (view, count) => {
          for (let index = 0; index < count; index++) {
            if (!isDate(view.getInt32(index * 4, true))) return false
          }
          return true
        }
      )
    }
    case "BigInt":
    case "Double":
      return fixedAppender(
        8,
        leaf,
        (view, at, repetition) =>
          leaf.addWords(repetition, view.getInt32(at, true), view.getInt32(at + 4, true)),
        anyFits
      )
    case "Timestamp":
    case "TimestampNtz": {
      const [min, max] = integerRange(type._tag)
      const [lowest, highest] = [Number(min >> 32n), Number(max >> 32n)]
      const isTime = (view: DataView, at: number): boolean => {
        const upper = view.getInt32(at + 4, true)
        if (upper > lowest && upper < highest) return true
        const value = view.getBigInt64(at, true)
        return value >= min && value <= max
      }
      return fixedAppender(
        8,
        leaf,
        (view, at, repetition) => {
          if (!isTime(view, at)) refuse()
          leaf.addWords(repetition, view.getInt32(at, true), view.getInt32(at + 4, true))
        },
        (view, count) => {
          for (let index = 0; index < count; index++) if (!isTime(view, index * 8)) return false
          return true
        }
      )
    }
    case "Decimal":
      return bytesAppender((values, start, end, repetition) => {
        if (end - start > maxDecimalBytes) refuse()
        if (!addDecimal(leaf, repetition, type.precision, type.scale, values, start, end)) refuse()
      })
    case "Binary":
      return bytesAppender(
        (values, start, end, repetition) => void leaf.addBytes(repetition, values, start, end),
        leaf
      )
    case "Variant":
      return variantAppender(leaf, leaves[node.firstLeaf + 1]!, refuse)
    case "String": {
      const { textLength } = type
      if (textLength !== undefined) {
        return bytesAppender((values, start, end, repetition) => {
          if (!isUtf8(values.subarray(start, end))) refuse()
          const text = fittedText(
            Buffer.from(values.buffer, values.byteOffset + start, end - start).toString(),
            textLength
          )
          if (text === undefined) return refuse()
          const fitted = Buffer.from(text)
          leaf.addBytes(repetition, fitted, 0, fitted.length)
        })
      }
      return textAppender(leaf, refuse)
    }
  }
}

/**
 * The appender for texts. If all bytes together are valid UTF-8, a text whose ends are not inside a
 * character is valid too.
 */
const textAppender = (leaf: Leaf, refuse: () => never): ValueAppender => {
  let areTexts = false
  return bytesAppender(
    (values, start, end, repetition) => {
      const isKnown = leaf.addBytes(repetition, values, start, end) || areTexts
      if (!isKnown && !isUtf8(values.subarray(start, end))) refuse()
    },
    leaf,
    (column) => (areTexts = holdsTexts(column))
  )
}

const holdsTexts = ({ offsets, values }: ArrowColumn): boolean => {
  const bytes = values.subarray(offsets[0], offsets[offsets.length - 1])
  if (isAscii(bytes)) return true
  if (!isUtf8(bytes)) return false
  for (let i = 0; i < offsets.length; i++) if ((values[offsets[i]!]! & 0xc0) === 0x80) return false
  return true
}

const variantAppender = (metadata: Leaf, value: Leaf, refuse: () => never): ValueAppender => {
  let current: readonly [metadata: ArrowColumn, value: ArrowColumn] | undefined
  const bytesOf = ({ offsets, values }: ArrowColumn, index: number): Uint8Array =>
    values.subarray(offsets[index], offsets[index + 1])
  return {
    load: ({ children, length }) => {
      current = [children[0]!, children[1]!]
      return length * 2
    },
    append: (index, repetition) => {
      const [names, content] = current!
      const parts = { metadata: bytesOf(names, index), value: bytesOf(content, index) }
      // A NULL part has no bytes, which is not a valid VARIANT.
      if (!isVariant(parts)) refuse()
      metadata.addBytes(repetition, parts.metadata, 0, parts.metadata.length)
      value.addBytes(repetition, parts.value, 0, parts.value.length)
    }
  }
}
