/**
 * A button that copies a text.
 */
import { useState } from "preact/hooks"

/** Copies to the clipboard. Over plain HTTP, browsers allow this only on localhost. */
const copy = async (text: string): Promise<boolean> => {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return false
  }
}

/** The button. `text` may fetch its value on click. */
export const CopyButton = ({
  label = "Copy",
  text
}: {
  readonly label?: string
  readonly text: () => string | Promise<string>
}) => {
  const [said, setSaid] = useState<string>()
  const onClick = async () => {
    const isCopied = await Promise.resolve()
      .then(text)
      .then(copy, () => false)
    setSaid(isCopied ? "Copied" : "Not copied: select the text")
    setTimeout(() => setSaid(undefined), 2000)
  }
  return (
    <button type="button" class="button quiet" onClick={() => void onClick()}>
      <span aria-live="polite">{said ?? label}</span>
    </button>
  )
}
