/**
 * The layout of a documentation page in the browser: whether it is wider than the window, and which
 * texts have too little contrast with their background.
 */
import type { Page } from "playwright-core"

/** Elements that extend beyond the right edge of a page that scrolls sideways. */
export const tooWide = (page: Page): Promise<ReadonlyArray<string>> =>
  page.evaluate(() => {
    if (document.documentElement.scrollWidth <= window.innerWidth) return []
    return [...document.querySelectorAll(".col-content, .col-content *")]
      .filter((element) => element.getBoundingClientRect().right > window.innerWidth + 1)
      .slice(0, 5)
      .map(({ tagName, textContent }) => `too wide: ${tagName} ${textContent?.trim().slice(0, 60)}`)
      .concat(`the page is ${document.documentElement.scrollWidth} pixels wide`)
  })

/**
 * Texts whose contrast is below 4.5, or 3 for large ones (WCAG 2.2, level AA), each with its
 * colours.
 */
export const tooFaint = (page: Page): Promise<ReadonlyArray<string>> =>
  page.evaluate(() => {
    const context = document.createElement("canvas").getContext("2d", {
      willReadFrequently: true
    })!
    /** Red, green, blue and opacity of any colour format. */
    const channels = (color: string): ReadonlyArray<number> => {
      context.clearRect(0, 0, 1, 1)
      context.fillStyle = color
      context.fillRect(0, 0, 1, 1)
      return [...context.getImageData(0, 0, 1, 1).data]
    }
    const luminance = (color: string): number => {
      const [red, green, blue] = channels(color).map((channel) => {
        const part = channel / 255
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
      })
      return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!
    }
    const background = (element: Element): string => {
      for (let at: Element | null = element; at !== null; at = at.parentElement) {
        const color = getComputedStyle(at).backgroundColor
        if (channels(color)[3]! > 0) return color
      }
      return "white"
    }
    const found = new Set<string>()
    for (const element of document.querySelectorAll("body *:not(svg, svg *)")) {
      const text = [...element.childNodes]
        .filter((node) => node.nodeType === Node.TEXT_NODE)
        .map((node) => node.textContent)
        .join("")
        .trim()
      if (text === "" || !element.checkVisibility({ visibilityProperty: true })) continue
      const { color, fontSize, fontWeight } = getComputedStyle(element)
      const size = Number.parseFloat(fontSize)
      const isLarge = size >= 24 || (size >= 18.66 && Number(fontWeight) >= 700)
      const behind = background(element)
      const [dark, light] = [luminance(color), luminance(behind)].sort((a, b) => a - b)
      const contrast = (light! + 0.05) / (dark! + 0.05)
      if (contrast < (isLarge ? 3 : 4.5)) {
        found.add(`${text.slice(0, 30)}: ${color} on ${behind} is ${contrast.toFixed(2)}`)
      }
    }
    return [...found].slice(0, 10)
  })
