//! Openers of archives and compressed files; see [`contents`](super::contents).

/// Whether a text holds files in an old encoding.
pub(in crate::message) fn holds_text_files(_text: &[u8]) -> bool {
    false
}
