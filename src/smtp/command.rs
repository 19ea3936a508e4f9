//! To come with the machine.
