/**
 * Makes text from the other side fit for an error message: nothing that looks like a credential, no control characters, bounded.
 */

const LIMIT = 2048

/** Names whose values are secrets whatever they look like, in JSON (also inside a JSON text) and in forms. */
const named =
  /((?:access|refresh|id|subject)[_-]?token|client[_-]?(?:secret|assertion)|password)(\\*["']?\s*[:=]\s*)(\\+"(?:[^"\\]|\\+[^"\\])*|"(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s"'&,;})\]<]+)/gi

/** Removes what looks like a credential from `text` and the given secrets, and cuts it at 2 KiB. */
export const scrub = (text: string, secrets: ReadonlyArray<string> = []): string => {
  let clean = text
  // A short one may be a word of the sentence. Longer ones first: one may be a part of another.
  const known = secrets.filter((secret) => secret.length >= 8).sort((a, b) => b.length - a.length)
  for (const secret of known) clean = clean.replaceAll(secret, "<redacted>")
  clean = clean
    .replace(named, "$1$2<redacted>")
    .replace(/\b(bearer|basic|dpop)\s+[^\s"',;]+/gi, "$1 <redacted>")
    .replace(/\beyJ[\w-]+\.[\w-]+(\.[\w-]*)?/g, "<redacted>")
    // oxlint-disable-next-line no-control-regex -- control characters could forge lines of a log
    .replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ")
    .trim()
  return clean.length > LIMIT ? `${clean.slice(0, LIMIT)}...` : clean
}
