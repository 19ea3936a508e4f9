//! sans-IO protocol: commands, server and client machines, end of data, BDAT.
