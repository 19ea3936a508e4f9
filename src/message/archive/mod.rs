//! Openers of archives and compressed files; see [`contents`](super::contents).
