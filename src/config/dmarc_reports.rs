//! `[authentication.reports]`: DMARC aggregate reports, received and sent (RFC 9990).

use serde::Deserialize;

use crate::mail::{Address, ReversePath};

/// `[authentication.reports]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DmarcReports {
    /// Where others send reports on own domains, as the own DMARC records name it in `rua`.
    /// Absent (the default): none are expected.
    pub address: Option<Address>,
    /// Reads reports out of mail to `address` and stores them. Default: true.
    pub receive: bool,
    /// What becomes of a mail whose report was read: `"deliver"` (the default) or `"discard"`.
    /// A mail without a readable report is always delivered.
    pub keep: KeepReportMail,
    /// How long received reports are kept, in days. Default: 400.
    pub keep_days: u32,
    /// Sends a report a day to every domain that asks for it. Default: false, because it needs
    /// `from` or `address`, and somebody who reads answers.
    pub send: bool,
    /// The author of reports. Absent: `address`. Its domain should pass DMARC when this box
    /// sends for it, or readers will not believe the reports.
    pub from: Option<Address>,
    /// The reverse-path of reports: an address, or `"<>"`. Absent: the author's address, so
    /// that SPF is checked for the same domain.
    pub reverse_path: Option<ReportReversePath>,
    /// Who reports, in words. Absent: the host name.
    pub org_name: Option<String>,
    /// Whom to write to about reports. Absent: the author's address.
    pub contact: Option<Address>,
    /// Further words on whom to ask, a web page for example. Absent: none.
    pub extra_contact: Option<String>,
    /// Domains that get a report on one day, those with the most mails first. Default: 2000.
    pub max_domains_per_day: u32,
}

impl Default for DmarcReports {
    fn default() -> DmarcReports {
        DmarcReports {
            address: None,
            receive: true,
            keep: KeepReportMail::Deliver,
            keep_days: 400,
            send: false,
            from: None,
            reverse_path: None,
            org_name: None,
            contact: None,
            extra_contact: None,
            max_domains_per_day: 2_000,
        }
    }
}

impl DmarcReports {
    /// The address whose mail is looked into for reports.
    pub fn inbox(&self) -> Option<&Address> {
        self.address.as_ref().filter(|_| self.receive)
    }

    /// The author of reports, when there can be one.
    pub fn author(&self) -> Option<&Address> {
        self.from.as_ref().or(self.address.as_ref())
    }

    /// The reverse-path of reports by this author.
    pub fn reverse_path_for(&self, author: &Address) -> ReversePath {
        match &self.reverse_path {
            None => ReversePath::Mailbox(author.clone()),
            Some(ReportReversePath(path)) => path.clone(),
        }
    }
}

/// `keep = "deliver" | "discard"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeepReportMail {
    /// It goes its way beside.
    #[default]
    Deliver,
    /// The stored report is enough.
    Discard,
}

/// An address, or `<>`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ReportReversePath(ReversePath);

impl TryFrom<String> for ReportReversePath {
    type Error = String;

    fn try_from(text: String) -> Result<ReportReversePath, String> {
        if text == "<>" {
            return Ok(ReportReversePath(ReversePath::Null));
        }
        let address =
            text.parse().map_err(|error| format!("neither an address nor <>: {error}"))?;
        Ok(ReportReversePath(ReversePath::Mailbox(address)))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn parse(section: &str) -> Result<DmarcReports, String> {
        let text = format!(
            "[system]\nhostname = \"mx.example.org\"\ndata_dir = \"d\"\n\
             postmaster = \"p@example.org\"\n[authentication.reports]\n{section}"
        );
        let config = Config::parse(&text, Path::new("f"), Path::new("/"));
        config.map(|config| config.authentication.reports).map_err(|error| error.to_string())
    }

    #[test]
    fn the_author_and_the_reverse_path_have_sane_defaults() {
        let nothing = parse("").unwrap();
        assert_eq!((nothing.inbox(), nothing.author(), nothing.send), (None, None, false));
        let own: Address = "d@example.org".parse().unwrap();
        let given = parse("address = \"d@example.org\"\nsend = true\n").unwrap();
        assert_eq!((given.inbox(), given.author()), (Some(&own), Some(&own)));
        assert_eq!(given.reverse_path_for(&own), ReversePath::Mailbox(own.clone()));
        let null = parse("from = \"d@example.org\"\nreverse_path = \"<>\"\n").unwrap();
        assert_eq!((null.inbox(), null.reverse_path_for(&own)), (None, ReversePath::Null));
        let deaf = parse("address = \"d@example.org\"\nreceive = false\n").unwrap();
        assert_eq!((deaf.inbox(), deaf.author()), (None, Some(&own)));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let table = [
            ("send = true\n", "needs `from` or `address`"),
            ("send = true\nfrom = \"d@[192.0.2.1]\"\n", "ASCII address"),
            ("send = true\nfrom = \"dé@example.org\"\n", "ASCII address"),
            ("send = true\nfrom = \"d@x.test\"\nmax_domains_per_day = 0\n", "at least 1"),
            ("from = \"d@x.test\"\norg_name = \"a\\nb\"\n", "controls"),
            ("reverse_path = \"nobody\"\n", "neither an address nor <>"),
            ("keep = \"eat\"\n", "unknown variant"),
            ("adress = \"d@x.test\"\n", "did you mean `address`"),
        ];
        for (section, expected) in table {
            let said = parse(section).unwrap_err();
            assert!(said.contains(expected), "{section}: {said}");
        }
    }
}
