/**
 * Reads the token of an identity provider from a file that the platform provides: a projected
 * service account token of Kubernetes, or the token of a build job. The platform replaces the file,
 * so it is read for each exchange.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { open } from "node:fs/promises"
import { Retryable, RetryableReason } from "../../ZerobusError.ts"

/** The most bytes that are read of the file: more than any token has. */
const limit = 64 * 1024

/**
 * The text of the file. An unreadable file may be about to be replaced, so that failure is
 * retryable.
 */
export const readSubjectToken = (
  path: string
): Effect.Effect<Redacted.Redacted<string>, Retryable> =>
  Effect.tryPromise({
    try: async () => {
      const file = await open(path, "r")
      try {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(limit), 0, limit, 0)
        return Redacted.make(buffer.subarray(0, bytesRead).toString("utf8"), {
          label: "subject token"
        })
      } finally {
        await file.close()
      }
    },
    catch: (error) => {
      const { code = "an error" } = error as NodeJS.ErrnoException
      const message =
        `The file of the subject token, ${JSON.stringify(path)}, cannot be read: ` + `${code}.`
      return new Retryable({
        reason: RetryableReason.TokenServiceUnavailable({ message }),
        attempts: 1
      })
    }
  })
