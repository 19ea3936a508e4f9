//! Remembers what is delivered, so that it can be looked at again when more is known.
//!
//! In: a mail that is about to go out, and what was seen in it. Out: digests in the store,
//! octets of risky files in the vault, both written after the mail was answered and on other
//! threads. Bounded: when much waits to be written, only digests are.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::pipeline::Judging;
use crate::analysis::Look;
use crate::config::Rescan;
use crate::mail::{Envelope, MailId};
use crate::store::Store;
use crate::store::delivered::DeliveredMail;
use crate::store::vault::Vault;
use crate::telemetry::metrics::{Counter, registry};

/// Octets that wait to be written, in KiB.
const WAITING_KIB: usize = 64 << 10;
/// Files of one mail that are remembered.
const FILES: usize = 200;
/// Recipients of one mail that are named.
const RECIPIENTS: usize = 20;
/// Characters of a path or subject.
const TEXT_CHARS: usize = 200;

/// Writes down what went out.
#[derive(Debug)]
pub(super) struct Keeper {
    store: Arc<Store>,
    /// Absent when its folder cannot be had; digests are remembered all the same.
    vault: Option<Arc<Vault>>,
    room: Arc<Semaphore>,
    not_kept: Arc<Counter>,
}

impl Keeper {
    pub(super) fn new(store: Arc<Store>, vault: Option<Arc<Vault>>) -> Arc<Keeper> {
        let not_kept = registry().counter(
            "postern_antivirus_files_not_kept_total",
            "Risky files that were delivered and not kept for a later scan.",
            &[],
        );
        Arc::new(Keeper { store, vault, room: Arc::new(Semaphore::new(WAITING_KIB)), not_kept })
    }

    /// Remembers a mail; returns at once.
    pub(super) fn keep(&self, judging: &Judging, id: MailId, envelope: &Envelope, look: &Look) {
        let settings = judging.analysis.antivirus().map(|antivirus| antivirus.settings());
        let Some(settings) = settings.filter(|settings| settings.rescan.keep_days > 0) else {
            return;
        };
        let Some(mail) = told(envelope, look) else { return };
        let (store, rescan) = (Arc::clone(&self.store), settings.rescan.clone());
        let has_engine = settings.has_engine();
        let octets = || look.carried.subjects.iter().filter(|one| one.is_kept());
        let kib: usize =
            octets().filter_map(|one| one.octets.as_ref()).map(|it| it.len() / 1_024 + 1).sum();
        let vault = self.vault.clone().filter(|_| has_engine && rescan.keep_octets > 0);
        let (carried, not_kept) = (Arc::clone(&look.carried), Arc::clone(&self.not_kept));
        let permits = u32::try_from(kib).unwrap_or(u32::MAX);
        let place = Arc::clone(&self.room).try_acquire_many_owned(permits).ok();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = store.delivered().remember(id, &mail) {
                tracing::warn!(%error, mail_id = %id, "what was delivered is not remembered");
            }
            let kept = carried.subjects.iter().filter(|one| one.is_kept());
            for (subject, octets) in kept.filter_map(|one| Some((one, one.octets.as_ref()?))) {
                match (&vault, &place) {
                    (None, _) => {}
                    (Some(_), None) => not_kept.add_one(),
                    (Some(vault), Some(_)) => {
                        keep_file(vault, &subject.digest, octets, &rescan, &not_kept);
                    }
                }
            }
        });
    }
}

fn keep_file(vault: &Vault, digest: &[u8; 32], octets: &[u8], rescan: &Rescan, not_kept: &Counter) {
    if let Err(error) = vault.keep(digest, octets, rescan.keep_octets) {
        tracing::warn!(%error, "a delivered file cannot be kept for a later scan");
        not_kept.add_one();
    }
}

/// What is remembered of a mail; nothing where digests were not asked for.
fn told(envelope: &Envelope, look: &Look) -> Option<DeliveredMail> {
    let cut = |text: &str| text.chars().take(TEXT_CHARS).collect::<String>();
    let whole = (look.whole?, String::new());
    let files = look.carried.subjects.iter().take(FILES);
    let files = files.map(|subject| (subject.digest, cut(&subject.path)));
    let recipients = envelope.recipients.iter().take(RECIPIENTS);
    Some(DeliveredMail {
        reverse_path: envelope.reverse_path.to_string(),
        forward_paths: recipients.map(|one| one.forward_path.to_string()).collect(),
        subject: cut(&look.summary.subject),
        files: std::iter::once(whole).chain(files).collect(),
    })
}
