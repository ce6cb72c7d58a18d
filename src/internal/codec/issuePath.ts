/**
 * The path of an Effect Schema issue within a value. The issue's own text may quote the value, so
 * only its path is used.
 */
import type * as SchemaIssue from "effect/SchemaIssue"

/** The path of the first problem of an issue. */
export const issuePath = (issue: SchemaIssue.Issue): Array<string | number> => {
  const path: Array<string | number> = []
  let at: SchemaIssue.Issue | undefined = issue
  while (at !== undefined) {
    if (at._tag === "Pointer") {
      for (const key of at.path) path.push(typeof key === "number" ? key : String(key))
      at = at.issue
    } else if (at._tag === "Composite") at = at.issues[0]
    else if (at._tag === "Encoding" || at._tag === "Filter") at = at.issue
    else break
  }
  return path
}
