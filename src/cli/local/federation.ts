/**
 * `zerobus local --trust-issuer` and `--subject`: the identity providers whose JWTs are exchanged
 * for tokens, and the principals that their subjects act as.
 */
import * as Effect from "effect/Effect"
import { readFile } from "node:fs/promises"
import type { TrustedIssuer } from "../../testing/localOptions.ts"
import { type CommandFailed, failed } from "../terminal/CommandFailed.ts"

/** Maximum size of a key file, in bytes. */
const largestFile = 1024 * 1024

/** Splits `name=value` at its first equals sign. */
const pair = (
  flag: string,
  text: string,
  form: string
): Effect.Effect<readonly [string, string], CommandFailed> => {
  const at = text.indexOf("=")
  const [name, value] = [text.slice(0, at).trim(), text.slice(at + 1).trim()]
  return at < 1 || name === "" || value === ""
    ? Effect.fail(failed(`The --${flag} ${JSON.stringify(text.slice(0, 100))} must read ${form}.`))
    : Effect.succeed([name, value])
}

/** Reads one `issuer=file`. The server checks the file's content. */
export const issuerOf = (text: string): Effect.Effect<TrustedIssuer, CommandFailed> =>
  Effect.flatMap(pair("trust-issuer", text, "https://issuer.example=keys.json"), ([issuer, file]) =>
    Effect.tryPromise({
      try: () => readFile(file),
      catch: (error) =>
        failed(
          `The keys of ${issuer} cannot be read from ${file}: ` +
            `${(error as NodeJS.ErrnoException).code}.`
        )
    }).pipe(
      Effect.flatMap((bytes) =>
        bytes.length > largestFile
          ? Effect.fail(
              failed(`The file ${file} is larger than ${largestFile} bytes, the limit for keys.`)
            )
          : Effect.succeed({ issuer, keys: bytes.toString("utf8") })
      )
    )
  )

/** Reads all `name=subject` pairs. Returns a function from principal names to subjects. */
export const subjectsOf = (
  texts: ReadonlyArray<string>,
  names: ReadonlyArray<string>
): Effect.Effect<(name: string) => ReadonlyArray<string>, CommandFailed> =>
  Effect.forEach(texts, (text) => pair("subject", text, "principal=subject")).pipe(
    Effect.flatMap((pairs) => {
      const unknown = pairs.find(([name]) => !names.includes(name))
      return unknown === undefined
        ? Effect.succeed((name: string) =>
            pairs.flatMap(([each, subject]) => (each === name ? [subject] : []))
          )
        : Effect.fail(
            failed(
              `There is no principal ${unknown[0]} for --subject. There are ${names.join(", ")}.`
            )
          )
    })
  )
