/**
 * Converts decimals as people write them to plain decimal text for the wire.
 *
 * Text that does not fit returns `undefined`. Nothing is rounded.
 */

const decimalPattern = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?$/

/**
 * The number as text without an exponent, or `undefined` when it does not fit DECIMAL(precision,
 * scale). Digits beyond the scale are accepted only when they are zeros.
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
