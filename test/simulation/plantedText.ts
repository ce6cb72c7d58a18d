/**
 * Finds the text of a planted bug in a source file and replaces it. It ignores white space, so that
 * a mutation still applies after the code is reformatted.
 */
import type { Replacement } from "./mutations.ts"

/** The text without white space, and the original index of each remaining character. */
const dense = (
  text: string
): { readonly characters: string; readonly at: ReadonlyArray<number> } => {
  const at: Array<number> = []
  let characters = ""
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) <= 32) continue
    characters += text[index]
    at.push(index)
  }
  return { characters, at }
}

/** The source with the replacement, or the number of places where the text occurs. */
export const replaced = (
  source: string,
  { find, replace }: Pick<Replacement, "find" | "replace">
): string | number => {
  const { characters, at } = dense(source)
  const wanted = dense(find)
  const parts = characters.split(wanted.characters)
  if (parts.length !== 2) return parts.length - 1
  const first = parts[0]!.length
  const last = first + wanted.characters.length - 1
  return source.slice(0, at[first]) + replace.trim() + source.slice(at[last]! + 1)
}
