/**
 * Makes text of others fit for an error message: nothing that looks like a credential, no control
 * characters, bounded.
 */

const LIMIT = 2048
/** Characters of a text that are looked at. */
const READ = 64 * 1024

/**
 * Names whose values are secrets whatever they look like, in JSON (also inside a JSON text) and in
 * forms.
 */
const named =
  /((?:access|refresh|id|subject)[_-]?token|client[_-]?(?:secret|assertion)|password)(\\*["']?\s*[:=]\s*)(\\+"(?:[^"\\]|\\+[^"\\])*|"(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s"'&,;})\]<]+)/gi

/**
 * The part of a long text that is looked at. It ends between words: half a token would not be known
 * for one.
 */
const wholeWords = (text: string): string => {
  if (text.length <= READ) return text
  let end = READ
  while (end > 0 && !/[\s"',;]/.test(text[end - 1]!)) end--
  return text.slice(0, end)
}

/**
 * A run of what tokens are made of, cut where a signed token begins; some text goes with it that
 * only looks like one.
 */
const withoutToken = (run: string): string => {
  const at = run.search(/\beyJ/)
  return at >= 0 && run.indexOf(".", at) > 0 ? `${run.slice(0, at)}<redacted>` : run
}

/**
 * Secrets as they are and as JSON writes them. The longest comes first, since one may be a part of
 * another. Short ones are left out, since they may be words of a sentence.
 */
const formsOf = (secrets: ReadonlyArray<string>): ReadonlyArray<string> =>
  secrets
    .filter((secret) => secret.length >= 8)
    .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)])
    .sort((a, b) => b.length - a.length)

/** Whether one of the secrets, of 8 characters at least, stands in the text or in JSON text. */
export const holdsSecret = (text: string, secrets: ReadonlyArray<string>): boolean =>
  formsOf(secrets).some((form) => text.includes(form))

/** Removes what looks like a credential from `text` and the given secrets, and cuts it at 2 KiB. */
export const scrub = (text: string, secrets: ReadonlyArray<string> = []): string => {
  let clean = text
  for (const form of formsOf(secrets)) clean = clean.replaceAll(form, "<redacted>")
  clean = wholeWords(clean)
    .replace(named, "$1$2<redacted>")
    .replace(/\b(bearer|basic|dpop)\s+[^\s"',;]+/gi, "$1 <redacted>")
    // Whole runs, so that a long text is read once, wherever a token could begin in it.
    .replace(/[\w-]+(?:\.[\w-]*)*/g, withoutToken)
    // oxlint-disable-next-line no-control-regex -- control characters could forge lines of a log
    .replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ")
    .trim()
  return clean.length > LIMIT ? `${clean.slice(0, LIMIT)}...` : clean
}

/**
 * Whether letters and digits stand together in a row of 12 at least, which words of a sentence have
 * not.
 */
const isOpaque = (run: string): boolean =>
  (run.match(/[a-z\d]{12,}/gi) ?? []).some((row) => /\d/.test(row) && /[a-z]/i.test(row))

/**
 * Does what `scrub` does, and removes words that may be a token of any shape. For texts of code
 * that handles secrets which are not known here.
 */
export const scrubOpaque = (text: string): string =>
  scrub(text).replace(/[\w~+/-]{12,}=*/g, (run) => (isOpaque(run) ? "<redacted>" : run))
