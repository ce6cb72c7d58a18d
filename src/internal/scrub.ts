/**
 * Prepares text from other sources for an error message: nothing that looks like a credential, no
 * control characters, bounded in length.
 */

const LIMIT = 2048
/** Characters of a text that are read. */
const READ = 64 * 1024

/** Names whose values are always secrets, in JSON (also inside a JSON text) and in forms. */
const named =
  /((?:access|refresh|id|subject)[_-]?token|client[_-]?(?:secret|assertion)|password)(\\*["']?\s*[:=]\s*)(\\+"(?:[^"\\]|\\+[^"\\])*|"(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s"'&,;})\]<]+)/gi

/**
 * The part of a long text that is read. It ends between words: half a token would not be
 * recognized.
 */
const wholeWords = (text: string): string => {
  if (text.length <= READ) return text
  let end = READ
  while (end > 0 && !/[\s"',;]/.test(text[end - 1]!)) end--
  return text.slice(0, end)
}

/**
 * Cuts a run of token characters where a signed token begins. This also removes some text that only
 * looks like a token.
 */
const withoutToken = (run: string): string => {
  const at = run.search(/\beyJ/)
  return at >= 0 && run.indexOf(".", at) > 0 ? `${run.slice(0, at)}<redacted>` : run
}

/**
 * Secrets in plain form and as JSON escapes them. The longest come first, since one may be a part
 * of another. Short ones are left out, since they may be ordinary words.
 */
const formsOf = (secrets: ReadonlyArray<string>): ReadonlyArray<string> =>
  secrets
    .filter((secret) => secret.length >= 8)
    .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)])
    .sort((a, b) => b.length - a.length)

/**
 * Whether the text contains one of the secrets, of at least 8 characters, in plain or JSON form.
 */
export const holdsSecret = (text: string, secrets: ReadonlyArray<string>): boolean =>
  formsOf(secrets).some((form) => text.includes(form))

/** Removes what looks like a credential from `text` and the given secrets, and cuts it at 2 KiB. */
export const scrub = (text: string, secrets: ReadonlyArray<string> = []): string => {
  let clean = text
  for (const form of formsOf(secrets)) clean = clean.replaceAll(form, "<redacted>")
  clean = wholeWords(clean)
    .replace(named, "$1$2<redacted>")
    .replace(/\b(bearer|basic|dpop)\s+[^\s"',;]+/gi, "$1 <redacted>")
    // Matches whole runs, so that a long text is read only once, wherever a token could begin.
    .replace(/[\w-]+(?:\.[\w-]*)*/g, withoutToken)
    // oxlint-disable-next-line no-control-regex -- control characters could forge lines of a log
    .replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ")
    .trim()
  return clean.length > LIMIT ? `${clean.slice(0, LIMIT)}...` : clean
}

/** Whether letters and digits are mixed in a row of at least 12. Ordinary words are not. */
const isOpaque = (run: string): boolean =>
  (run.match(/[a-z\d]{12,}/gi) ?? []).some((row) => /\d/.test(row) && /[a-z]/i.test(row))

/**
 * Like `scrub`, and removes words that may be a token of any form. For texts of code that handles
 * secrets which are unknown here.
 */
export const scrubOpaque = (text: string): string =>
  scrub(text).replace(/[\w~+/-]{12,}=*/g, (run) => (isOpaque(run) ? "<redacted>" : run))
