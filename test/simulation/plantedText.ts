/**
 * Finds the text of a planted bug in a source file and replaces it. White space does not count, so
 * that a mutation survives another layout of the same code.
 */
import type { Replacement } from "./mutations.ts"

/** The text without white space, and for each character left its index in the text. */
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

/** The source with the replacement in it, or the number of places where its text is found. */
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
