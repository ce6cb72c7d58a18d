// Draws the Mermaid diagrams of a page, with the copy of Mermaid that lies beside this file.
const diagrams = [...document.querySelectorAll("pre > code.mermaid")]
if (diagrams.length > 0) {
  const script = document.createElement("script")
  script.src = new URL("mermaid.js", document.currentScript.src).href
  script.onload = async () => {
    const dark =
      document.documentElement.dataset.theme === "dark" ||
      (document.documentElement.dataset.theme !== "light" &&
        matchMedia("(prefers-color-scheme: dark)").matches)
    globalThis.mermaid.initialize({ startOnLoad: false, theme: dark ? "dark" : "neutral" })
    for (const [index, code] of diagrams.entries()) {
      const { svg } = await globalThis.mermaid.render(`diagram-${index}`, code.textContent)
      const figure = document.createElement("figure")
      figure.className = "diagram"
      figure.innerHTML = svg
      code.parentElement.replaceWith(figure)
    }
  }
  document.head.append(script)
}
