/**
 * Counts the values of Parquet pages without making them: hyparquet reads fewer values than a
 * header declares as NULLs, and reads past the end of a page.
 */
import { DamagedPage, type PageBytes, varInt, visitRuns } from "./parquetRuns.ts"

/** The physical type of the values of a column. */
export interface PhysicalType {
  readonly type: string
  /** Bytes of a value of `FIXED_LEN_BYTE_ARRAY`. */
  readonly length: number
}

const check = (holds: boolean): void => {
  if (!holds) throw new DamagedPage("values")
}

const sizes: Readonly<Record<string, number>> = {
  INT32: 4,
  INT64: 8,
  INT96: 12,
  FLOAT: 4,
  DOUBLE: 8
}

const sizeOf = ({ length, type }: PhysicalType): number =>
  type === "FIXED_LEN_BYTE_ARRAY" ? length : (sizes[type] ?? Number.NaN)

/** Checks that the rest of a page is exactly `count` values without an encoding. */
export const checkPlain = (bytes: PageBytes, physical: PhysicalType, count: number): void => {
  const { view } = bytes
  const end = view.byteLength
  if (physical.type === "BOOLEAN") return check(end - bytes.offset === Math.ceil(count / 8))
  if (physical.type !== "BYTE_ARRAY") {
    return check(end - bytes.offset === count * sizeOf(physical))
  }
  let at = bytes.offset
  for (let index = 0; index < count; index++) {
    check(at + 4 <= end)
    at += 4 + view.getUint32(at, true)
  }
  check(at === end)
}

/** Checks the head of integers stored as differences. */
const checkDeltas = (bytes: PageBytes, count: number): void => {
  const block = varInt(bytes)
  const parts = varInt(bytes)
  check(block > 0 && block <= 2 ** 20 && block % 128 === 0)
  check(parts > 0 && block % parts === 0 && (block / parts) % 32 === 0)
  check(varInt(bytes) === count)
}

/** Checks that the rest of a page is `count` values of an encoding. */
export const checkValues = (
  bytes: PageBytes,
  encoding: string | undefined,
  physical: PhysicalType,
  count: number,
  dictionary: number | undefined
): void => {
  if (count === 0) return
  const end = bytes.view.byteLength
  switch (encoding) {
    case "PLAIN":
      return checkPlain(bytes, physical, count)
    case "PLAIN_DICTIONARY":
    case "RLE_DICTIONARY": {
      check(dictionary !== undefined)
      const width = bytes.view.getUint8(bytes.offset++)
      // All indices are 0 then, which some writers store as no runs.
      if (width === 0 && bytes.offset === end) return check(dictionary! > 0)
      return visitRuns(bytes, end, width, count, (index) => check(index < dictionary!))
    }
    case "RLE": {
      check(physical.type === "BOOLEAN")
      const length = bytes.view.getUint32(bytes.offset, true)
      bytes.offset += 4
      return visitRuns(bytes, bytes.offset + length, 1, count, () => {})
    }
    case "BYTE_STREAM_SPLIT":
      return check(end - bytes.offset === count * sizeOf(physical))
    case "DELTA_BINARY_PACKED":
    case "DELTA_LENGTH_BYTE_ARRAY":
    case "DELTA_BYTE_ARRAY":
      return checkDeltas(bytes, count)
    default:
      throw new DamagedPage("encoding")
  }
}
