//! Protective markings: the words by which people and programs say how far a message may go.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How far information may go, from all to next to nobody. Ordered: of two markings the higher
/// one counts.
///
/// Schemes do not map on one another exactly. Where the Government Security Classifications
/// of 2014 and the scheme before them meet, PROTECT stands below OFFICIAL-SENSITIVE,
/// RESTRICTED and CONFIDENTIAL above it; commercial words stand among the lower ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarkingLevel {
    /// UNCLASSIFIED, NOT PROTECTIVELY MARKED, PUBLIC: says that nothing needs protection.
    Unclassified,
    /// INTERNAL ONLY, INTERNAL USE ONLY.
    Internal,
    /// OFFICIAL.
    Official,
    /// PERSONAL: between the sender and the recipient.
    Personal,
    /// PRIVATE, PRIVATE AND CONFIDENTIAL.
    Private,
    /// COMPANY CONFIDENTIAL and the like.
    CompanyConfidential,
    /// COMMERCIAL IN CONFIDENCE.
    CommercialInConfidence,
    /// LEGALLY PRIVILEGED.
    LegallyPrivileged,
    /// NHS CONFIDENTIAL.
    NhsConfidential,
    /// PROTECT, of the scheme before 2014.
    Protect,
    /// OFFICIAL-SENSITIVE.
    OfficialSensitive,
    /// RESTRICTED.
    Restricted,
    /// CONFIDENTIAL.
    Confidential,
    /// SECRET.
    Secret,
    /// TOP SECRET.
    TopSecret,
}

impl MarkingLevel {
    /// Every level, the lowest first.
    pub const ALL: [MarkingLevel; 15] = [
        MarkingLevel::Unclassified,
        MarkingLevel::Internal,
        MarkingLevel::Official,
        MarkingLevel::Personal,
        MarkingLevel::Private,
        MarkingLevel::CompanyConfidential,
        MarkingLevel::CommercialInConfidence,
        MarkingLevel::LegallyPrivileged,
        MarkingLevel::NhsConfidential,
        MarkingLevel::Protect,
        MarkingLevel::OfficialSensitive,
        MarkingLevel::Restricted,
        MarkingLevel::Confidential,
        MarkingLevel::Secret,
        MarkingLevel::TopSecret,
    ];

    /// The words that policy names it by.
    pub fn words(self) -> &'static str {
        match self {
            MarkingLevel::Unclassified => "UNCLASSIFIED",
            MarkingLevel::Internal => "INTERNAL",
            MarkingLevel::Official => "OFFICIAL",
            MarkingLevel::Personal => "PERSONAL",
            MarkingLevel::Private => "PRIVATE",
            MarkingLevel::CompanyConfidential => "COMPANY CONFIDENTIAL",
            MarkingLevel::CommercialInConfidence => "COMMERCIAL IN CONFIDENCE",
            MarkingLevel::LegallyPrivileged => "LEGALLY PRIVILEGED",
            MarkingLevel::NhsConfidential => "NHS CONFIDENTIAL",
            MarkingLevel::Protect => "PROTECT",
            MarkingLevel::OfficialSensitive => "OFFICIAL-SENSITIVE",
            MarkingLevel::Restricted => "RESTRICTED",
            MarkingLevel::Confidential => "CONFIDENTIAL",
            MarkingLevel::Secret => "SECRET",
            MarkingLevel::TopSecret => "TOP SECRET",
        }
    }
}

impl fmt::Display for MarkingLevel {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.words())
    }
}

/// Where a marking stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarkingPlace {
    /// In the Subject.
    Subject,
    /// In a header field that is there for it.
    Header,
    /// On a line of the text.
    Body,
    /// On a line of an attachment.
    Attachment,
    /// In a property of a document, such as a sensitivity label.
    Property,
}

impl fmt::Display for MarkingPlace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            MarkingPlace::Subject => "subject",
            MarkingPlace::Header => "header",
            MarkingPlace::Body => "body",
            MarkingPlace::Attachment => "attachment",
            MarkingPlace::Property => "document property",
        })
    }
}

/// A protective marking that a message carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marking {
    /// How far it may go.
    pub level: MarkingLevel,
    /// As it is written, with its descriptors: `OFFICIAL-SENSITIVE: PERSONAL`. The name of a
    /// sensitivity label, where the marking is one.
    pub words: String,
    /// Where it stood.
    pub place: MarkingPlace,
}
