/**
 * The Unity Catalog tag of a column that takes what JSON records have beyond the columns of their
 * table. It is also the key that such a column has in the metadata of its type.
 */
export const rescueTag = "zerobus-rescue"
