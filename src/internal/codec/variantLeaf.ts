/**
 * VARIANT as a leaf: any JSON value in the program, JSON text on the wire.
 */
import { scalarTypes } from "../columns/scalarTypes.ts"
import type { Leaf } from "./scalar.ts"

const maxVariantDepth = 500

const isJson = (value: unknown, depth: number): boolean => {
  switch (typeof value) {
    case "string":
      return value.isWellFormed()
    case "boolean":
      return true
    case "number":
      return Number.isFinite(value)
    case "object": {
      if (value === null) return true
      if (depth === maxVariantDepth) return false
      if (Array.isArray(value)) return value.every((item) => isJson(item, depth + 1))
      const prototype: unknown = Object.getPrototypeOf(value)
      if (prototype !== Object.prototype && prototype !== null) return false
      for (const [key, item] of Object.entries(value))
        if (!key.isWellFormed() || !isJson(item, depth + 1)) return false
      return true
    }
    default:
      return false
  }
}

/**
 * Whether a value can be a VARIANT: null, booleans, finite numbers, well-formed text, and arrays
 * and plain objects of them, at most 500 levels deep.
 */
export const isVariant = (value: unknown): boolean => isJson(value, 0)

/** VARIANT as a JSON value. */
export const variant: Leaf = {
  type: { _tag: "Variant" },
  scalar: scalarTypes.Variant.wire,
  expected: "VARIANT (a JSON value)",
  toWire: (value) => (isVariant(value) ? JSON.stringify(value) : undefined),
  fromWire: (value) => {
    try {
      return JSON.parse(String(value))
    } catch {
      return undefined
    }
  },
  seen: (value) => (typeof value === "object" ? "a value that JSON cannot hold" : undefined)
}
