//! typed sled trees.
