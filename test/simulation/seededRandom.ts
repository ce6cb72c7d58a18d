/**
 * Random numbers from a seed: the only source of randomness in a simulation.
 *
 * Every part of a simulation uses a separate stream of numbers, named by a label, so that one part
 * drawing more often does not change the numbers of the others.
 */

/** A seeded random source. */
export interface SeededRandom {
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly float: () => number
  /** A whole number from 0 to `bound - 1`. */
  readonly int: (bound: number) => number
  /** A whole number from `low` to `high`, both inclusive. */
  readonly between: (low: number, high: number) => number
  readonly chance: (probability: number) => boolean
  readonly pick: <T>(choices: ReadonlyArray<T>) => T
  /** A separate source for one part; the same label gives the same source. */
  readonly fork: (label: string) => SeededRandom
}

const mix = (text: string): ReadonlyArray<number> => {
  // FNV-1a with four offsets gives the four words of the generator's state.
  return [0x811c9dc5, 0x9e3779b9, 0x85ebca6b, 0xc2b2ae35].map((start) => {
    let hash = start
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
    hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d)
    return (hash ^ (hash >>> 15)) >>> 0
  })
}

/** Creates the source for `name`. */
export const makeRandom = (name: string): SeededRandom => {
  let [a, b, c, d] = mix(name) as [number, number, number, number]
  // sfc32: small, fast, and good enough to pick faults.
  const next = (): number => {
    const t = (((a + b) >>> 0) + d) >>> 0
    d = (d + 1) >>> 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) >>> 0
    c = ((c << 21) | (c >>> 11)) >>> 0
    c = (c + t) >>> 0
    return t
  }
  for (let i = 0; i < 12; i++) next()
  const float = () => next() / 2 ** 32
  const int = (bound: number) => Math.floor(float() * bound)
  return {
    float,
    int,
    between: (low, high) => low + int(high - low + 1),
    chance: (probability) => float() < probability,
    pick: (choices) => choices[int(choices.length)]!,
    fork: (label) => makeRandom(`${name}/${label}`)
  }
}
