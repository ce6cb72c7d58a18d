/** Output of a process that will be killed: it has been written when the call returns. */
import { writeSync } from "node:fs"

/** Writes text to standard output, even when its reader is slow. */
export const print = (text: string): void => {
  const bytes = Buffer.from(text)
  let written = 0
  while (written < bytes.length) {
    try {
      written += writeSync(1, bytes, written)
    } catch (error) {
      // Pipes between Node processes do not block: retry while the pipe is full.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error
    }
  }
}
