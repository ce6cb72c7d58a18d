/**
 * The Unity Catalog tag of a column that takes what JSON records have beyond the columns of their
 * table. It is also the key in the metadata of that column's type.
 */
export const rescueTag = "zerobus-rescue"
