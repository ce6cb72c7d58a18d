/**
 * Decimals as people write them, turned into the plain decimal text that travels.
 *
 * Text that does not fit reads as `undefined`; nothing is rounded.
 */

const decimalPattern = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?$/

/**
 * A number as text without an exponent that fits DECIMAL(precision, scale), or `undefined`. More
 * decimals than the scale are only taken when they are zeros.
 */
export const plain = (text: string, precision: number, scale: number): string | undefined => {
  const match = decimalPattern.exec(text)
  if (match === null || text.length > 100) return undefined
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = match
  if (whole === "" && fraction === "") return undefined
  const digits = whole + fraction
  const point = whole.length + Number(exponent)
  const left = (point <= 0 ? "" : digits.slice(0, point).padEnd(point, "0")).replace(/^0+/, "")
  const right = (
    point < 0 ? "0".repeat(-point) + digits : digits.slice(Math.max(point, 0))
  ).replace(/0+$/, "")
  if (right.length > scale || left.length > precision - scale) return undefined
  const digitText = (left === "" ? "0" : left) + (right === "" ? "" : `.${right}`)
  return sign === "-" && digitText !== "0" ? `-${digitText}` : digitText
}
