//! `postern train`: good mail and spam in files → the classifier's model in the data directory.
//!
//! The old model stays until the new one is whole and on disk, and is kept beside it
//! (`postern model restore`). A running box reads it when it reloads. A file that cannot be read
//! is said and left out; so is what stands on both sides, and good mail of one kind only. Mail
//! that contradicts itself is refused.

use std::collections::HashMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::arguments::TrainOrder;
use super::exit::{Exit, Trouble};
use super::progress::Progress;
use super::{messages, model, render};
use crate::analysis::classifier::{
    Classifier, ClassifierError, Example, FEWEST_EACH, Features, Label, LearningLimits,
    MODEL_BEFORE_FILE, MODEL_FILE, MOST_EXAMPLES, TrainingReport,
};
use crate::config::Config;
use crate::mail::Domain;
use crate::message::{Anatomy, Authorship, Limits};
use crate::net::registrable;

/// Messages on both sides that are named; more are counted.
const NAMED: usize = 5;
/// Good mail is uniform when so many of a hundred share one origin.
const UNIFORM_PERCENT: usize = 50;
/// And when so few origins bring nearly all of it.
const FEW_ORIGINS: usize = 4;
const NEARLY_ALL_PERCENT: usize = 90;

pub(super) fn train(order: &TrainOrder) -> Result<Exit, Trouble> {
    let config = Config::load(&order.config)?;
    let data_dir = &config.system.data_dir;
    let (ham, spam) = (corpus(&order.ham)?, corpus(&order.spam)?);
    enough(ham.len(), spam.len())?;
    let given = ham.len() + spam.len();
    let (most_ham, most_spam) = shares(ham.len(), spam.len());
    let (ham, spam) = (spread(ham, most_ham), spread(spam, most_spam));
    let unused = given - ham.len() - spam.len();
    // Said before the long work, not after it.
    DirBuilder::new().recursive(true).mode(0o700).create(data_dir).map_err(|error| {
        Trouble::Output(format!("{} cannot be made: {error}", data_dir.display()))
    })?;
    let lessons = Lessons::of(&ham, &spam);
    aside!("learning from {} messages", lessons.examples.len());
    lessons.warn();
    let classifier = Classifier::blank(LearningLimits::default());
    let trained = match order.force {
        true => classifier.train_regardless(&lessons.examples, now_s()),
        false => classifier.train(&lessons.examples, now_s()),
    };
    let report = trained.map_err(trouble)?;
    let path = data_dir.join(MODEL_FILE);
    // What a running box has learned belongs to the model that is kept.
    if path.exists()
        && let Err(trouble) = model::save(&config)
    {
        aside!("postern: the running box did not write its lessons: {trouble}");
    }
    let before = keep_before(data_dir)?;
    classifier.save(&path).map_err(trouble)?;
    tell(&report, &path, unused, lessons.unreadable);
    if before {
        say!("the model before is kept; `postern model restore --config` brings it back");
    }
    Ok(Exit::Ok)
}

/// Keeps the model that is about to be replaced, when there is one. The file stays in its place
/// until the new one is there.
pub(super) fn keep_before(data_dir: &Path) -> Result<bool, Trouble> {
    let (now, before) = (data_dir.join(MODEL_FILE), data_dir.join(MODEL_BEFORE_FILE));
    if !now.exists() {
        return Ok(false);
    }
    let fault = |error: std::io::Error| {
        Trouble::Output(format!("{} cannot be written: {error}", before.display()))
    };
    match std::fs::remove_file(&before) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fault(error)),
        _ => {}
    }
    // Where files have one name only, it is copied.
    if std::fs::hard_link(&now, &before).is_err() {
        std::fs::copy(&now, &before).map_err(fault)?;
    }
    Ok(true)
}

/// Seconds since 1970.
pub(super) fn now_s() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

pub(super) fn trouble(error: ClassifierError) -> Trouble {
    match error {
        ClassifierError::EmptyCorpus | ClassifierError::OneSided { .. } => {
            Trouble::Data(format!("{error}; one file is one message"))
        }
        ClassifierError::Contradictory { .. } => Trouble::Data(format!(
            "{error}; the model in force stays. Look whether good mail and spam are in the right \
             folders, or say --force"
        )),
        error => Trouble::Output(error.to_string()),
    }
}

/// The files of one kind; what was named has to be there.
pub(super) fn corpus(named: &[PathBuf]) -> Result<Vec<PathBuf>, Trouble> {
    for path in named {
        std::fs::metadata(path).map_err(|error| Trouble::Input { file: path.clone(), error })?;
    }
    messages::files(named)
}

/// Refuses before anything is read what training would refuse after.
fn enough(ham: usize, spam: usize) -> Result<(), Trouble> {
    if ham + spam == 0 {
        return Err(trouble(ClassifierError::EmptyCorpus));
    }
    if ham.min(spam) < FEWEST_EACH {
        return Err(trouble(ClassifierError::OneSided { spam, ham, needed: FEWEST_EACH }));
    }
    Ok(())
}

/// How many of each kind are read: all while memory allows, else the larger kind gives way
/// down to one half.
fn shares(ham: usize, spam: usize) -> (usize, usize) {
    let half = MOST_EXAMPLES / 2;
    let share = |own: usize, other: usize| own.min(half.max(MOST_EXAMPLES.saturating_sub(other)));
    (share(ham, spam), share(spam, ham))
}

/// All files, or so many that are evenly spread over them.
pub(super) fn spread(files: Vec<PathBuf>, most: usize) -> Vec<PathBuf> {
    let all = files.len();
    if all <= most {
        return files;
    }
    (0..most).filter_map(|at| files.get(at * all / most).cloned()).collect()
}

/// What is learned from, and what is to be said of it.
struct Lessons {
    examples: Vec<Example>,
    unreadable: usize,
    /// Good mail by where it comes from.
    origins: HashMap<String, usize>,
    /// Messages that are there as good mail and as spam.
    on_both_sides: Vec<(PathBuf, PathBuf)>,
}

impl Lessons {
    /// Reads every message that can be read.
    fn of(ham: &[PathBuf], spam: &[PathBuf]) -> Lessons {
        let mut lessons = Lessons {
            examples: Vec::with_capacity(ham.len() + spam.len()),
            unreadable: 0,
            origins: HashMap::new(),
            on_both_sides: Vec::new(),
        };
        let mut known: HashMap<u64, &PathBuf> = HashMap::new();
        let mut progress = Progress::of(ham.len() + spam.len(), "messages");
        let labelled = ham.iter().map(|file| (file, Label::Ham));
        for (file, label) in labelled.chain(spam.iter().map(|file| (file, Label::Spam))) {
            match read(file) {
                Ok((features, origin)) => {
                    let print = features.fingerprint();
                    if label == Label::Ham {
                        known.insert(print, file);
                        *lessons.origins.entry(origin).or_default() += 1;
                    } else if let Some(other) = known.get(&print) {
                        lessons.on_both_sides.push(((*other).clone(), file.clone()));
                    }
                    lessons.examples.push(Example { features, label });
                }
                Err(error) => {
                    aside!("postern: {}: {error}", render::harmless(&file.to_string_lossy()));
                    lessons.unreadable += 1;
                }
            }
            progress.step();
        }
        lessons
    }

    /// Says what makes a poor teacher.
    fn warn(&self) {
        let name = |path: &PathBuf| render::harmless(&path.to_string_lossy());
        for (ham, spam) in self.on_both_sides.iter().take(NAMED) {
            aside!(
                "postern: the same message is good mail and spam: {} and {}",
                name(ham),
                name(spam)
            );
        }
        if self.on_both_sides.len() > NAMED {
            let more = self.on_both_sides.len() - NAMED;
            aside!("postern: and {more} more messages are on both sides");
        }
        if let Some(words) = uniform(&self.origins) {
            aside!("postern: {}", render::harmless(&words));
        }
    }
}

/// What is said of good mail that comes from one place, or few.
fn uniform(origins: &HashMap<String, usize>) -> Option<String> {
    let all: usize = origins.values().sum();
    let mut by_count: Vec<(&String, &usize)> = origins.iter().collect();
    by_count.sort_by(|one, other| other.1.cmp(one.1).then(one.0.cmp(other.0)));
    let (first, most) = by_count.first()?;
    let nearly_all = by_count.iter().take(FEW_ORIGINS).map(|(_, count)| **count).sum::<usize>();
    let what = if **most * 100 > all * UNIFORM_PERCENT {
        format!("{most} of {all} good messages come from {first}")
    } else if nearly_all * 100 > all * NEARLY_ALL_PERCENT {
        let few = by_count.len().min(FEW_ORIGINS);
        format!(
            "{nearly_all} of {all} good messages come from {few} senders or lists, {first} and others"
        )
    } else {
        return None;
    };
    Some(format!(
        "{what}: good mail of other kinds is unknown to this model, and its word counts the less. \
         Add what comes here else: letters of people, answers, newsletters that are wanted, \
         bills, messages of programs and devices"
    ))
}

/// The features of a message, and where it comes from: its list, or else its author's
/// organisation.
fn read(file: &Path) -> std::io::Result<(Features, String)> {
    let octets = messages::read(file)?;
    if octets.is_empty() {
        return Err(std::io::Error::other("empty"));
    }
    let anatomy = Anatomy::of(&octets.into(), Limits::default());
    let origin = origin(&anatomy);
    Ok((Features::of_anatomy(&anatomy), origin))
}

fn origin(anatomy: &Anatomy) -> String {
    let list = anatomy.head().and_then(|head| head.text("list-id"));
    if let Some(list) = list {
        let id = list.rsplit('<').next().unwrap_or_default().trim_end_matches(['>', ' ']);
        return format!("the list {}", id.to_lowercase());
    }
    let domain = match anatomy.author() {
        Authorship::One(author) => author.address.domain().map(Domain::as_str).map(str::to_owned),
        _ => None,
    };
    match domain {
        Some(domain) => registrable::organisational(&domain).unwrap_or(&domain).to_owned(),
        None => "nobody in particular".to_owned(),
    }
}

fn tell(report: &TrainingReport, path: &Path, unused: usize, unreadable: usize) {
    let TrainingReport { spam, ham, spam_right, ham_right, .. } = report;
    say!("learned from {ham} ham and {spam} spam");
    if unused > 0 {
        say!("left out: {unused} files, because {MOST_EXAMPLES} messages are used at most");
    }
    if unreadable > 0 {
        say!("left out: {unreadable} files that could not be read");
    }
    say!(
        "tried on messages that were kept from it: {ham_right} of {ham} ham and {spam_right} of \
         {spam} spam were recognised"
    );
    say!("written: {}", path.display());
    say!("a running box uses it after the next reload (SIGHUP), `postern scan --config` now");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_kind_gives_way() {
        let (most, half) = (MOST_EXAMPLES, MOST_EXAMPLES / 2);
        let table = [
            ((30, 40), (30, 40)),
            ((most, 50), (most - 50, 50)),
            ((50, 9 * most), (50, most - 50)),
            ((most, most), (half, half)),
        ];
        for ((ham, spam), expected) in table {
            assert_eq!(shares(ham, spam), expected);
        }
    }

    #[test]
    fn what_is_left_out_is_spread() {
        let files = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        let all = files(&["a", "b", "c", "d", "e", "f"]);
        assert_eq!(spread(all.clone(), 3), files(&["a", "c", "e"]));
        assert_eq!(spread(all.clone(), 6), all);
    }

    #[test]
    fn good_mail_from_few_places_is_said() {
        let origins = |counts: &[usize]| -> HashMap<String, usize> {
            counts.iter().enumerate().map(|(at, count)| (format!("{at}.test"), *count)).collect()
        };
        let said = |counts: &[usize]| uniform(&origins(counts)).unwrap_or_default();
        assert!(said(&[101, 99]).starts_with("101 of 200 good messages come from 0.test:"));
        assert!(said(&[50, 50]).starts_with("100 of 100 good messages come from 2 senders"));
        assert!(said(&[30, 25, 20, 18, 7]).starts_with("93 of 100"));
        assert_eq!(said(&[20, 20, 20, 20, 20]), "");
        assert_eq!(said(&[]), "");
    }

    #[test]
    fn the_model_before_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!keep_before(dir.path()).unwrap());
        for (number, model) in ["one", "two"].into_iter().enumerate() {
            let now = dir.path().join(MODEL_FILE);
            std::fs::write(dir.path().join("new"), model).unwrap();
            assert_eq!(keep_before(dir.path()).unwrap(), number > 0);
            std::fs::rename(dir.path().join("new"), now).unwrap();
        }
        let read = |name| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!((read(MODEL_FILE), read(MODEL_BEFORE_FILE)), ("two".into(), "one".into()));
    }

    #[test]
    fn too_little_is_refused_before_it_is_read() {
        for (ham, spam, said) in
            [(0, 0, "empty"), (500, 0, "0 spam and 500 ham"), (3, 500, "500 spam and 3 ham")]
        {
            let Err(Trouble::Data(line)) = enough(ham, spam) else { panic!("{ham} {spam}") };
            assert!(line.contains(said), "{line}");
        }
        assert!(enough(FEWEST_EACH, FEWEST_EACH).is_ok());
    }
}
