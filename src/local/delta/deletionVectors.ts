/**
 * Deletion vectors of data files: the deleted rows of a file, read from the place that the log
 * names. Only other writers create them; this server reads them and never changes such files.
 */
import * as Path from "node:path"
import { crc32 } from "node:zlib"
import { openPlain } from "../../internal/log/plainFile.ts"
import { StorageFailure } from "../log/storageErrors.ts"
import type { Add, DeletionVector } from "./deltaActions.ts"
import { filePath } from "./filePaths.ts"
import { DamagedBitmap, largestBitmap, readRoaringArray, type RowSet } from "./roaringBitmap.ts"

const digits =
  "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
const uuidDigits = 20
/**
 * The most rows of a file whose vector is read, so that a wrong footer cannot allocate more than
 * 256 MiB.
 */
const mostRows = 2 ** 31
/** The version of a file of vectors, stored in its first byte. */
const fileVersion = 1

const damaged = (why: string): never => {
  throw new DamagedBitmap(why)
}

/** Decodes Z85: five digits encode four bytes. */
const bytesOfZ85 = (text: string): Uint8Array => {
  if (text.length % 5 !== 0) damaged("its text has a wrong length")
  const bytes = new Uint8Array((text.length / 5) * 4)
  const view = new DataView(bytes.buffer)
  for (let group = 0; group * 5 < text.length; group++) {
    let value = 0
    for (const digit of text.slice(group * 5, group * 5 + 5)) {
      const at = digits.indexOf(digit)
      if (at < 0) damaged("its text has a character that is not a Z85 digit")
      value = value * 85 + at
    }
    if (value > 0xffff_ffff) damaged("its text has a number beyond 32 bits")
    view.setUint32(group * 4, value)
  }
  return bytes
}

/** The file of a vector inside the table's folder: an optional folder, and a UUID in 20 digits. */
const relativePath = (text: string): string => {
  if (text.length < uuidDigits) damaged("its path is too short")
  const hex = Buffer.from(bytesOfZ85(text.slice(-uuidDigits))).toString("hex")
  const uuid = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")
  const folder = text.slice(0, -uuidDigits)
  if (!/^\w*$/.test(folder)) damaged("its path has characters that a folder of vectors cannot have")
  return Path.join(folder, `deletion_vector_${uuid}.bin`)
}

/** The file that holds a vector; undefined for a vector inside the log. */
const vectorFile = (
  table: string,
  { pathOrInlineDv, storageType }: DeletionVector
): string | undefined => {
  switch (storageType) {
    case "i":
      return undefined
    case "u":
      return Path.join(table, relativePath(pathOrInlineDv))
    case "p":
      return filePath(table, pathOrInlineDv)
    default:
      return damaged(`its storage type ${JSON.stringify(storageType)} is unknown`)
  }
}

/** Reads one vector from a file of vectors, and checks its size and its CRC-32. */
const bytesInFile = async (path: string, offset: number, size: number): Promise<Uint8Array> => {
  const file = await openPlain(path, "read")
  try {
    const read = async (length: number, position: number): Promise<Buffer> => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position)
      return bytesRead === length ? buffer : damaged("it ends before the vector does")
    }
    const version = (await read(1, 0))[0]
    if (version !== fileVersion) damaged(`it has the version ${version}`)
    const framed = await read(size + 8, offset)
    if (framed.readInt32BE(0) !== size) damaged("it holds another size than the log says")
    const bytes = framed.subarray(4, 4 + size)
    return crc32(bytes) === framed.readUInt32BE(4 + size)
      ? bytes
      : damaged("its checksum does not fit")
  } finally {
    await file.close()
  }
}

const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0

const readVector = async (
  vector: DeletionVector,
  file: string | undefined,
  rows: number
): Promise<RowSet> => {
  const { cardinality, offset = 1, pathOrInlineDv, sizeInBytes: size } = vector
  if (rows > mostRows) damaged(`the file has ${rows} rows, more than ${mostRows}`)
  if (!isCount(size) || size > largestBitmap(rows))
    damaged(`no vector of ${rows} rows has ${size} bytes`)
  if (!isCount(offset)) damaged(`its offset ${offset} is not a position in a file`)
  const bytes =
    file === undefined ? bytesOfZ85(pathOrInlineDv) : await bytesInFile(file, offset, size)
  if (bytes.length < size) damaged("it is shorter than the log says")
  const found = readRoaringArray(bytes.subarray(0, size), rows)
  return found.count === cardinality
    ? found
    : damaged(`it has ${found.count} rows, and the log says ${cardinality}`)
}

/**
 * The deleted rows of a data file that has `rows` rows; undefined for a file without a vector.
 * Fails with `CorruptTable`, naming both files, when the vector cannot be read or does not fit the
 * file: ignoring it would show deleted rows.
 */
export const deletedRows = async (
  table: string,
  { deletionVector, path }: Pick<Add, "path" | "deletionVector">,
  rows: number
): Promise<RowSet | undefined> => {
  if (deletionVector === undefined) return undefined
  let place = "in the log"
  try {
    const file = vectorFile(table, deletionVector)
    if (file !== undefined) place = file
    return await readVector(deletionVector, file, rows)
  } catch (error) {
    if (error instanceof StorageFailure) throw error
    const why =
      error instanceof DamagedBitmap
        ? error.message
        : ((error as NodeJS.ErrnoException).code ?? "unknown")
    throw new StorageFailure({
      reason: "CorruptTable",
      message:
        `The deletion vector (${place}) of the file ${path} in ${table} cannot be used: ${why}. ` +
        "Restore it from a backup, or go back to a version of the table before the deletion."
    })
  }
}
