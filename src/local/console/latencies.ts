/**
 * The latencies of one interval as a histogram of fixed size, for percentiles.
 */

/**
 * The upper bound of each bucket is 1.1 times that of the previous one, so that a percentile is at
 * most 10% too high.
 */
const growth = Math.log(1.1)
/** The last bucket ends at about ten minutes. */
const buckets = 140

/** Counts latencies in milliseconds. */
export class Latencies {
  count = 0
  private readonly counts = new Uint32Array(buckets)

  add(millis: number): void {
    const bucket = millis < 1 ? 0 : 1 + Math.floor(Math.log(millis) / growth)
    const index = Math.min(bucket, buckets - 1)
    this.counts[index] = this.counts[index]! + 1
    this.count++
  }

  /**
   * The latency that this fraction of all latencies did not exceed, in milliseconds; 0 without
   * latencies.
   */
  percentile(share: number): number {
    const rank = Math.ceil(this.count * share)
    let seen = 0
    for (let index = 0; index < buckets; index++) {
      seen += this.counts[index]!
      if (seen >= rank && seen > 0) return index === 0 ? 0 : Math.floor(Math.exp(index * growth))
    }
    return 0
  }

  clear(): void {
    this.count = 0
    this.counts.fill(0)
  }
}
