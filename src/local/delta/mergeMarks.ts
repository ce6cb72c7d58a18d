/**
 * The marks of our own merges in a Delta log. A merge replaces files by one with their rows, so it
 * is right only where all of these files were live; another writer that replaces an earlier version
 * can change that afterwards.
 */
import { fileKey, type Remove, type Snapshot } from "./deltaActions.ts"

/**
 * The tag of a data file that left the table because this server merged it with others, so that it
 * may be deleted while the server runs; and of the file that took its place.
 */
export const mergedTag = "effect-zerobus.merged"

/** What the tag says of a removed file that a merge had made. */
const again = "again"

/** The tags of a file that a merge removes. */
export const removedTags = ({
  tags
}: {
  readonly tags?: Record<string, string>
}): Record<string, string> => ({
  [mergedTag]: tags?.[mergedTag] === undefined ? "true" : again
})

/** Whether a removed file was made by a merge, so that its rows were in other files before. */
export const isMergedAgain = ({ tags }: Remove): boolean => tags?.[mergedTag] === again

/** Whether a commit is a merge of ours of files that are not all live. */
export const isBrokenMerge = ({ files }: Snapshot, text: string): boolean => {
  if (!text.includes(mergedTag)) return false
  for (const line of text.split("\n")) {
    if (!line.includes(mergedTag)) continue
    const { remove } = JSON.parse(line) as { readonly remove?: Remove | null }
    if (remove?.tags?.[mergedTag] !== undefined && !files.has(fileKey(remove))) return true
  }
  return false
}
