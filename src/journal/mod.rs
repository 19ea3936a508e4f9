//! every transition of every mail; tracking.
