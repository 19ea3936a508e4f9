//! Openers of documents, scripts and shortcuts; see [`contents`](super::contents).
