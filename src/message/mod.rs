//! what a message contains, and edits to its header.
