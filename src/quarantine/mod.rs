//! mail kept from its recipients.
