//! The first visit: its pages, and its guard, a code that is printed where the box is started, and nowhere else.
//!
//! In: the data directory. Out: whether a typed code is right. The code lies in
//! `data_dir/setup-code`, readable by the box's own user only, until there is an owner; it is
//! the same after a restart. Wrong ones are slowed down like wrong passwords.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::routes::route;
use super::{Call, Refusal, Route};
use crate::admin::people::Right;
use crate::store::token;
use crate::web::answer::Answer;

pub(super) mod antivirus;
pub(super) mod certificate;
pub(super) mod dns;
pub(super) mod domains;
mod first;
pub(super) mod steps;
pub(super) mod talk;
pub(super) mod trial;
pub(super) use steps::set;

pub(super) const ROUTES: &[Route] = &[
    route!(GET "/setup", Nothing, show),
    route!(POST "/setup/code", Nothing, first::code),
    route!(POST "/setup/owner", Nothing, first::owner),
    route!(GET "/setup/name", Right(Settings), steps::show_name),
    route!(POST "/setup/name", Right(Settings), steps::save_name),
    route!(GET "/setup/domains", Right(Settings), domains::show),
    route!(POST "/setup/domains", Right(Settings), domains::add),
    route!(POST "/setup/hop", Right(Settings), domains::test),
    route!(GET "/setup/dns", Right(Settings), dns::show),
    route!(GET "/setup/certificate", Right(Settings), certificate::show),
    route!(POST "/setup/certificate", Right(Settings), certificate::save, certificate::OCTETS),
    route!(POST "/setup/certificate/own", Right(Settings), certificate::go_back),
    route!(GET "/setup/antivirus", Right(Settings), antivirus::show),
    route!(POST "/setup/antivirus", Right(Settings), antivirus::save),
    route!(POST "/setup/antivirus/test", Right(Settings), antivirus::test),
    route!(GET "/setup/message", Right(Settings), trial::show),
    route!(POST "/setup/message", Right(Settings), trial::send),
];

async fn show(call: Call) -> Result<Answer, Refusal> {
    if call.site.people.is_empty() {
        return first::show(&call).await;
    }
    if !call.caller.is_known() {
        return Err(Refusal::LogIn);
    }
    if !call.may(Right::Settings) {
        return Err(Refusal::Forbidden);
    }
    steps::overview(&call).await
}

const FILE: &str = "setup-code";
/// Of four letters each: 60 bits.
const GROUPS: usize = 3;

/// The code of the first visit.
#[derive(Debug)]
pub struct SetUp {
    file: PathBuf,
}

impl SetUp {
    /// In this data directory.
    pub fn new(data_dir: &Path) -> SetUp {
        SetUp { file: data_dir.join(FILE) }
    }

    /// The code, made when there is none yet. Blocks.
    pub fn code(&self) -> io::Result<String> {
        if let Some(code) = self.known()? {
            return Ok(code);
        }
        let code = token::code(GROUPS).map_err(io::Error::other)?;
        let draft = self.file.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&draft)?;
        writeln!(file, "{code}")?;
        file.sync_all()?;
        fs::rename(&draft, &self.file)?;
        Ok(code)
    }

    /// Whether that is the code. Blocks.
    pub fn is_right(&self, typed: &str) -> bool {
        let known = self.known().ok().flatten();
        known.is_some_and(|code| token::same(&token::typed(&code), &token::typed(typed)))
    }

    /// The code, where there is one. Blocks.
    pub fn pending(&self) -> io::Result<Option<String>> {
        self.known()
    }

    /// Nobody needs it any more. Blocks.
    pub fn done(&self) {
        if let Err(error) = fs::remove_file(&self.file)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "the code of the set-up cannot be removed; it is good for nothing");
        }
    }

    fn known(&self) -> io::Result<Option<String>> {
        match fs::read_to_string(&self.file) {
            Ok(code) if !code.trim().is_empty() => Ok(Some(code.trim().to_owned())),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_stays_until_it_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let setup = SetUp::new(folder.path());
        assert!(!setup.is_right(""), "there is none yet");
        let code = setup.code().unwrap();
        assert_eq!(SetUp::new(folder.path()).code().unwrap(), code);
        assert!(
            setup.is_right(&code.to_lowercase()) && !setup.is_right("") && !setup.is_right("X")
        );
        setup.done();
        assert!(!setup.is_right(&code));
    }
}
