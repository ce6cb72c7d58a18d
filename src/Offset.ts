/**
 * Offsets: the position of a record, or of an atomic batch, in one stream.
 */
import * as Brand from "effect/Brand"

/**
 * The position of one `ingestRecord` or non-empty `ingestRecords` call in its stream: 0, 1, 2, ...
 * without gaps. It stays the same after reconnects. It is not the offset on the wire, which starts
 * again with each connection.
 *
 * @since 0.1.0
 * @category models
 */
export type Offset = number & Brand.Brand<"Offset">

/**
 * Brands a number as an offset, without a check.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Offset = Brand.nominal<Offset>()
