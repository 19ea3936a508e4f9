//! Header fields that a program wrote into the text of a mail when it forwarded another one or
//! answered it: `-----Original Message-----`, `From: …`, `Subject: …`.
//!
//! In: the lines of a text, one by one. Out: the fields of such blocks. A line "Subject: …" alone
//! is text; it counts where a line that names the author stands a few lines above or below it.

/// A field that stands in a block.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Quoted<'l> {
    Subject(&'l str),
    /// Any other, by its name.
    Field(&'l str, &'l str),
}

/// Lines between the author and the last field of a block.
const REACH: usize = 12;

/// Names of From and Subject in the languages of common programs, in small letters.
const AUTHOR: [&str; 14] = [
    "from",
    "von",
    "de",
    "da",
    "van",
    "från",
    "fra",
    "od",
    "expéditeur",
    "remitente",
    "mittente",
    "absender",
    "afzender",
    "lähettäjä",
];
const SUBJECT: [&str; 11] = [
    "subject",
    "betreff",
    "objet",
    "asunto",
    "oggetto",
    "onderwerp",
    "ämne",
    "emne",
    "temat",
    "assunto",
    "aihe",
];

/// Reads the lines of one text.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// Lines since the last that named an author.
    since: Option<usize>,
}

impl Blocks {
    /// What a line says, when it stands in a block.
    pub(super) fn line<'l>(&mut self, line: &'l str) -> Option<Quoted<'l>> {
        let bare = line.trim_start_matches(['>', ' ', '*', '|', '\t']);
        self.since = self.since.map(|lines| lines + 1).filter(|lines| *lines <= REACH);
        let (name, value) = bare.split_once(':')?;
        let name = name.trim_end_matches(['*', ' ', '\u{a0}']);
        if name.is_empty() || name.len() > 60 || name.contains(' ') {
            return None;
        }
        let value = value.trim_matches(['*', ' ', '\t', '\u{a0}']);
        let lower = name.to_lowercase();
        if AUTHOR.contains(&lower.as_str()) {
            self.since = Some(0);
            return None;
        }
        self.since?;
        match SUBJECT.contains(&lower.as_str()) {
            true => Some(Quoted::Subject(value)),
            false => Some(Quoted::Field(name, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let mut blocks = Blocks::default();
        let found = text.lines().filter_map(|line| blocks.line(line));
        found
            .filter_map(|quoted| match quoted {
                Quoted::Subject(own) => Some(own.to_owned()),
                Quoted::Field(..) => None,
            })
            .collect()
    }

    #[test]
    fn a_subject_counts_below_its_author() {
        let block = "-----Original Message-----\nFrom: Ann\nSent: today\nTo: Bob\nSubject: plan";
        assert_eq!(read(block), ["plan"]);
        assert_eq!(read("> *Von:* Ann\n> *Betreff:* Plan"), ["Plan"]);
        assert_eq!(read("Subject: plan"), Vec::<String>::new());
        assert_eq!(
            read(&format!("From: Ann\n{}Subject: plan", "text\n".repeat(13))),
            Vec::<String>::new()
        );
        let mut blocks = Blocks::default();
        blocks.line("From: Ann");
        assert_eq!(
            blocks.line("Sensitivity: Private"),
            Some(Quoted::Field("Sensitivity", "Private"))
        );
    }
}
