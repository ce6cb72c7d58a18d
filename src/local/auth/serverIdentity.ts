/**
 * The identity of a server, which it keeps over restarts on the same data folder: the key that
 * signs its tokens, and its default credentials.
 *
 * They are stored in the data folder, readable by its owner only, so that clients can continue with
 * their tokens after the server was restarted. A server in memory creates new ones each time.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { createHmac, randomBytes, randomUUID } from "node:crypto"
import * as Path from "node:path"
import { replaceSynced } from "../../internal/log/durableFile.ts"
import { readPlain } from "../../internal/log/plainFile.ts"
import { StorageFailure, storageFailure } from "../log/storageErrors.ts"

/** Key and default credentials of a server. */
export interface ServerIdentity {
  readonly tokenKey: Redacted.Redacted<Uint8Array>
  readonly clientId: string
  readonly clientSecret: Redacted.Redacted<string>
}

interface Stored {
  readonly tokenKey: string
  readonly clientSecret: string
}

const clientId = "local-client"
const fileName = ".server-identity.json"

const generate = (): Stored => ({
  tokenKey: randomBytes(32).toString("base64url"),
  clientSecret: `local-${randomBytes(18).toString("base64url")}`
})

const identity = (stored: Stored): ServerIdentity => ({
  tokenKey: Redacted.make(Buffer.from(stored.tokenKey, "base64url"), { label: "token key" }),
  clientId,
  clientSecret: Redacted.make(stored.clientSecret, { label: "client secret" })
})

/**
 * The secret of an additional principal that was given none. It stays the same as long as the
 * identity.
 */
export const secretOf = (
  { tokenKey }: ServerIdentity,
  clientId: string
): Redacted.Redacted<string> => {
  const derived = createHmac("sha256", Redacted.value(tokenKey))
    .update(`client secret of ${clientId}`)
    .digest()
  return Redacted.make(`local-${derived.subarray(0, 18).toString("base64url")}`, {
    label: "client secret"
  })
}

/** A new identity for the lifetime of the process. */
export const newIdentity: Effect.Effect<ServerIdentity> = Effect.sync(() => identity(generate()))

/**
 * The identity of a data folder, created when it has none. The caller must hold the folder's lock.
 */
export const folderIdentity = (folder: string): Effect.Effect<ServerIdentity, StorageFailure> =>
  Effect.tryPromise({
    try: async () => {
      const path = Path.join(folder, fileName)
      const kept = await readPlain(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return undefined
        throw error
      })
      if (kept !== undefined) return identity(parse(kept.toString("utf8"), path))
      const stored = generate()
      await replaceSynced(path, `${path}.${randomUUID()}`, JSON.stringify(stored))
      return identity(stored)
    },
    catch: (error) => storageFailure(error, "reading the server's identity", folder)
  })

const parse = (text: string, path: string): Stored => {
  try {
    const stored = JSON.parse(text) as Partial<Stored>
    if (typeof stored.tokenKey === "string" && typeof stored.clientSecret === "string") {
      return { tokenKey: stored.tokenKey, clientSecret: stored.clientSecret }
    }
  } catch {
    // Reported below without the parser's message, which could quote the file.
  }
  throw new StorageFailure({
    reason: "Io",
    message: `${path} is damaged. Delete it to create a new one; clients then need the new secret.`
  })
}
