//! How an act on several mails went, in words for the next page.

use super::Refusal;

/// How an act on several mails went.
#[derive(Debug, Default)]
pub(super) struct Tally {
    done: usize,
    failed: Vec<String>,
}

impl Tally {
    /// One more.
    pub(super) fn add<T>(&mut self, name: &str, went: &Result<T, Refusal>) {
        match went {
            Ok(_) => self.done += 1,
            Err(why) => self.failed.push(format!("{name}: {why}")),
        }
    }

    /// Whether nothing failed.
    pub(super) fn is_whole(&self) -> bool {
        self.failed.is_empty()
    }

    /// `3 mails released; 1 failed: …`.
    pub(super) fn words(&self, done: &str) -> String {
        let mails =
            |count: usize| if count == 1 { "1 mail".into() } else { format!("{count} mails") };
        let mut words = format!("{} {done}", mails(self.done));
        if let Some(first) = self.failed.first() {
            words += &format!("; not {}: {first}", mails(self.failed.len()));
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_says_what_failed() {
        let mut tally = Tally::default();
        tally.add("A", &Ok(()));
        assert!(tally.is_whole());
        assert_eq!(tally.words("released"), "1 mail released");
        tally.add::<()>("B", &Err(Refusal::NotFound));
        assert!(!tally.is_whole());
        let words = tally.words("released");
        assert!(words.starts_with("1 mail released; not 1 mail: B: there is no such"), "{words}");
    }
}
