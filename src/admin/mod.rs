//! the local control socket and API.
