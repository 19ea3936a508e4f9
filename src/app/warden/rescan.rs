//! Looks again at what was delivered in the last days: at its digests when the lists of
//! digests change, at its risky files when the signatures do.
//!
//! In: the store's memory and the vault. Out: a [`FoundLater`] for each file that would be
//! caught now, an event in the mail's story, and one notice for all of them. Slow on purpose:
//! mail comes first. A round that breaks off is begun again; what was found is not told twice.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::{Warden, notice, now_ms};
use crate::analysis::antivirus::{Antivirus, Digest};
use crate::journal::Event;
use crate::mail::MailId;
use crate::store::delivered::{DeliveredMail, FoundLater};
use crate::store::{Store, StoreError};

/// The signatures that everything was last scanned with.
const SIGNATURES: &str = "signatures";
/// The lists of digests that everything was last compared with.
const DIGESTS: &str = "digests";
/// When everything was last scanned, in milliseconds since 1970.
const SCANNED: &str = "scanned";
/// Signatures that a site adds itself change without a new version: once a day all is scanned
/// again in any case.
const AT_LEAST_EVERY_MS: u64 = 86_400_000;

/// What made a round necessary.
#[derive(Debug, Clone)]
struct Round {
    version: String,
    print: String,
    scans: bool,
}

impl Warden {
    /// Begins a round beside everything else, if something is new since the last one.
    pub(super) fn rescan_if_due(
        self: &Arc<Self>,
        antivirus: &Arc<Antivirus>,
        version: String,
        stop: &watch::Receiver<bool>,
    ) {
        if antivirus.settings().rescan.keep_days == 0 || self.is_rescanning.load(Ordering::Acquire)
        {
            return;
        }
        let print = format!("{:08x}", antivirus.blocklist().digests().print());
        let round = match due(&self.store, version, print) {
            Ok(Some(round)) => round,
            Ok(None) => return,
            Err(error) => return tracing::warn!(%error, "past deliveries cannot be looked at"),
        };
        if !self.begin_rescan() {
            return;
        }
        let (warden, antivirus) = (Arc::clone(self), Arc::clone(antivirus));
        let mut stop = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => {}
                () = warden.round(&antivirus, round) => {}
            }
            warden.is_rescanning.store(false, Ordering::Release);
        });
    }

    async fn round(&self, antivirus: &Arc<Antivirus>, round: Round) {
        let mut infected = HashMap::new();
        if round.scans {
            match self.scan_kept(antivirus).await {
                Ok(found) => infected = found,
                Err(error) => {
                    tracing::warn!(%error, "past deliveries are scanned again later");
                    return;
                }
            }
        }
        let (store, version) = (Arc::clone(&self.store), round.version.clone());
        let lists = Arc::clone(antivirus);
        let finding =
            tokio::task::spawn_blocking(move || find(&store, &lists, &infected, &version));
        let found = match finding.await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                return tracing::warn!(%error, "past deliveries cannot be looked at");
            }
            Err(error) => return tracing::error!(%error, "the look at past deliveries broke off"),
        };
        self.tell(antivirus, &found).await;
        if let Err(error) = done(&self.store, &round) {
            tracing::warn!(%error, "past deliveries will be looked at once more");
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.last_rescan_ms = Some(now_ms());
    }

    /// Scans every file in the vault; the names of what is malware by now.
    async fn scan_kept(
        &self,
        antivirus: &Arc<Antivirus>,
    ) -> Result<HashMap<Digest, String>, crate::analysis::antivirus::AntivirusError> {
        let mut infected = HashMap::new();
        let Some(vault) = &self.vault else { return Ok(infected) };
        let pause = Duration::from_secs(1) / antivirus.settings().rescan.files_per_second.max(1);
        for digest in vault.all() {
            let kept = Arc::clone(vault);
            let octets = tokio::task::spawn_blocking(move || kept.read(&digest)).await;
            let Ok(Some(octets)) = octets else { continue };
            if let Some(name) = antivirus.scan_again(&Bytes::from(octets)).await? {
                infected.insert(digest, format!("signature {name}"));
            }
            tokio::time::sleep(pause).await;
        }
        Ok(infected)
    }

    async fn tell(&self, antivirus: &Antivirus, found: &[FoundLater]) {
        for one in found {
            tracing::error!(
                mail_id = %one.mail_id, path = one.path, what = one.what,
                "malware was delivered before it was known"
            );
            let event = Event::FoundLater {
                path: one.path.clone(),
                what: one.what.clone(),
                version: one.version.clone(),
            };
            self.line.journal.record(one.mail_id, event);
        }
        if !found.is_empty() && antivirus.settings().rescan.notify {
            self.send(notice::found_later(found)).await;
        }
    }
}

/// What is new since the last round. The first time nothing is: nothing was delivered before.
fn due(store: &Store, version: String, print: String) -> Result<Option<Round>, StoreError> {
    let delivered = store.delivered();
    let is_new = |name: &str, now: &str| -> Result<bool, StoreError> {
        match delivered.mark(name)? {
            Some(before) => Ok(before != now),
            None => {
                delivered.set_mark(name, now)?;
                Ok(false)
            }
        }
    };
    let mut scans = !version.is_empty() && is_new(SIGNATURES, &version)?;
    let scanned_ms = delivered.mark(SCANNED)?.and_then(|mark| mark.parse::<u64>().ok());
    match scanned_ms {
        Some(at_ms) => {
            let is_long_ago = now_ms().saturating_sub(at_ms) >= AT_LEAST_EVERY_MS;
            scans |= is_long_ago && !version.is_empty();
        }
        None => delivered.set_mark(SCANNED, &now_ms().to_string())?,
    }
    let compares = is_new(DIGESTS, &print)?;
    Ok((scans || compares).then_some(Round { version, print, scans }))
}

fn done(store: &Store, round: &Round) -> Result<(), StoreError> {
    let delivered = store.delivered();
    delivered.set_mark(DIGESTS, &round.print)?;
    if round.scans {
        delivered.set_mark(SIGNATURES, &round.version)?;
        delivered.set_mark(SCANNED, &now_ms().to_string())?;
    }
    Ok(())
}

/// The mails that carry what is malware by now; those that are told for the first time.
fn find(
    store: &Store,
    antivirus: &Antivirus,
    infected: &HashMap<Digest, String>,
    version: &str,
) -> Result<Vec<FoundLater>, StoreError> {
    let digests = antivirus.blocklist().digests();
    let mut found = Vec::new();
    store.delivered().each(|mail_id, mail| {
        for (digest, path) in &mail.files {
            let listed = || {
                let name = digests.name_of(digest)?;
                Some(format!("digest list {name}").trim_end().to_owned())
            };
            if let Some(what) = infected.get(digest).cloned().or_else(listed) {
                found.push(of(mail_id, &mail, (*digest, path.as_str()), what, version));
            }
        }
    })?;
    let mut new = Vec::new();
    for one in found {
        if store.delivered().note(&one)? {
            new.push(one);
        }
    }
    Ok(new)
}

fn of(
    mail_id: MailId,
    mail: &DeliveredMail,
    (digest, path): (Digest, &str),
    what: String,
    version: &str,
) -> FoundLater {
    FoundLater {
        mail_id,
        found_ms: now_ms(),
        reverse_path: mail.reverse_path.clone(),
        forward_paths: mail.forward_paths.clone(),
        subject: mail.subject.clone(),
        path: path.to_owned(),
        digest,
        what,
        version: version.to_owned(),
    }
}
