/**
 * Why a file with types cannot be read, or not further.
 */

/** The message stands behind the name of the file: `is cut off within row 12.` */
export class BadFile extends Error {}

/** Leaves a reader with a {@link BadFile}. */
export const badFile = (message: string): never => {
  throw new BadFile(message)
}
