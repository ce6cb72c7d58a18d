/**
 * Offsets: the position of a record, or of an atomic batch, in one stream.
 */
import * as Brand from "effect/Brand"

/**
 * The position of one `ingestRecord` or of one non-empty `ingestRecords` in its stream: 0, 1, 2,
 * ... without gaps, kept over reconnects. Not the offset on the wire, which starts anew with each
 * connection.
 *
 * @since 0.1.0
 * @category models
 */
export type Offset = number & Brand.Brand<"Offset">

/**
 * Brands a number that is known to be an offset.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Offset = Brand.nominal<Offset>()
