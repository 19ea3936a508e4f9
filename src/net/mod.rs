//! listeners, TLS, resolver, connection limits, PROXY protocol.
