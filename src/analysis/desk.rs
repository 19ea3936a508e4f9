//! What the stages need that look at nothing but the message: shared with their threads, made
//! anew when the configuration changes.

use std::path::Path;
use std::sync::Arc;

use super::bulk::Bulk;
use super::impersonation::Site;
use super::likeness::Likeness;
use super::rules::{RuleError, RuleSet};
use super::weights::Weights;
use super::{answers, attachments};
use crate::config::{AttachmentOrder, Config, UnpackLimits};
use crate::mail::Domain;
use crate::message::contents::Limits;

#[derive(Debug, Clone)]
pub(in crate::analysis) struct Desk {
    pub(super) rules: Arc<RuleSet>,
    pub(super) weights: Weights,
    pub(super) likeness: Arc<Likeness>,
    pub(super) site: Arc<Site>,
    pub(super) bulk: Option<Arc<Bulk>>,
    /// How far files are unpacked.
    pub(super) unpacking: Limits,
    /// Whether rules may put the texts of files in their place.
    pub(super) safe_copies: bool,
    /// Files are compared by their digests and scanned by themselves.
    pub(super) hashes_files: bool,
    /// The box's own name.
    pub(super) hostname: Option<Domain>,
}

impl Desk {
    pub(super) fn new(
        config: Option<&Config>,
        data_dir: Option<&Path>,
        likeness: Option<Arc<Likeness>>,
        bulk: Option<Arc<Bulk>>,
    ) -> Result<Desk, RuleError> {
        let (dirs, disabled) = config.map_or((&[][..], &[][..]), |config| {
            (config.content.dirs.as_slice(), config.content.disabled.as_slice())
        });
        let packs = config.map_or(&[][..], |config| config.content.packs.as_slice());
        let own_dir = config.and(data_dir);
        let lookups = answers::lookups(own_dir);
        let rules = RuleSet::load_packs(packs, dirs, disabled, data_dir, lookups)?;
        let is_rule = |name: &str| rules.rules().iter().any(|rule| rule.id == name);
        let weights = Weights::load(dirs, own_dir, is_rule)?;
        if let Some(likeness) = &likeness {
            likeness.refresh();
        }
        let own = || Arc::new(own_dir.map_or_else(Likeness::none, Likeness::in_dir));
        let likeness = likeness.unwrap_or_else(own);
        let site = Arc::new(config.map_or_else(Site::shipped, Site::new));
        let hostname = config.map(|config| config.system.hostname.clone());
        let unpacking =
            config.map_or_else(UnpackLimits::default, |config| config.attachments.limits);
        let mut unpacking = attachments::limits(&unpacking);
        if let Some(config) = config {
            // So that there is an answer before the deadline, be it that something was not seen.
            unpacking.time = unpacking.time.min(config.limits.analysis_timeout() / 2);
        }
        let safe_copies = config.is_some_and(|config| {
            let mut rules = config.attachments.rule.iter();
            rules.any(|rule| rule.order == AttachmentOrder::SafeCopy)
        });
        let hashes_files = config.is_some_and(|config| config.antivirus.is_some());
        if !hashes_files {
            // Nobody asks for them once they are walked through.
            unpacking.kept_octets = 0;
        }
        Ok(Desk {
            rules,
            weights,
            likeness,
            site,
            bulk,
            unpacking,
            safe_copies,
            hashes_files,
            hostname,
        })
    }
}
