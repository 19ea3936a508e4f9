//! The form and the texts of a message: strictness, content rules, who writes it and where its
//! links lead, what it is near to and like.
//!
//! In: a whole message. Out: [`Inside`], with findings and what later stages build on. Runs on
//! the caller's thread in time linear in the message. A panic in a parser is caught and becomes
//! `ANALYSIS_FAILED`; one in the classifier costs its finding only and becomes
//! `CLASSIFIER_FAILED`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::antivirus::Carried;
use super::attachments::{self, Enclosures};
use super::desk::Desk;
use super::links::{self, Links};
use super::weights::Weights;
use super::{Authenticated, Look, Passage, Sighting, authorship, headers, impersonation, markings};
use crate::mail::{Finding, HeaderField};
use crate::message::contents::Contents;
use crate::message::{Anatomy, Authorship, Limits, Zone};

/// A rule that alone leads to a tag is not outweighed by the classifier.
const SURE_POINTS: f32 = 5.0;

/// What was found in a message, and what it was found in.
pub(super) struct Inside {
    pub(super) anatomy: Anatomy,
    pub(super) links: Links,
    pub(super) look: Look,
    pub(super) carried: Carried,
}

/// A message taken apart, before anything is unpacked; a parser's panic is kept for later.
pub(super) struct Outline {
    octets: Bytes,
    anatomy: Result<Anatomy, String>,
}

impl Outline {
    /// Takes a message apart.
    pub(super) fn of(octets: &Bytes) -> Outline {
        let anatomy = caught(|| Anatomy::of(octets, Limits::default()));
        Outline { octets: octets.clone(), anatomy }
    }

    /// Whether files may have to be unpacked, which takes its time even for a small message.
    pub(super) fn carries_files(&self) -> bool {
        self.anatomy.as_ref().is_ok_and(Anatomy::carries_files)
    }
}

impl Inside {
    /// Who is pretended to be, now that it is known who vouches for the mail.
    pub(super) fn pretence(
        &self,
        desk: &Desk,
        authenticated: Option<&Authenticated>,
        is_new_sender: Option<bool>,
    ) -> Vec<Finding> {
        let Inside { anatomy, links, look, .. } = self;
        let seen = caught(|| {
            let (author, so_far) = (&look.author, &look.findings);
            let site = &desk.site;
            impersonation::look(site, anatomy, author, links, authenticated, is_new_sender, so_far)
        });
        match seen {
            Ok(seen) => seen.into_iter().map(|sighting| desk.weights.weigh(sighting)).collect(),
            Err(why) => failed(&desk.weights, why).look.findings,
        }
    }
}

/// Takes a message apart, scans its texts and asks the classifier.
pub(super) fn look(desk: &Desk, octets: &Bytes, passage: Option<Passage<'_>>) -> Inside {
    look_into(desk, Outline::of(octets), passage)
}

/// Scans the texts and the files of a message and asks the classifier.
pub(super) fn look_into(desk: &Desk, outline: Outline, passage: Option<Passage<'_>>) -> Inside {
    // What is shared with other scans is a pool of scratch memory behind a lock; the one in
    // use is lost with the panic.
    let Outline { octets, anatomy } = outline;
    let looked =
        anatomy.and_then(|anatomy| caught(|| look_inside(desk, &octets, anatomy, passage)));
    looked.unwrap_or_else(|why| failed(&desk.weights, why))
}

/// What the work brings, or the first words of its panic.
fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let said = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        said.unwrap_or_default().chars().take(200).collect()
    })
}

/// Shows the texts of a message as rules see them; false when a parser broke.
pub(super) fn read_texts(desk: &Desk, octets: &Bytes, see: &mut dyn FnMut(Zone, &str)) -> bool {
    let read = caught(|| {
        let mut anatomy = Anatomy::of(octets, Limits::default());
        anatomy.read(&mut |zone, text| see(zone, text));
        let _ = Contents::of(&anatomy, desk.unpacking, &mut |zone, text| {
            see(zone, &zone.normal_form(text));
        });
    });
    read.is_ok()
}

fn look_inside(
    desk: &Desk,
    octets: &Bytes,
    mut anatomy: Anatomy,
    passage: Option<Passage<'_>>,
) -> Inside {
    let weights = &desk.weights;
    let mut scan = match desk.rules.scan() {
        Ok(scan) => scan,
        Err(error) => return failed(weights, error.to_string()),
    };
    anatomy.read(&mut |zone, text| scan.text(zone, text));
    let mut seeker = markings::Seeker::default();
    seeker.message(&anatomy);
    let mut links = Links::of(&anatomy);
    let mut link_octets = links::FILE_OCTETS;
    let mut contents = Contents::of(&anatomy, desk.unpacking, &mut |zone, text| {
        scan.text(zone, &zone.normal_form(text));
        seeker.file(text);
        links.read_file(text, &mut link_octets);
    });
    if let Some(names) = attachments::inner_names(&contents) {
        scan.text(Zone::Filename, &names);
    }
    let summary = anatomy.summary();
    let mut findings: Vec<Finding> = anatomy
        .oddities
        .sights()
        .map(|(name, place)| weights.weigh(Sighting::new(name, place)))
        .collect();
    let mut content = Vec::new();
    match scan.finish(weights) {
        Ok(hits) => {
            findings.extend(hits.findings);
            content = hits.content;
        }
        Err(error) => findings.extend(failed(weights, error.to_string()).look.findings),
    }
    let author = anatomy.author();
    let mut seen = authorship::look(&anatomy, &author);
    seen.extend(attachments::look(&anatomy, &contents));
    seen.extend(headers::look(&anatomy, &author, passage, desk.hostname.as_ref()));
    seen.extend(links::look(&desk.site, &anatomy, &author, &links));
    if let Some(bulk) = &desk.bulk {
        seen.extend(bulk.look(&anatomy, passage, SystemTime::now()));
    }
    findings.extend(seen.into_iter().map(|sighting| weights.weigh(sighting)));
    // Last, for it weighs what the others saw in the message.
    findings.extend(liken(desk, &anatomy, outweighed(desk, &findings)));
    let carried = match desk.hashes_files {
        true => Carried::of(octets, &anatomy, &contents),
        false => Carried::default(),
    };
    contents.forget_octets();
    let contents = Arc::new(contents);
    let mut enclosures = Enclosures::of(octets, &anatomy, Arc::clone(&contents));
    if desk.safe_copies {
        enclosures.gather_texts(&anatomy, desk.unpacking);
    }
    let enclosures = Arc::new(enclosures);
    let header = header_of(&anatomy);
    // Whoever waits for answers from elsewhere holds no unpacked files meanwhile.
    anatomy.forget_files();
    let markings = seeker.finish();
    let look = Look {
        findings,
        content,
        markings,
        summary,
        author,
        contents,
        enclosures,
        header,
        ..Look::default()
    };
    Inside { anatomy, links, look, carried }
}

/// Header fields that are kept for rules of the site.
const FIELDS: usize = 500;
/// Octets of one of them.
const FIELD_OCTETS: usize = 4_096;

fn header_of(anatomy: &Anatomy) -> Vec<HeaderField> {
    let Some(head) = anatomy.head() else { return Vec::new() };
    let kept = head.fields().iter().take(FIELDS).map(|field| {
        let mut value = head.decoded(field).trim().to_owned();
        value.truncate(value.floor_char_boundary(FIELD_OCTETS));
        HeaderField { name: String::from_utf8_lossy(head.name(field)).into_owned(), value }
    });
    kept.collect()
}

/// The header of a message, and whom the reader sees as its author; none where a parser fails.
pub fn header_and_author(octets: &Bytes) -> Option<(Vec<HeaderField>, Authorship)> {
    let anatomy = Outline::of(octets).anatomy.ok()?;
    Some((header_of(&anatomy), anatomy.author()))
}

fn liken(desk: &Desk, anatomy: &Anatomy, rule_points: f32) -> Vec<Finding> {
    let seen = caught(|| desk.likeness.sightings(anatomy, rule_points)).unwrap_or_else(|why| {
        tracing::error!(why, "the classifier failed on a message");
        vec![Sighting::new("CLASSIFIER_FAILED", why)]
    });
    seen.into_iter().map(|sighting| desk.weights.weigh(sighting)).collect()
}

/// The points that a trained classifier can outweigh: those of the content rules that the box
/// ships and of what `rules/weights` marks. Rules of the site stand as they are, and so does
/// what alone leads to a tag.
pub(super) fn outweighed(desk: &Desk, findings: &[Finding]) -> f32 {
    let rules = desk.rules.rules();
    let is_of_shipped_rule =
        |name: &str| rules.iter().any(|rule| rule.id == name && rule.is_shipped());
    let is_outweighed = |name: &str| match desk.weights.of(name) {
        Some(weight) => weight.outweighed,
        None => is_of_shipped_rule(name),
    };
    let soft = |finding: &&Finding| (0.0..SURE_POINTS).contains(&finding.score);
    let counted = findings.iter().filter(soft).filter(|finding| is_outweighed(&finding.name));
    counted.map(|finding| finding.score).sum()
}

/// The analysis itself failed: the message is not clean by default.
pub(super) fn failed(weights: &Weights, why: String) -> Inside {
    let why: String = why.chars().take(200).collect();
    tracing::error!(why, "analysis of a message failed");
    let finding = weights.weigh(Sighting::new("ANALYSIS_FAILED", why));
    let look = Look { findings: vec![finding], ..Look::default() };
    Inside {
        anatomy: Anatomy::of(&Bytes::new(), Limits::default()),
        links: Links::default(),
        look,
        carried: Carried::default(),
    }
}
