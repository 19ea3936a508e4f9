//! Validators: what a pattern found is a real number, key or address, or only looks like one.
//!
//! In: the text that ends where the match ends; a little may stand before the candidate, and
//! what closes it (a bracket, a full stop) may stand behind it. Out: [`Valid`], where the
//! candidate begins and its canonical form, when the longest sensible candidate at the end
//! holds; otherwise nothing. Pure functions, one family a file, linear in a text of bounded
//! length; no input makes one fail.
//!
//! What stands before the candidate never matters, but that it must not go on into it: ten
//! digits at the end of twelve are no NHS number.

mod bank;
mod cards;
mod contact;
mod credentials;
mod dates;
mod digits;
mod health;
mod iban;
mod justice;
mod keys;
mod people;
mod social;
mod tail;
mod tokens;
mod travel;
mod vat;
mod vat_eu;

#[cfg(test)]
mod tests;

/// A candidate that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Valid {
    /// Where it begins in the text that was given, in octets.
    pub start: usize,
    /// Its canonical form: two spellings of one number count once.
    pub normal: String,
}

/// Judges the candidate at the end of a text.
pub type Validator = fn(&str) -> Option<Valid>;

/// Octets before the end of a match that a validator is given at most.
pub const REACH_OCTETS: usize = 96;

/// Every validator by the name that rules give it, in the order of the alphabet.
const VALIDATORS: [(&str, Validator); 49] = [
    ("aws_access_key", keys::aws_access_key),
    ("aws_secret_key", keys::aws_secret_key),
    ("azure_secret", tokens::azure_secret),
    ("card_like_number", cards::card_like_number),
    ("card_track", cards::card_track),
    ("chi_number", health::chi_number),
    ("cloud_token", tokens::cloud_token),
    ("cro_number", justice::cro_number),
    ("date_of_birth", dates::date_of_birth),
    ("email_address", contact::email_address),
    ("github_token", tokens::github_token),
    ("github_token_form", tokens::github_token_form),
    ("gitlab_token", tokens::gitlab_token),
    ("google_secret", tokens::google_secret),
    ("hc_number", health::hc_number),
    ("iban", iban::iban),
    ("insurance_like_code", people::insurance_like_code),
    ("jwt", tokens::jwt),
    ("licence_or_passport_number", travel::document_number),
    ("national_insurance", people::national_insurance),
    ("national_insurance_named", people::national_insurance_named),
    ("nhs_number", health::nhs_number),
    ("npm_token", tokens::npm_token),
    ("passport_mrz", travel::passport_mrz),
    ("password", credentials::password),
    ("payment_card", cards::payment_card),
    ("payment_card_listed", cards::payment_card_listed),
    ("person_address", contact::person_address),
    ("phone_number", contact::phone_number),
    ("pnc_id", justice::pnc_id),
    ("prison_number", justice::prison_number),
    ("private_key", keys::private_key),
    ("random_secret", credentials::random_secret),
    ("slack_token", tokens::slack_token),
    ("sort_code", bank::sort_code),
    ("sort_code_account", bank::sort_code_account),
    ("sort_code_undated", bank::sort_code_undated),
    ("stripe_key", tokens::stripe_key),
    ("ten_digit_number", health::ten_digit_number),
    ("uk_account_number", bank::uk_account_number),
    ("uk_driving_licence", people::uk_driving_licence),
    ("uk_passport", travel::uk_passport),
    ("uk_phone_number", contact::uk_phone_number),
    ("uk_postcode", people::uk_postcode),
    ("uk_utr", people::uk_utr),
    ("url_password", credentials::url_password),
    ("us_ssn", social::us_ssn),
    ("vat_eu", vat_eu::vat_eu),
    ("vat_uk", vat::vat_uk),
];

/// The validator of this name.
pub fn by_name(name: &str) -> Option<Validator> {
    VALIDATORS.iter().find(|(known, _)| *known == name).map(|(_, validator)| *validator)
}

/// The names of all validators, for messages that say what could have been meant.
pub fn names() -> impl Iterator<Item = &'static str> {
    VALIDATORS.iter().map(|(name, _)| *name)
}
