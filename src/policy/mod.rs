//! Pure: (Scanned, terms) → verdict and orders; mints `Mail<Judged>`.

mod stage;

pub use stage::Judged;
