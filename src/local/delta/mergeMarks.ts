/**
 * The marks of our own merges in a Delta log. A merge replaces several files by one with their
 * rows, so it is correct only if all of these files were live. Another writer that replaces an
 * earlier version can invalidate it afterwards.
 */
import { fileKey, type Remove, type Snapshot } from "./deltaActions.ts"

/**
 * The tag of a data file that this server removed by merging it with others, so that it may be
 * deleted while the server runs. The merged file has the tag too.
 */
export const mergedTag = "effect-zerobus.merged"

/** The tag's value for a removed file that was itself created by a merge. */
const again = "again"

/** The tags of a file that a merge removes. */
export const removedTags = ({
  tags
}: {
  readonly tags?: Record<string, string>
}): Record<string, string> => ({
  [mergedTag]: tags?.[mergedTag] === undefined ? "true" : again
})

/** Whether a removed file was created by a merge, so that its rows were in other files before. */
export const isMergedAgain = ({ tags }: Remove): boolean => tags?.[mergedTag] === again

/** Whether a commit is a merge of ours that includes files that are not live. */
export const isBrokenMerge = ({ files }: Snapshot, text: string): boolean => {
  if (!text.includes(mergedTag)) return false
  for (const line of text.split("\n")) {
    if (!line.includes(mergedTag)) continue
    const { remove } = JSON.parse(line) as { readonly remove?: Remove | null }
    if (remove?.tags?.[mergedTag] !== undefined && !files.has(fileKey(remove))) return true
  }
  return false
}
