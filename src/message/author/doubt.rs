//! Why it cannot be told whom a message shows as its author: a closed list of reasons.
//!
//! They are plain words for an administrator; stages that treat one of them apart compare
//! with the constant.

/// No reader finds an address in From.
pub const NO_ADDRESS: &str = "From holds no address";
/// From fields that name different authors.
pub const SEVERAL_FIELDS: &str = "several From fields name different authors";
/// A From that only some readers see.
pub const HIDDEN_FIELD: &str = "a From field that only some readers see";
/// `From :`.
pub const SPACE_BEFORE_COLON: &str = "space between From and its colon";
/// To some readers the header ends before it.
pub const BEHIND_STRAY: &str = "From stands behind a line that is no field";
/// Larger than is looked into.
pub const TOO_LONG: &str = "From is longer than any author needs";
/// NUL and its like.
pub const CONTROL: &str = "control characters in From";
/// A continuation line of white space only, with more behind it.
pub const BLANK_FOLD: &str = "From goes on behind a line of white space only";
/// Encoded words in an address, RFC 2047 section 5 forbids them.
pub const ENCODED_ADDRESS: &str = "encoded words inside the address";
/// A reader that decodes before it parses sees other addresses.
pub const ENCODED_SYNTAX: &str = "encoded words that hide another address";
/// Decoded names that hold line ends, NULs and the like.
pub const ENCODED_CONTROL: &str = "encoded words that hide control characters";
/// Names, comments or quotes hold what other readers take as the address.
pub const TWO_READINGS: &str = "another address in From that some readers take as the author's";
/// `<a@x` or `"a`.
pub const UNCLOSED: &str = "a quote, bracket or comment in From that is never closed";
/// Comments in comments in comments.
pub const TOO_DEEP: &str = "comments nested deeper than is looked at";
/// `<<a@x>>`.
pub const NESTED_BRACKETS: &str = "angle brackets within angle brackets";
/// Spaces or comments within the address, or words beside it that are not a name.
pub const SCATTERED: &str = "spaces, comments or words within the address";
/// RFC 5322 section 4.4: `<@x,@y:a@b>`.
pub const ROUTE: &str = "a route before the address";
/// `a%x.test@y.test` and `x.test!a@y.test`.
pub const RELAYED: &str = "a second domain within the local part";
/// `"a@x"@y`.
pub const QUOTED_LOCAL: &str = "quoted local part with characters that mislead readers";
/// Zero-width and bidirectional characters, or letters that normalisation changes.
pub const DECEPTIVE_LETTERS: &str = "letters in the address that readers drop, turn or change";
/// Octets above 127 that are not UTF-8.
pub const OCTETS: &str = "octets in the address that are no UTF-8";
/// `a@x.test.`.
pub const TRAILING_DOT: &str = "the domain ends with a dot";
/// RFC 5321 section 4.5.3.1.1 allows 64 octets; some senders' machines use more.
pub const LONG_LOCAL: &str = "local part of the author's address longer than is allowed";
/// RFC 6854 allows a group in From; readers show anything.
pub const GROUP: &str = "a group stands where the author should";
/// `a@b@c` and what else is not in the grammar.
pub const UNREADABLE: &str = "what should be an address is none";
